"""Going on with a training that was planned too short or too long: from its plateau, for another number of steps."""

from __future__ import annotations

import dataclasses
import logging
import math
from pathlib import Path

from edge_sdk.contract import to_plain, write_file
from edge_sdk.errors import RecipeError
from models.checkpoint import first_difference, load_tensors
from models.recipe import FitConfig, Recipe
from models.training.fitting import NETWORK, PLATEAU, STATE
from models.training.schedule import plateau_end

log = logging.getLogger(__name__)


def check_replanned(run: Path, kept: Recipe, recipe: Recipe, replan: bool) -> None:
    """`RecipeError` where a recipe is not the one that the run was begun with, but for steps that can still be
    planned: none of those that were done is one that the new plan would have done at a lower learning rate."""
    if not replan:
        raise RecipeError(
            f"{run} was started from another recipe ({run / 'recipe.toml'}); choose another --run, remove that folder, "
            "or go on with --replan if this one only has more or fewer steps"
        )
    replanned = dataclasses.replace(kept, fit=dataclasses.replace(kept.fit, steps=recipe.fit.steps))
    if found := first_difference(to_plain(replanned), to_plain(recipe), "recipe"):
        raise RecipeError(
            f"{run}: --replan takes another number of steps and nothing else, but {found[0]} was {found[1]!r} and is "
            f"{found[2]!r}; choose another --run"
        )
    done = min(steps_done(run), plateau_end(kept.fit.steps, kept.fit.decay_from))
    if done > plateau_end(recipe.fit.steps, recipe.fit.decay_from):
        raise RecipeError(
            f"{run}: {done} steps are done at the whole learning rate, which in a training of {recipe.fit.steps} falls "
            f"earlier; expected {math.ceil(done / recipe.fit.decay_from)} steps or more"
        )


def back_to_plateau(run: Path, before: FitConfig) -> None:
    """Make the state of a run one that a plan of any length comes to.

    Where the learning rate fell already by the plan `before`, that is the state before it did, so that the run ends
    with the weights of one that was as long from the beginning. The network that the fall came to is kept beside it
    under its number of steps.
    """
    plateau = plateau_end(before.steps, before.decay_from)
    if steps_done(run) <= plateau:
        return
    if not (run / PLATEAU).exists():
        raise RecipeError(
            f"{run}: its learning rate has fallen and there is no {PLATEAU} from before; start a new run from "
            f"{run / NETWORK} (start in [fit])"
        )
    earlier = run / f"network-{before.steps}.safetensors"
    if (run / NETWORK).exists():
        write_file(earlier, (run / NETWORK).read_bytes())
    write_file(run / STATE, (run / PLATEAU).read_bytes())
    log.warning(
        "%s: back to step %d, where the learning rate began to fall; what came after is %s", run, plateau, earlier
    )


def steps_done(run: Path) -> int:
    return int(load_tensors(run / STATE)[1].get("step", 0))
