"""A training run from a recipe file: data, network and trainer together, in a folder that holds all to repeat it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_sdk.contract import write_file
from edge_sdk.errors import DataError, EdgeError, RecipeError
from models.checkpoint import first_line
from models.data.corpus import Corpus, load_corpus
from models.data.mixing import Mixtures
from models.recipe import DataConfig, Recipe, SetConfig, load_recipe
from models.training import Trainer, fit
from models.zoo import build


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


def evaluation_set(config: SetConfig, data: Path, sample_rate: int, cache: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """The mixtures and sources of a frozen set, `[1, n]` and `[S, n]` each."""
    mixtures = Mixtures(*load_corpora(config.data, data, sample_rate, cache), config.mix, sample_rate, config.seed)
    return [mixtures[i] for i in range(config.count)]


def train(
    recipe_file: Path, data: Path, run: Path | None, cache: Path | None, device: str, max_minutes: float
) -> tuple[Path, dict[str, Any]]:
    """Train what the recipe says, going on from the run folder if it holds a state. Returns the folder and last entry.

    Starts worker processes: a script of your own calls it below `if __name__ == "__main__":`.
    Raises `RecipeError` where the folder belongs to another recipe, `DataError` for unusable recordings and full disks.
    """
    recipe = load_recipe(recipe_file)
    run = run or Path("runs") / recipe.name
    try:
        return run, train_in(
            run, recipe, recipe_file.read_text(encoding="utf-8"), data, cache or default_cache(), device, max_minutes
        )
    except OSError as error:
        where = error.filename or run
        raise DataError(f"{where}: {error.strerror}; free space or choose another --run or --cache") from error


def train_in(
    run: Path, recipe: Recipe, text: str, data: Path, cache: Path, device: str, max_minutes: float
) -> dict[str, Any]:
    """Train in a folder; `text` is the recipe as it is kept there."""
    check_device(device)
    rate = recipe.network.sample_rate
    speech, noise = load_corpora(recipe.data, data, rate, cache)
    dev = evaluation_set(recipe.dev, data, rate, cache)
    run.mkdir(parents=True, exist_ok=True)
    with locked(run):
        keep_recipe(run, text)
        random.seed(recipe.seed)
        torch.manual_seed(recipe.seed)
        trainer = Trainer(build(recipe.network), recipe.fit, device)
        about = {"recipe": recipe.name, "seed": recipe.seed, "commit": commit()}
        return fit(trainer, Mixtures(speech, noise, recipe.mix, rate, recipe.seed), dev, run, about, max_minutes)


def check_device(device: str) -> None:
    """`EdgeError` where torch cannot use it."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise EdgeError(
            f"--device {device}: {first_line(error)}; expected cpu, or a device that torch has here"
        ) from error


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Nobody else trains in this folder meanwhile; the system lets go of it when the process ends, however it ends."""
    with (run / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RecipeError(f"{run}: another training works there; wait for it or choose another --run") from error
        yield


def keep_recipe(run: Path, text: str) -> None:
    """Keep the recipe in the folder of its run; `RecipeError` where that holds a training by another one."""
    kept = run / "recipe.toml"
    if (run / "state.safetensors").exists() and kept.exists() and kept.read_text(encoding="utf-8") != text:
        raise RecipeError(f"{run} was started from another recipe ({kept}); choose another --run or remove that folder")
    write_file(kept, text.encode())


def commit() -> str:
    """The commit of the source tree this runs from, `-dirty` where it was changed, or `unknown` outside one."""
    here = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()
