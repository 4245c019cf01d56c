"""The TOML file that says which variants a bundle holds and what each fits.

name = "enhance-mono"
version = "1.2.0"
security_epoch = 3
created = 2026-11-21T00:00:00Z
expires = 2028-11-21T00:00:00Z

[[variants]]
name = "int8"
model = "enhance-mono.tflite"          # beside this file, and enhance-mono.json, its manifest, beside it
cpus = ["aarch64", "x86_64"]           # as uname -m says; no list allows all
arrays = ["respeaker-4mic"]            # of no list, the one that the manifest names
runtimes = ["ai-edge-litert"]
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge_sdk.contract import Fits, fits_of, manifest_from_json
from edge_sdk.contract.plain import from_plain
from edge_sdk.errors import BundleError, ManifestError
from firmware_bridge.bundle import Packed

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class VariantEntry:
    """A variant as the file names it."""

    name: str
    model: str
    cpus: tuple[str, ...] = ()
    arrays: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReleaseFile:
    """The file; times in seconds since 1970."""

    name: str
    version: str
    variants: tuple[VariantEntry, ...]
    security_epoch: int = 0
    created: int | None = None
    expires: int | None = None


def read_release_file(path: Path) -> tuple[ReleaseFile, list[Packed]]:
    """What the file says, and the models that it names."""
    try:
        plain = tomllib.loads(read_file(path).decode("utf-8"))
        release = from_plain(ReleaseFile, {key: seconds(value) for key, value in plain.items()})
    except ValueError as error:  # of TOML too
        raise ManifestError(f"{path}: not packed ({error})") from error
    packed = []
    for entry in release.variants:
        model = path.parent / entry.model
        beside = model.with_suffix(".json")
        manifest = manifest_from_json(read_file(beside), str(beside))
        arrays = entry.arrays or fits_of(manifest).arrays
        packed.append(Packed(entry.name, manifest, read_file(model), Fits(entry.cpus, arrays, entry.runtimes)))
    return release, packed


def seconds(value: Any) -> Any:
    """A TOML time as seconds since 1970 (UTC where it names no zone); other values as they are."""
    if not isinstance(value, datetime):
        return value
    return int((value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp())


def read_file(path: Path) -> bytes:
    """All of a file that export wrote."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be read ({error.strerror}); give a file that edge-sdk export writes"
        ) from error
