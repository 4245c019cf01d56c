"""A folder to upload to hawkBit (https://eclipse.dev/hawkbit): an update of RAUC or SWUpdate, and what to say of it.

    FOLDER/NAME.raucb or NAME.swu    the artifact; on each device a client of hawkBit hands it to RAUC or SWUpdate
    FOLDER/module.json               body of POST /rest/v1/softwaremodules
    FOLDER/artifact.json             form fields of POST /rest/v1/softwaremodules/ID/artifacts, beside the file itself
    FOLDER/set.json                  body of POST /rest/v1/distributionsets, to which the module is then assigned

hawkBit refuses an upload whose sums differ from those in the form. RAUC's client takes one module of one artifact.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from edge_sdk.contract import Machine, read_bundle
from edge_sdk.errors import EdgeError
from firmware_bridge.boards import Board

SUFFIXES = (".raucb", ".swu")  # by which hawkBit's users, and ours, tell one from the other
TYPE = "os"  # of modules and of sets: one that hawkBit has from the start
LONGEST = 64  # characters of a name or version there


class UploadError(EdgeError):
    """A folder for hawkBit cannot be made."""


def check_upload(folder: Path, artifact: Path, force: bool) -> None:
    """`UploadError` where the folder must not be made, or the update has no name that its users know."""
    if artifact.suffix not in SUFFIXES:
        raise UploadError(f"{artifact}: expected a name that ends in {' or '.join(SUFFIXES)}")
    if folder.exists() and not (force and folder.is_dir()):
        raise UploadError(f"{folder} exists; choose another folder or give --force")


def write_upload(folder: Path, artifact: Path, bundle: Path, board: Board, force: bool = False) -> None:
    """Make the folder for an update that carries this bundle to such boards."""
    check_upload(folder, artifact, force)
    texts = described_upload(artifact, bundle, board)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(artifact, folder / artifact.name)
        for name, text in texts.items():
            (folder / name).write_text(json.dumps(text, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UploadError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from error


def described_upload(artifact: Path, bundle: Path, board: Board) -> dict[str, Any]:
    """What hawkBit is told, by the names of the files that say it."""
    read, data = read_bundle(bundle, machine=Machine()), artifact.read_bytes()
    about = read.release or read.manifest
    name, version = f"{about.name} on {board.name}", about.version
    if max(len(name), len(version)) > LONGEST:
        raise UploadError(f"{name!r} {version!r}: hawkBit takes names and versions of at most {LONGEST} characters")
    what = f"edge-sdk bundle {about.name} {version}, security epoch {read.security_epoch}, for {board.compatible}"
    both = {"name": name, "version": version, "description": what}
    sums = {f"{kind}sum": hashlib.new(kind, data).hexdigest() for kind in ("md5", "sha1", "sha256")}
    return {
        "module.json": [{**both, "type": TYPE, "vendor": "edge-sdk"}],
        "artifact.json": {"filename": artifact.name, "size": len(data), **sums},
        "set.json": [{**both, "type": TYPE, "requiredMigrationStep": False}],
    }
