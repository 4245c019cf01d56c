"""Going on with a finished training that was planned too short: back to the plateau, then more steps."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

from edge_sdk.contract import to_plain, write_file
from edge_sdk.errors import RecipeError
from models.checkpoint import first_difference, load_tensors
from models.recipe import FitConfig, Recipe
from models.training.fitting import NETWORK, PLATEAU, STATE
from models.training.schedule import plateau_end

log = logging.getLogger(__name__)


def check_longer(run: Path, kept: Recipe, recipe: Recipe, extend: bool) -> None:
    """`RecipeError` where a recipe is not the one that the run was begun with, but for more steps that are meant."""
    if not extend:
        raise RecipeError(
            f"{run} was started from another recipe ({run / 'recipe.toml'}); choose another --run, remove that folder, "
            "or go on with --extend if this one only has more steps"
        )
    longer = dataclasses.replace(kept, fit=dataclasses.replace(kept.fit, steps=recipe.fit.steps))
    if found := first_difference(to_plain(longer), to_plain(recipe), "recipe"):
        raise RecipeError(
            f"{run}: --extend takes more steps and nothing else, but {found[0]} was {found[1]!r} and is {found[2]!r}; "
            "choose another --run"
        )
    if recipe.fit.steps <= kept.fit.steps:
        raise RecipeError(f"{run}: --extend from {kept.fit.steps} to {recipe.fit.steps} steps; expected more steps")


def back_to_plateau(run: Path, short: FitConfig) -> None:
    """Make the state of a run one that it would have come to with more steps than `short` has.

    Where the learning rate fell already, that is the state before it did, so that the run ends with the weights of one
    that was as long from the beginning. The network of the shorter run is kept beside it under its number of steps.
    """
    done = int(load_tensors(run / STATE)[1].get("step", 0))
    plateau = plateau_end(short.steps, short.decay_from)
    if done <= plateau:
        return
    if not (run / PLATEAU).exists():
        raise RecipeError(
            f"{run}: its learning rate has fallen and there is no {PLATEAU} from before; start a new run from "
            f"{run / NETWORK} (start in [fit])"
        )
    earlier = run / f"network-{short.steps}.safetensors"
    if (run / NETWORK).exists():
        write_file(earlier, (run / NETWORK).read_bytes())
    write_file(run / STATE, (run / PLATEAU).read_bytes())
    log.warning(
        "%s: back to step %d, where the learning rate began to fall; what came after is %s", run, plateau, earlier
    )
