"""Prune and train on, round after round, through the training that made the network.

A round writes its pruned network and a recipe that starts from it into a folder, and trains that; so every round can be
looked at, trained on with `edge-sdk train`, and an interrupted one goes on where it stopped.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_sdk.contract import write_file
from edge_sdk.errors import RecipeError
from models.checkpoint import find_checkpoint, load_network, save_network
from models.network import Network
from models.recipe import Recipe, load_recipe, read_toml
from models.runs import check_mics, default_cache, load_data, train
from models.training.losses import Objective, Separation
from models.zoo import config_to_dict
from quantization.pruning.config import PruneConfig
from quantization.pruning.importance import Mixture
from quantization.pruning.structured import prune

log = logging.getLogger(__name__)

START, RECIPE, TRAINED = "pruned.safetensors", "fine-tune.toml", "run"  # in the folder of a round


def recipe_for(network: Network, recipe_file: Path) -> Recipe:
    """The recipe, for this network instead of its own; `RecipeError` where its mixtures are none for it."""
    try:
        return replace(load_recipe(recipe_file), network=network.config)
    except ValueError as error:
        raise RecipeError(f"{recipe_file}: {error}") from error


def training_mixtures(network: Network, recipe: Recipe, data: Path, cache: Path | None, count: int) -> list[Mixture]:
    """Mixtures that the recipe trains on, past the easy ones of its beginning."""
    mixtures, _ = load_data(recipe, data, cache or default_cache())
    check_mics(network, mixtures, recipe)
    first = recipe.mix.curriculum.mixtures
    return [mixtures[index] for index in range(first, first + count)]


def objective_of(network: Network, recipe: Recipe) -> Objective:
    """The loss of the recipe."""
    return Separation(recipe.fit.loss, network.reference)


def prune_and_fine_tune(
    network: Network,
    checkpoint: Path,
    config: PruneConfig,
    recipe_file: Path,
    data: Path,
    run: Path,
    rounds: int = 1,
    distill: float = 0.0,
    count: int = 16,
    cache: Path | None = None,
) -> Network:
    """The network pruned by equal shares in so many rounds, each trained as the recipe says from what the last gave.

    checkpoint: the file of the unpruned network, which is the teacher where `distill`, the share of the loss that is
    the distance to its outputs, is above 0. run: a folder for the rounds. count: mixtures to measure importance on.
    """
    recipe = recipe_for(network, recipe_file)
    mixtures = training_mixtures(network, recipe, data, cache, count)
    for number, share in enumerate(shares(config, rounds), 1):
        folder = run / f"round-{number}"
        network = prune(network, mixtures, share, objective_of(network, recipe))
        folder.mkdir(parents=True, exist_ok=True)
        save_network(folder / START, network, {})
        tables = fine_tuning_tables(recipe_file, network, checkpoint, distill)
        write_file(folder / RECIPE, toml_text(tables).encode())
        log.info("round %d of %d: training in %s", number, rounds, folder / TRAINED)
        train(folder / RECIPE, data, folder / TRAINED, cache)
        network, _ = load_network(folder / TRAINED / "network.safetensors")
    return network


def shares(config: PruneConfig, rounds: int) -> list[PruneConfig]:
    """What each round prunes of what the ones before left, so that all together prune what was asked for."""
    ratio, filters = (1 - (1 - share) ** (1 / rounds) for share in (config.ratio, config.filters))
    blocks = [config.blocks // rounds + (number < config.blocks % rounds) for number in range(rounds)]
    return [replace(config, ratio=ratio, filters=filters, blocks=count) for count in blocks]


def fine_tuning_tables(recipe_file: Path, network: Network, unpruned: Path, distill: float) -> dict[str, Any]:
    """The tables of a recipe that trains a pruned network on, from the checkpoint beside it."""
    tables = read_toml(recipe_file)
    fit, taught = {**tables.get("fit", {}), "start": START, "start_part": ""}, tables.get("distill")
    if distill:
        taught = {"teacher": str(unpruned.resolve()), "weight": distill}
    elif taught:
        taught = {**taught, "teacher": str(find_checkpoint(taught["teacher"], recipe_file.parent).resolve())}
    return {**tables, "network": config_to_dict(network.config), "fit": fit, "distill": taught}


def toml_text(tables: dict[str, Any], name: str = "") -> str:
    """Plain data as TOML; what is None is left out."""
    own = {key: value for key, value in tables.items() if not isinstance(value, dict) and value is not None}
    lines = [f"[{name}]"] if name else []
    lines += [f"{json.dumps(key)} = {toml_value(value)}" for key, value in own.items()]
    above = f"{name}." if name else ""
    inner = [toml_text(t, above + json.dumps(key)) for key, t in tables.items() if isinstance(t, dict)]
    return "\n".join([*lines, "", *inner])


def toml_value(value: Any) -> str:
    """A number, text, truth or list in TOML."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(toml_value, value))}]"
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
