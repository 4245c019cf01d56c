"""What the engines that update fleets carry: a signed `.edge` for one kind of board, and what became of it there.

An engine brings it to the device by its own rules and signatures. There a program of the owner's, `PROGRAM`, hands it
to `edge-sdk install` and waits for the verdict of the health gate; so a model proves itself like one that was installed
by hand, and the engine reports an update as done only where it did. FLEET.md shows all of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from edge_sdk.contract import Bundle, read_bundle
from edge_sdk.errors import BundleError
from firmware_bridge.boards import Board
from firmware_bridge.health import HealthError
from firmware_bridge.slots import Slots
from firmware_bridge.state import InstallError, State, described

PROGRAM = "edge-sdk-update"
LOOK_S = 0.25  # between looks at a state that somebody else writes


@dataclass(frozen=True)
class FleetKeys:
    """Certificate and private key in PEM, by which the engine on the devices knows its owner.

    Of RAUC they can be PKCS#11 URLs, too.
    """

    certificate: str
    key: str


def carried(path: Path, board: Board) -> Bundle:
    """The bundle in a file, as an engine may carry it; `EdgeError` where it is unsigned or does not fit the board."""
    bundle = read_bundle(path, machine=board.machine)
    if bundle.envelope is None or not bundle.envelope.signatures:
        raise BundleError(f"{path}: not signed; sign it first (edge-sdk sign)")
    board.check_memory(bundle)
    return bundle


def await_verdict(slots: Slots, bundle: Bundle, within_s: float) -> State:
    """The state once the installed bundle was confirmed; `HealthError` where it was rolled back or nobody decides."""
    document, end_s = described(bundle).document, time.monotonic() + within_s
    about = f"{bundle.manifest.name} {bundle.manifest.version}"
    while True:
        state = slots.state()
        if document in state.quarantine:
            raise HealthError(f"{about}: rolled back; install another bundle")
        active = state.slot(state.active)
        if active is None or active.document != document:
            raise InstallError(f"{about}: not what is active in {slots.folder}; install it")
        if state.confirmed:
            return state
        if time.monotonic() >= end_s:
            raise HealthError(f"{about}: no verdict within {within_s:g} s; is edge-sdk serve --watch running?")
        time.sleep(LOOK_S)
