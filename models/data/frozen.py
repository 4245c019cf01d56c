"""Frozen evaluation sets: mixtures written down, so that everybody who evaluates hears the same samples.

A set is a folder: `set.json` says what it was made of and names the hash of every file, and a folder per mixture holds
16-bit audio: `mixture`, `sources` (the targets), and, where they are not the same, `image-N` of every talker at all
microphones. `sha256` is of the samples alone, so it is equal wherever the same mixtures came out.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_sdk.audio.arrays import MicArray
from edge_sdk.audio.wav import optional, read_wav
from edge_sdk.contract import canonical_json, from_plain, parse_json
from edge_sdk.errors import DataError
from models.data.example import Example

SCHEMA = 1
INDEX = "set.json"
FULL_SCALE = 32768.0
LOUDEST = 0.99
MOST_FLAC_CHANNELS = 8


@dataclass(frozen=True)
class SetMixture:
    """A mixture as the index knows it: what it was made of, hash of its samples, and of each file's bytes by name."""

    about: dict[str, Any]
    sha256: str
    files: dict[str, str]


@dataclass(frozen=True)
class SetIndex:
    """What `set.json` holds. made_of: recipe, data and versions, to make it again."""

    schema: int
    name: str
    sample_rate: int
    mics: int
    sources: int
    array: MicArray | None
    made_of: dict[str, Any]
    sha256: str
    mixtures: tuple[SetMixture, ...]


class FrozenSet(Sequence[Example]):
    """The examples of a set, read when they are asked for; see `open_set`."""

    def __init__(self, folder: Path, index: SetIndex) -> None:
        self.folder, self.contents = folder, index
        self.name, self.sample_rate, self.sha256 = index.name, index.sample_rate, index.sha256
        self.mics, self.sources, self.array = index.mics, index.sources, index.array

    def __len__(self) -> int:
        return len(self.contents.mixtures)

    def __getitem__(self, index: int) -> Example:  # type: ignore[override]
        if not 0 <= index < len(self):
            raise IndexError(f"mixture {index} of {len(self)}")
        entry = self.contents.mixtures[index]
        signals = {Path(name).stem: read_wav(self.folder / name, self.sample_rate)[0] for name in entry.files}
        images = [signals[f"image-{s}"] for s in range(self.sources) if f"image-{s}" in signals]
        sources = signals["sources"]
        return Example(signals["mixture"], sources, np.stack(images) if images else sources[:, None], entry.about)


def open_set(path: Path) -> FrozenSet:
    """The set in a folder, every file checked; `DataError` names those that are missing or altered."""
    file = path / INDEX
    if not file.is_file():
        raise DataError(f"{path}: no finished set there ({INDEX} is missing); make it with: edge-sdk simulate set")
    try:
        index = from_plain(SetIndex, parse_json(file.read_bytes()))
        if index.schema != SCHEMA:
            raise ValueError(f"schema {index.schema}, expected {SCHEMA}")
        if index.sha256 != digest_of_set(index.sample_rate, [m.sha256 for m in index.mixtures]):
            raise ValueError("its sha256 is not that of its mixtures")
        for mixture in index.mixtures:
            check_names(mixture.files, index.sources)
    except (TypeError, ValueError) as error:
        raise DataError(f"{file}: not an index of a set, or altered ({error}); make the set again") from error
    for mixture in index.mixtures:
        for name, sha256 in mixture.files.items():
            check_file(path / name, sha256)
    return FrozenSet(path, index)


def check_names(files: dict[str, str], sources: int) -> None:
    """`ValueError` for files outside the set, and where some are missing or there are others."""
    stems = {Path(name).stem for name in files}
    plain = {"mixture", "sources"}
    if stems not in (plain, plain | {f"image-{s}" for s in range(sources)}):
        raise ValueError(
            f"files {', '.join(files)}: expected a mixture, its sources, and images of all of these or none"
        )
    for name in files:
        folder, _, base = name.partition("/")
        if not folder.isdecimal() or "/" in base or "\\" in base:
            raise ValueError(f"file {name!r}: expected one in the numbered folder of its mixture")


def check_file(file: Path, sha256: str) -> None:
    """`DataError` where a file is not the one that was written."""
    try:
        found = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}); copy the set again") from error
    if found != sha256:
        raise DataError(f"{file}: altered since the set was made; copy the set again, or make it again")


def digest_of_set(sample_rate: int, mixtures: list[str]) -> str:
    """One hash for all samples of a set."""
    return hashlib.sha256(canonical_json([sample_rate, mixtures])).hexdigest()


def frozen(example: Example) -> Example:
    """The example as 16-bit numbers hold it, float32; quieter as a whole where a talker alone is beyond full scale."""
    signals = (example.mixture, example.sources, example.images)
    peak = max(float(np.abs(s).max()) for s in signals)
    gain, about = min(1.0, LOUDEST / max(peak, 1e-9)), dict(example.about)
    if gain < 1 and "level_db" in about:
        about["level_db"] += float(20 * np.log10(gain))
    mixture, sources, images = (np.round(gain * s * FULL_SCALE).astype(np.float32) / FULL_SCALE for s in signals)
    return Example(mixture, sources, images, about)


def digest(example: Example) -> str:
    """Hash of the samples of a frozen example and their shapes."""
    hashed = hashlib.sha256()
    for signal in (example.mixture, example.sources, example.images):
        hashed.update(canonical_json(list(signal.shape)))
        hashed.update((signal * FULL_SCALE).astype("<i2").tobytes())
    return hashed.hexdigest()


def encoded(example: Example, sample_rate: int) -> dict[str, bytes]:
    """The files of a frozen example, by name."""
    signals = {"mixture": example.mixture, "sources": example.sources}
    if not np.array_equal(example.images, example.sources[:, None]):
        signals |= {f"image-{s}": image for s, image in enumerate(example.images)}
    files = {}
    for name, signal in signals.items():
        kind = "FLAC" if len(signal) <= MOST_FLAC_CHANNELS else "WAV"
        memory, samples = io.BytesIO(), (signal.T * FULL_SCALE).astype(np.int16)
        optional("soundfile").write(memory, samples, sample_rate, format=kind, subtype="PCM_16")
        files[f"{name}.{kind.lower()}"] = memory.getvalue()
    return files
