"""A training run from a recipe file: data, network and trainer together, in a folder that holds all to repeat it."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_sdk.errors import DataError, RecipeError
from models.data.corpus import Corpus, load_corpus
from models.data.mixing import Mixtures
from models.recipe import DataConfig, Recipe, SetConfig, load_recipe
from models.training import Trainer, fit
from models.zoo import build


def default_cache() -> Path:
    """Where decoded recordings are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-sdk"


def load_corpora(config: DataConfig, data: Path, sample_rate: int, cache: Path) -> tuple[Corpus, Corpus | None]:
    """Speech, and noise where the recipe names any."""
    noise = load_corpus(data, config.noise, sample_rate, cache) if config.noise else None
    return load_corpus(data, config.speech, sample_rate, cache, config.weights), noise


def evaluation_set(config: SetConfig, data: Path, sample_rate: int, cache: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """The mixtures and sources of a frozen set, `[1, n]` and `[S, n]` each."""
    mixtures = Mixtures(*load_corpora(config.data, data, sample_rate, cache), config.mix, sample_rate, config.seed)
    return [mixtures[i] for i in range(config.count)]


def train(
    recipe_file: Path, data: Path, run: Path | None, cache: Path | None, device: str, max_minutes: float
) -> tuple[Path, dict[str, Any]]:
    """Train what the recipe says, going on from the run folder if it holds a state. Returns the folder and last entry.

    Raises `RecipeError` where the folder belongs to another recipe, `DataError` for unusable recordings and full disks.
    """
    recipe = load_recipe(recipe_file)
    run = run or Path("runs") / recipe.name
    try:
        return run, train_in(run, recipe, recipe_file.read_text(), data, cache or default_cache(), device, max_minutes)
    except OSError as error:
        where = error.filename or run
        raise DataError(f"{where}: {error.strerror}; free space or choose another --run or --cache") from error


def train_in(
    run: Path, recipe: Recipe, text: str, data: Path, cache: Path, device: str, max_minutes: float
) -> dict[str, Any]:
    """Train in a folder; `text` is the recipe as it is kept there."""
    run.mkdir(parents=True, exist_ok=True)
    kept = run / "recipe.toml"
    if (run / "state.safetensors").exists() and kept.exists() and kept.read_text() != text:
        raise RecipeError(f"{run} was started from another recipe ({kept}); choose another --run or remove that folder")
    kept.write_text(text)
    rate = recipe.network.sample_rate
    speech, noise = load_corpora(recipe.data, data, rate, cache)
    dev = evaluation_set(recipe.dev, data, rate, cache)
    random.seed(recipe.seed)
    torch.manual_seed(recipe.seed)
    trainer = Trainer(build(recipe.network), recipe.fit, device)
    about = {"recipe": recipe.name, "seed": recipe.seed, "commit": commit()}
    return fit(trainer, Mixtures(speech, noise, recipe.mix, rate, recipe.seed), dev, run, about, max_minutes)


def commit() -> str:
    """The commit of the source tree this runs from, or `unknown` outside one."""
    here = Path(__file__).parent
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()
