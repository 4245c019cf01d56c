"""Bundles for fleets that RAUC updates (https://rauc.readthedocs.io): a raucb around a signed `.edge`.

RAUC carries it to every device whose `compatible` is the board's, checks its own signature, and writes the `.edge` into
the raw slot that is not active. From there `edge-sdk install --raw-slot` takes it, in a post-install handler, with the
checks of any other bundle. RAUC hears of the verdict on how it sounds by `mark_slots`: a slot becomes good and primary
only when its bundle was confirmed.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from edge_sdk.contract import (
    HEADER_SIZE,
    Bundle,
    Machine,
    TrustPolicy,
    decode_envelope,
    manifest_from_json,
    read_header,
)
from edge_sdk.contract.bundle import read_stream
from edge_sdk.contract.container import MANIFEST_TYPE
from edge_sdk.contract.release import release_from_json
from edge_sdk.errors import BundleError, EdgeError
from firmware_bridge.boards import Board
from firmware_bridge.fleet import FleetKeys, carried
from firmware_bridge.slots import Slots
from firmware_bridge.state import described

IMAGE = "model.img"  # by its suffix RAUC knows that it is copied as it is
CLASS = "model"  # of the slots that hold bundles
MANIFEST = """\
[update]
compatible={compatible}
version={version}
description={name}, security epoch {epoch}

[bundle]
format=plain

[image.model]
filename={image}
"""


class RaucError(EdgeError):
    """RAUC is missing, or refuses what it was told."""


def pack_rauc(bundle: Path, out: Path, board: Board, keys: FleetKeys) -> None:
    """Write a raucb, which must not exist. `EdgeError` where the bundle is unsigned or does not fit the board.

    Its format is `plain`: a device checks all of it before it writes anything, and needs no device mapper.
    """
    read = carried(bundle, board)
    about = read.release or read.manifest
    with tempfile.TemporaryDirectory() as folder:
        content, made = Path(folder) / "content", Path(folder) / "made.raucb"
        content.mkdir()
        shutil.copyfile(bundle, content / IMAGE)
        text = MANIFEST.format(
            compatible=board.compatible,
            version=about.version,
            name=about.name,
            epoch=read.security_epoch,
            image=IMAGE,
        )
        (content / "manifest.raucm").write_text(text, encoding="utf-8")
        run_rauc("bundle", "--cert", keys.certificate, "--key", keys.key, os.fspath(content), os.fspath(made))
        shutil.copyfile(made, out)


def run_rauc(*words: str) -> str:
    """What RAUC prints; `RaucError` with the last line that it says where it fails."""
    try:
        done = subprocess.run(["rauc", *words], capture_output=True, text=True, errors="backslashreplace", check=False)
    except FileNotFoundError:
        raise RaucError("rauc is not installed; install it (apt install rauc) and try again") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
        raise RaucError(f"rauc {words[0]}: {said or f'exit status {done.returncode}'}; see rauc --help")
    return done.stdout


@dataclass(frozen=True)
class RaucSlot:
    """A slot as `rauc status` shows it. boot_status: "good" or "bad"."""

    name: str
    device: str
    boot_status: str


def mark_slots(slots: Slots) -> list[str]:
    """What RAUC was told, in words; nothing where it knew already, or as long as the active bundle is unconfirmed.

    The slot whose bundle is active and confirmed is good, and primary; one whose bundle was rolled back is bad. To be
    called after every change of the state, as often as one likes.
    """
    told: list[str] = []
    state = slots.state()
    active = state.slot(state.active)
    if not state.confirmed or active is None:
        return told
    primary, found = rauc_slots()
    policy = slots.policy()
    documents = {slot: document_in(Path(slot.device), policy) for slot in sorted(found, key=lambda slot: slot.name)}
    good = [slot for slot, document in documents.items() if document == active.document]
    bad = [slot for slot, document in documents.items() if document in state.quarantine]
    for slot in good:
        if slot.boot_status != "good":
            run_rauc("status", "mark-good", slot.name)
            told.append(f"{slot.name} is good")
    if good and primary not in [slot.name for slot in good]:
        run_rauc("status", "mark-active", good[0].name)
        told.append(f"{good[0].name} is primary")
    for slot in bad:
        if slot.boot_status != "bad":
            run_rauc("status", "mark-bad", slot.name)
            told.append(f"{slot.name} is bad")
    return told


def rauc_slots() -> tuple[str, list[RaucSlot]]:
    """The name of the slot that is primary, and all slots for models."""
    try:
        status = json.loads(run_rauc("status", "--detailed", "--output-format=json"))
        slots = [(name, about) for each in status["slots"] for name, about in each.items() if about["class"] == CLASS]
        found = [RaucSlot(name, about["device"], about["boot_status"] or "bad") for name, about in slots]
        return str(status["boot_primary"]), found
    except (KeyError, TypeError, ValueError) as error:
        raise RaucError(f"rauc status: not as RAUC 1.8 prints it ({error!r})") from error


def document_in(device: Path, policy: TrustPolicy | None) -> str | None:
    """SHA-256 of what is signed of the bundle in a raw slot; None where there is none to be trusted."""
    try:
        return described(bundle_in_slot(device, policy)).document
    except EdgeError:
        return None


def bundle_in_slot(path: Path, policy: TrustPolicy | None) -> Bundle:
    """The bundle at the start of a raw slot, for whatever machine it is."""
    image = slot_image(path, policy)
    return read_stream(io.BytesIO(image), len(image), os.fspath(path), policy, Machine())


def slot_image(path: Path, policy: TrustPolicy | None) -> bytes:
    """The bundle at the start of a raw slot; what follows is left over from a larger one.

    Only the signatures and the lengths are looked at: who uses it reads it like any other bundle.
    """
    source = os.fspath(path)
    try:
        with path.open("rb") as file:
            header = read_header(start := file.read(HEADER_SIZE), source)
            envelope = decode_envelope(text := file.read(header.length), header, source)
            if policy is not None:
                policy.admit(envelope, source)
            if header.payload_type == MANIFEST_TYPE:
                size = manifest_from_json(envelope.payload, source).size
            else:
                size = sum(entry.size for entry in release_from_json(envelope.payload, source).files)
            return start + text + file.read(size)
    except OSError as error:
        raise BundleError(f"{source}: cannot be read ({error.strerror}); expected a slot that RAUC wrote") from error
