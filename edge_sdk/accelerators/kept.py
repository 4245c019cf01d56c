"""What was measured on this machine, kept on disk, so that the next start need not measure it again."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

from edge_sdk.accelerators.accelerator import Accelerator
from edge_sdk.bench import cpu_name
from edge_sdk.contract import Manifest, from_plain, parse_json, write_file

log = logging.getLogger(__name__)
T = TypeVar("T")
About = Mapping[str, Any]
DRIVERS = ("/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d")
CHOSEN_DRIVERS = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")  # variables of the Vulkan loader, in its order


def cache_folder() -> Path:
    """Where systemd lets a service keep such things, or else the user's folder for them."""
    if folder := os.environ.get("CACHE_DIRECTORY"):  # CacheDirectory= in a unit; of several the first
        return Path(folder.split(":")[0])
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-sdk"
    except RuntimeError:  # a user without a home
        return Path("/var/cache/edge-sdk")


def recall(kind: type[T], about: About, folder: Path) -> T | None:
    """What was found about exactly this, if anything was and can be read."""
    try:
        return from_plain(kind, parse_json(place(kind, about, folder).read_bytes())["found"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(found: Any, about: About, folder: Path) -> None:
    """Write it down; where that cannot be done, the next start measures again."""
    path = place(type(found), about, folder)
    try:
        write_file(path, json.dumps({"about": dict(about), "found": asdict(found)}, indent=1).encode())
    except OSError as error:
        log.info("not kept for the next start: %s", error)


def place(kind: type, about: About, folder: Path) -> Path:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    return folder / f"{kind.__name__.lower()}-{digest[:32]}.json"


def runs_on(m: Manifest, backend: str, threads: int) -> dict[str, Any]:
    """The model, the interpreter and the machine that something was measured on."""
    try:
        installed = version(backend)
    except PackageNotFoundError:
        installed = "unknown"
    return {
        "model": m.sha256,
        "backend": f"{backend} {installed}",
        "cpu": cpu_name(),
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": os.uname().release,  # which holds the drivers' other halves
        "threads": threads,
    }


def driven_by(accelerator: Accelerator) -> dict[str, Any]:
    """What would make an accelerator another one: its library and options, or graphics cards and their drivers."""
    if accelerator.kind == "delegate":
        return {"library": stamp(Path(accelerator.library)), "options": list(accelerator.options)}
    chosen = next((os.environ[name] for name in CHOSEN_DRIVERS if os.environ.get(name)), "")
    files = [Path(name) for name in chosen.split(":")] if chosen else [f for d in DRIVERS for f in Path(d).glob("*")]
    cards = Path("/sys/class/drm").glob("card*/device/uevent")
    return {
        "drivers": sorted(stamp(path) for path in files),
        "cards": sorted(path.read_text(errors="replace") for path in cards),
    }


def stamp(path: Path) -> str:
    """What changes when a file is installed anew."""
    try:
        about = path.stat()
    except OSError:
        return str(path)
    return f"{path}, {about.st_size} bytes of {about.st_mtime_ns}"
