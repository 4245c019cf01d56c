"""A training run from a recipe file: its data, networks and folder brought together."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from edge_sdk.errors import DataError, RecipeError
from models.checkpoint import find_checkpoint, start_from
from models.data.corpus import Corpus, check_disjoint, load_corpus
from models.data.mixing import Mixtures
from models.data.rirs import RoomStore, open_rooms
from models.data.several_rooms import SeveralRooms
from models.network import Network
from models.recipe import DataConfig, FitConfig, Recipe, SetConfig, load_recipe
from models.zoo import build

if TYPE_CHECKING:
    from models.training.fabric import Hardware

Pairs = list[tuple[np.ndarray, np.ndarray]]  # mixture [M, n] and sources [S, n]


def default_cache() -> Path:
    """Where decoded recordings are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-sdk"


def load_corpora(config: DataConfig, data: Path, sample_rate: int, cache: Path) -> tuple[Corpus, Corpus | None]:
    """Speech, and noise where the recipe names any. `DataError` where a weight is for a folder that neither has."""
    try:
        speech = load_corpus(data, config.speech, sample_rate, cache, config.weights)
        noise = load_corpus(data, config.noise, sample_rate, cache, config.weights) if config.noise else None
    except OSError as error:
        where = error.filename or cache
        raise DataError(f"{where}: {error.strerror}; free space or choose another --data or --cache") from error
    paths = [r.path for corpus in (speech, noise) if corpus for r in corpus.recordings]
    if unused := [prefix for prefix in config.weights if not any(path.startswith(prefix) for path in paths)]:
        raise DataError(f"{data}: the recipe weighs {unused[0]}, but no recording's path begins so")
    return speech, noise


def load_rooms(config: DataConfig, data: Path) -> RoomStore | SeveralRooms | None:
    """The stored rooms that the recipe names, those of several folders as one list; None where it names none."""
    stores = [open_rooms(data / folder) for folder in config.rooms]
    return SeveralRooms(stores) if len(stores) > 1 else next(iter(stores), None)


def evaluation_set(config: SetConfig, data: Path, sample_rate: int, cache: Path) -> Pairs:
    """The mixtures and sources of a frozen set."""
    corpora, rooms = load_corpora(config.data, data, sample_rate, cache), load_rooms(config.data, data)
    mixtures = Mixtures(*corpora, config.mix, sample_rate, config.seed, rooms)
    return [mixtures[i] for i in range(config.count)]


def train(
    recipe_file: Path,
    data: Path,
    run: Path | None = None,
    cache: Path | None = None,
    hardware: Hardware | None = None,
    max_minutes: float = math.inf,
    replan: bool = False,
    force: bool = False,
) -> tuple[Path, dict[str, Any]]:
    """Train what the recipe says, going on from the run folder if it holds a state. Returns the folder and last entry.

    replan: the recipe has another number of steps than the run was started with. force: go on although the
    recordings, rooms or teacher changed. Starts worker processes, and with several devices the program itself once
    more for each: a script of your own calls it below `if __name__ == "__main__":`.
    Raises `RecipeError` where the folder belongs to another recipe, `DataError` for unusable recordings and full disks.
    """
    from models.training.distillation import Distillation, load_teacher
    from models.training.fabric import launched, make_fabric
    from models.training.fitting import STATE, fit
    from models.training.folder import identify, opened
    from models.training.trainer import Trainer
    from models.training.two_step import TRAINERS
    from models.training.views import ViewTrainer

    recipe, beside = load_recipe(recipe_file), recipe_file.parent
    run = run or Path("runs") / recipe.name
    try:
        text = recipe_file.read_text(encoding="utf-8")
        fabric = make_fabric(hardware, recipe.fit.precision)
        check_batch(recipe.fit, fabric.world_size)
        with alone(cache or default_cache(), fabric.world_size) as decoded:
            mixtures, dev = load_data(recipe, data, decoded)
        random.seed(recipe.seed)
        torch.manual_seed(recipe.seed)
        network = build(recipe.network)
        check_mics(network, mixtures, recipe)
        files = {}
        if recipe.fit.start and not (run / STATE).exists():
            files["start"] = find_checkpoint(recipe.fit.start, beside)
            start_from(network, files["start"], recipe.fit.start_part)
        if recipe.distill:
            files["teacher"] = find_checkpoint(recipe.distill.teacher, beside)
            teacher = load_teacher(files["teacher"], network)
        identity = identify(recipe, data, files)
        with opened(run, recipe, text, identity, fabric, replan, force) as about, launched(fabric):
            if mixtures.rooms is not None and mixtures.mics > 1:
                about["array"] = mixtures.rooms.array.name
            if recipe.distill:
                fabric.to_device(teacher)
                objective = Distillation(teacher, recipe.distill, recipe.fit.loss, network.reference)
                trainer = Trainer(network, recipe.fit, fabric, objective)
            else:
                kind = ViewTrainer if recipe.views > 1 else TRAINERS[recipe.fit.part]
                trainer = kind(network, recipe.fit, fabric)
            return run, fit(trainer, mixtures, dev, run, about, max_minutes)
    except OSError as error:
        where = error.filename or run
        raise DataError(f"{where}: {error.strerror}; free space or choose another --run or --cache") from error


def check_batch(config: FitConfig, processes: int) -> None:
    """`RecipeError` where processes cannot have equal shares of a batch."""
    if config.batch % processes:
        raise RecipeError(
            f"batch = {config.batch} for {processes} processes: expected a multiple; every process takes an equal share"
        )


def load_data(recipe: Recipe, data: Path, cache: Path) -> tuple[Mixtures, Pairs]:
    """The mixtures to train on, and the development set: at the same microphones, with other speakers."""
    rate, dev = recipe.network.sample_rate, recipe.dev
    corpora, rooms = load_corpora(recipe.data, data, rate, cache), load_rooms(recipe.data, data)
    check_same_microphones(recipe.name, rooms, load_rooms(dev.data, data))
    check_disjoint(corpora[0], load_corpora(dev.data, data, rate, cache)[0])
    mixtures = Mixtures(*corpora, recipe.mix, rate, recipe.seed, rooms)
    return mixtures, evaluation_set(dev, data, rate, cache)


def check_same_microphones(name: str, *rooms: RoomStore | SeveralRooms | None) -> None:
    """`RecipeError` where the rooms of the development set have other microphones or another reference."""
    (mics, reference), (dev_mics, dev_reference) = ((r.mics, r.array.reference) if r else (1, 0) for r in rooms)
    if (mics, reference) != (dev_mics, dev_reference):
        raise RecipeError(
            f"{name}: dev.data.rooms have {dev_mics} microphone(s), targets at number {dev_reference} counted from 0, "
            f"but data.rooms {mics}, at number {reference}; give both rooms of one array"
        )


@torch.no_grad()
def check_mics(network: Network, mixtures: Mixtures, recipe: Recipe) -> None:
    """`RecipeError` where the network does not take the microphones of the mixtures, or has another reference."""
    try:
        network.eval()(torch.zeros(1, mixtures.mics, network.hop))
    except ValueError as error:
        where = f"rooms: {', '.join(recipe.data.rooms)}" if recipe.data.rooms else "no rooms"
        raise RecipeError(
            f"{recipe.name}: {error} ({where}); give data.rooms of a fitting array (edge-sdk simulate rooms)"
        ) from error
    if network.reference != mixtures.reference:
        table = "network.spatial" if hasattr(network.config, "spatial") else "network"
        raise RecipeError(
            f"{recipe.name}: the network gives its sources at microphone {network.reference}, counted from 0, but the "
            f"array of the rooms has its reference, where targets are, at {mixtures.reference}; "
            f"set {table}.reference = {mixtures.reference}"
        )


@contextlib.contextmanager
def alone(cache: Path, processes: int) -> Iterator[Path]:
    """The cache, entered by one process of a machine after the other: the first decodes, the others find it done."""
    if processes == 1:
        yield cache
        return
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield cache
