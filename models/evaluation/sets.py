"""Sets to evaluate on: frozen ones, and those that a recipe describes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_sdk.audio.arrays import MicArray
from edge_sdk.errors import DataError, EdgeError
from models.data.example import Example
from models.data.frozen import FrozenSet, open_set
from models.data.mixing import Mixtures
from models.recipe import load_set
from models.runs import load_corpora, load_rooms


class RecipeSet(Sequence[Example]):
    """The first mixtures of a recipe's `[dev]` table, made while they are asked for."""

    sha256 = ""

    def __init__(self, name: str, mixtures: Mixtures, count: int) -> None:
        self.name, self.mixtures, self.count = name, mixtures, count
        self.sample_rate, self.sources = mixtures.sample_rate, mixtures.config.sources
        self.array: MicArray | None = mixtures.rooms.array if mixtures.rooms else None
        self.mics = self.array.mics if self.array else 1

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Example:  # type: ignore[override]
        if not 0 <= index < len(self):
            raise IndexError(f"mixture {index} of {len(self)}")
        return self.mixtures.example(index)


def open_examples(path: Path, data: Path | None, cache: Path, sample_rate: int) -> FrozenSet | RecipeSet:
    """The frozen set in a folder, or the set that a recipe file describes, of recordings below `data`."""
    if path.is_dir():
        found = open_set(path)
        if found.sample_rate != sample_rate:
            raise DataError(
                f"{path}: a set at {found.sample_rate} Hz, the model works at {sample_rate} Hz; make one at that rate"
            )
        return found
    config = load_set(path)
    if data is None:
        raise EdgeError(f"--set {path} is a recipe, whose mixtures are made of recordings; give their folder as --data")
    corpora, rooms = load_corpora(config.data, data, sample_rate, cache), load_rooms(config.data, data)
    mixtures = Mixtures(*corpora, config.mix, sample_rate, config.seed, rooms)
    return RecipeSet(path.name, mixtures, config.count)


def positions_of(array: MicArray | None) -> np.ndarray | None:
    """Where the microphones are in metres, `[M, 3]`, the reference first; None where nobody knows."""
    if array is None:
        return None
    order = [array.reference, *(m for m in range(array.mics) if m != array.reference)]
    return np.array(array.positions_m)[order]
