"""The models that come with this package, and how a name finds one."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from edge_sdk.errors import BundleError, EdgeError

FOLDER = Path(__file__).parent / "shipped"
SUFFIX = ".edge"


def shipped_models(folder: Path | None = None) -> dict[str, Path]:
    """Name and bundle of every shipped model, in alphabetical order. A name without a recipe means dynamic int8."""
    return {path.stem: path for path in sorted((folder or FOLDER).glob(f"*{SUFFIX}"), key=lambda path: path.stem)}


def find_model(name_or_path: str | os.PathLike[str], folder: Path | None = None) -> Path:
    """The bundle that is meant: a file of that path, or else a shipped model of that name."""
    path, name = Path(name_or_path), os.fspath(name_or_path)
    if path.is_file():
        return path
    shipped = shipped_models(folder)
    if name in shipped:
        return shipped[name]
    if os.sep in name or name.endswith(SUFFIX):
        raise BundleError(f"{name}: no such file; expected a bundle or the name of a shipped model (edge-sdk models)")
    near = difflib.get_close_matches(name.lower(), shipped, n=3)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    known = ", ".join(shipped) or "none, give the path of a bundle"
    raise EdgeError(f"unknown model {name!r}; {meant}shipped models: {known}")
