"""What a run is made of, in `run.json`: enough to repeat it, and to refuse to go on with something else."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from edge_sdk.contract import write_file
from edge_sdk.errors import RecipeError
from models.data.corpus import find_recordings
from models.recipe import DataConfig

SCHEMA = 1
FILE = "run.json"
PACKAGES = ("edge-sdk", "torch", "numpy", "lightning-fabric", "soundfile", "soxr")


def keep_provenance(
    run: Path, identity: dict[str, Any], session: dict[str, Any], resumed: bool, force: bool
) -> dict[str, Any]:
    """Write `run.json`: the identity of a run, and one session for every time that it was started.

    identity: what must not change while it lasts. `RecipeError` where it did and the run is resumed, unless forced.
    Returns the identity with what only the first session knew.
    """
    kept = read(run / FILE) if resumed else {}
    before = kept.get("identity", {})
    changed = [name for name, value in identity.items() if name in before and before[name] != value]
    if changed and not force:
        raise RecipeError(
            f"{run}: the {changed[0]} changed since this run began (run.json); bring it back, choose another --run, or "
            "go on with --force"
        )
    identity = before | identity
    sessions = [*kept.get("sessions", []), session | ({"changed": changed} if changed else {})]
    content = {"schema": SCHEMA, "identity": identity, "sessions": sessions}
    write_file(run / FILE, (json.dumps(content, indent=2) + "\n").encode())
    return identity


def read(path: Path) -> dict[str, Any]:
    """What is kept in a run folder; nothing in those of versions that kept none."""
    if not path.exists():
        return {}
    try:
        kept = json.loads(path.read_bytes())
    except ValueError as error:
        raise RecipeError(f"{path}: not readable ({error}); remove it to go on without a check of the data") from error
    if not isinstance(kept, dict) or kept.get("schema") != SCHEMA:
        raise RecipeError(f"{path}: not of this version of edge-sdk (expected schema {SCHEMA}); choose another --run")
    return kept


def describe_recordings(config: DataConfig, data: Path) -> dict[str, Any]:
    """How many files, how long in bytes, and a hash of all their paths and sizes and of `manifest.csv`."""
    paths = find_recordings(data, (*config.speech, *config.noise))
    sizes = [[path.relative_to(data).as_posix(), path.stat().st_size] for path in paths]
    manifest = data / "manifest.csv"
    return {
        "files": len(sizes),
        "bytes": sum(size for _, size in sizes),
        "sha256": hashlib.sha256(json.dumps(sizes).encode()).hexdigest(),
        "manifest_sha256": sha256_of(manifest) if manifest.exists() else None,
    }


def describe_session(recipe: str, device: torch.device, processes: int) -> dict[str, Any]:
    """When, by which recipe, code and command, and on which machine this process trains."""
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "recipe_sha256": hashlib.sha256(recipe.encode()).hexdigest(),
        "commit": commit(),
        "command": shlex.join(sys.argv),
        "versions": {"python": platform.python_version(), **{name: version_of(name) for name in PACKAGES}},
        "machine": {
            "system": platform.platform(),
            "processor": processor(),
            "cores": os.cpu_count(),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
            "processes": processes,
        },
    }


def version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def processor() -> str:
    """The model of the processor, where Linux knows it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def sha256_of(path: Path) -> str:
    """The hash of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


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
