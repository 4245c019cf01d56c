"""Folders with slots, as a device has them, and bundles to install there."""

from pathlib import Path
from typing import Any

import pytest

from edge_sdk.errors import EdgeError
from firmware_bridge.bundle import Packed, pack_release
from firmware_bridge.install import install, set_trust
from firmware_bridge.slots import Slots
from firmware_bridge.state import InstallError
from tests.edge_sdk.bundles import MODEL, manifest
from tests.edge_sdk.signing import RELEASE, ROOT, key, trust, trust_file


def bundle_bytes(version: str, signer: int | None = RELEASE, **about: Any) -> bytes:
    """A release of one variant, the same bytes for the same version. weights: bytes that its model has more."""
    model = MODEL + version.encode() + bytes(about.pop("weights", 0))
    variant = Packed("only", manifest(model, version=version), model, *about.pop("fits", ()))
    keys = [] if signer is None else [key(signer)]
    return pack_release("small", version, [variant], keys, **about)


def bundle_file(folder: Path, version: str, signer: int | None = RELEASE, **about: Any) -> Path:
    path = folder / f"{version}.edge"
    path.write_bytes(bundle_bytes(version, signer, **about))
    return path


def device(tmp_path: Path, version: str | None = None) -> Path:
    """A folder of slots that trusts the release key; where a version is given, with it installed and confirmed."""
    folder = tmp_path / "device"
    folder.mkdir()
    folder.chmod(0o755)
    (tmp_path / "trust.json").write_bytes(trust_file(trust(), ROOT))
    slots = Slots(folder)
    set_trust(slots, tmp_path / "trust.json")
    if version is not None:
        install(slots, bundle_file(tmp_path, version))
        slots.confirm()
    return folder


def running(slots: Slots) -> str | None:
    """The version that a start of the service runs."""
    started = slots.start()
    return None if started is None else started.bundle.manifest.version


def refused(slots: Slots, source: Path, kind: type[EdgeError] = InstallError, **about: Any) -> str:
    """The line that refuses a bundle, on a device where version 1 runs on as before."""
    before = {path: path.read_bytes() for path in slots.folder.iterdir()}
    with pytest.raises(kind) as caught:
        install(slots, source, **about)
    message = str(caught.value)
    assert "\n" not in message
    assert {path: path.read_bytes() for path in slots.folder.iterdir()} == before
    assert running(slots) == "1"
    return message
