"""A bundle put into the slot that is not active: written, made safe, read again, and only then pointed to."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from edge_sdk.contract import Bundle, read_bundle, trust_from_bytes, updated_trust
from edge_sdk.contract.bundle import opened, read_stream
from firmware_bridge.disk import replace_file
from firmware_bridge.signing import signature_check
from firmware_bridge.slots import Slots
from firmware_bridge.state import InstallError, Slot, State, described
from firmware_bridge.trust import trust_bytes

PIECE = 2**20
SPARE = 2**16  # bytes on the disk beyond the bundle: states, and names in a folder


def install(
    slots: Slots,
    source: Path,
    try_model: Callable[[Path], None] | None = None,
    clock: Callable[[], float] = time.time,
) -> State:
    """Install a bundle; it is the active one, unconfirmed, and safe on disk when this returns.

    try_model: looks at the written file, raises `EdgeError` where its model must not run. `InstallError`, or what is
    wrong with the bundle, where it is not installed: then the active slot runs on as if nobody had asked.
    """
    with slots.locked():
        state, policy = slots.state_or_salvage(), slots.policy()
        if not state.confirmed:
            raise InstallError(f"{slots.folder}: slot {state.active} is not confirmed yet; confirm it or roll it back")
        with opened(source) as (file, size, name):
            bundle = read_stream(file, size, name, policy, slots.machine)
            wanted = described(bundle)
            check_allowed(bundle, wanted, state, clock(), name)
            if state.slot(state.active) == wanted and slots.bundle(state, state.active):
                return state  # it runs already
            file.seek(0)
            try:
                return write_slot(slots, state, file, size, wanted, try_model)
            except OSError as error:
                raise InstallError(
                    f"{slots.path(state.other)}: cannot be written ({error.strerror}); slot {state.active} runs on; "
                    "free space or repair the disk"
                ) from error


def write_slot(
    slots: Slots, state: State, file: BinaryIO, size: int, wanted: Slot, try_model: Callable[[Path], None] | None
) -> State:
    """The steps that a crash may come between."""
    target, path = state.other, slots.path(state.other)
    check_space(path, size)
    if state.slot(target) is not None:  # from here on it holds nothing that anybody could fall back to
        state = state.with_slot(target, None)
        slots.write(state)
    slots.disk.create(path)
    while piece := file.read(PIECE):
        slots.disk.append(path, piece)
    slots.disk.sync(path)
    slots.disk.sync_folder(slots.folder)
    # What counts is what the disk gives back, whatever the source was changed to meanwhile.
    bundle = read_bundle(path, slots.policy(), slots.machine)
    if described(bundle) != wanted:
        raise InstallError(f"{path}: another bundle than the one that was verified first; install it again")
    if try_model is not None:
        try_model(path)
    created = bundle.release.created if bundle.release is not None and bundle.role is not None else None
    state = replace(state, active=target, confirmed=False, tries=0, seen=max(state.seen, created or 0))
    slots.write(state := state.with_slot(target, wanted))
    return state


def check_allowed(bundle: Bundle, wanted: Slot, state: State, now: float, source: str) -> None:
    """`InstallError` for what is in quarantine, of a security epoch that is over, or has expired."""
    if wanted.document in state.quarantine:
        raise InstallError(f"{source}: failed on this device before and is in quarantine; install another bundle")
    if bundle.security_epoch < state.floor:
        raise InstallError(
            f"{source}: security epoch {bundle.security_epoch}, this device takes {state.floor} and later; "
            "install a newer bundle"
        )
    # A clock that was never set, or was set back, is no earlier than the latest signed time that was seen.
    expires = None if bundle.release is None else bundle.release.expires
    if expires is not None and max(now, state.seen) > expires:
        day = time.strftime("%Y-%m-%d", time.gmtime(expires))
        raise InstallError(f"{source}: expired on {day}; install a newer bundle, or set the clock if it is wrong")


def check_space(path: Path, size: int) -> None:
    """`InstallError` where the bundle does not fit on the disk, counting what it replaces."""
    replaced = path.stat().st_size if path.exists() else 0
    if (free := shutil.disk_usage(path.parent).free + replaced) < size + SPARE:
        raise InstallError(f"{path}: {size + SPARE} bytes needed, {free} free; nothing was written, free space there")


def set_trust(slots: Slots, source: Path) -> None:
    """Give the device its trust file: the first as it is, a later one only where the old roots have signed it too."""
    data, check = trust_bytes(source), signature_check()
    with slots.locked():
        if os.path.lexists(slots.trust):
            old = trust_bytes(slots.trust)
            if old == data:
                return
            updated_trust(trust_from_bytes(old, str(slots.trust), check), data, str(source), check)
        else:
            trust_from_bytes(data, str(source), check)
        try:
            replace_file(slots.disk, slots.trust, data)
        except OSError as error:
            raise InstallError(f"{slots.trust}: cannot be written ({error.strerror}); the old one stays") from error
