"""The folder of a run: who may train in it, and whether what is to be trained is what it was begun with."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_sdk.contract import write_file
from edge_sdk.errors import RecipeError
from models.data.rirs import INDEX
from models.recipe import Recipe, load_recipe
from models.training.fitting import STATE
from models.training.provenance import commit, describe_recordings, describe_session, keep_provenance, sha256_of
from models.training.replanning import back_to_plateau, check_replanned

if TYPE_CHECKING:
    from lightning_fabric import Fabric

RECIPE = "recipe.toml"


def identify(recipe: Recipe, data: Path, files: dict[str, Path]) -> dict[str, Any]:
    """What a run is made of besides the words of its recipe: hashes of recordings, rooms and checkpoints in `files`."""
    identity: dict[str, Any] = {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "recordings": describe_recordings(recipe.data, data),
        "development recordings": describe_recordings(recipe.dev.data, data),
    }
    for name, config in (("rooms", recipe.data), ("development rooms", recipe.dev.data)):
        if config.rooms:
            identity[name] = {folder: sha256_of(data / folder / INDEX) for folder in config.rooms}
    return identity | {name: sha256_of(path) for name, path in files.items()}


@contextlib.contextmanager
def opened(
    run: Path, recipe: Recipe, text: str, identity: dict[str, Any], fabric: Fabric, replan: bool, force: bool
) -> Iterator[dict[str, Any]]:
    """The folder, locked by the main process, with recipe and `run.json` in it; what a checkpoint says of its origin.

    `RecipeError` where it was begun with another recipe or other data.
    """
    if not fabric.is_global_zero:
        yield {}
        return
    run.mkdir(parents=True, exist_ok=True)
    with locked(run):
        resumed = (run / STATE).exists()
        before = other_recipe(run, recipe) if resumed else None
        if before:
            check_replanned(run, before, recipe, replan)
        session = describe_session(text, fabric.device, fabric.world_size)
        identity = keep_provenance(run, identity, session, resumed, force)
        if before:
            back_to_plateau(run, before.fit)
        write_file(run / RECIPE, text.encode())
        about = {"recipe": recipe.name, "seed": recipe.seed, "commit": commit()}
        origins = {"start": recipe.fit.start, "teacher": recipe.distill.teacher if recipe.distill else ""}
        yield about | {n: {"from": origins[n], "sha256": identity[n]} for n in origins if n in identity}


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Nobody else trains in this folder meanwhile; the system lets go of it when the process ends, however it ends."""
    with (run / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RecipeError(f"{run}: another training works there; wait for it or choose another --run") from error
        yield


def other_recipe(run: Path, recipe: Recipe) -> Recipe | None:
    """The recipe that the run was begun with, if it says something else than this one."""
    if not (run / RECIPE).exists() or (kept := load_recipe(run / RECIPE)) == recipe:
        return None
    return kept
