"""Packages of other people that have the names of ours: which of the two a test run gets, in one line.

Python has one package of a name in a process. A test run in somebody's repository may find theirs first, and then the
gate cannot be loaded; or it has ours, which the plugin brought, and then their own tests cannot import theirs. Folders
that are no packages, such as one `models/` full of checkpoints, hide nothing.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

OURS = Path(__file__).parents[2]  # the folder that our packages are in
APART = "keep the gate's tests in a folder without it and run pytest there, or rename it"


def hiding(module: str | None) -> str:
    """Who hides a module of ours that cannot be imported; empty where nobody does, and something is not installed."""
    package = (module or "").partition(".")[0]
    spec = find_spec(package) if package in ("models", "quantization") else None
    where = Path(spec.origin).parent if spec and spec.origin else None
    if where is None or where.parent.resolve() == OURS.resolve():
        return ""
    return f"{where} hides the package {package} of edge-sdk; {APART}"


def hidden(*folders: Path) -> str:
    """Which package in one of these folders ours hides, because the plugin is loaded; empty where there is none."""
    for folder in folders:
        package = folder / "quantization"
        if (package / "__init__.py").is_file() and folder.resolve() != OURS.resolve():
            return (
                f"{package} cannot be imported in this run, because the pytest plugin of edge-sdk is in a package of "
                f"that name; pytest -p no:edge-sdk leaves the plugin out"
            )
    return ""
