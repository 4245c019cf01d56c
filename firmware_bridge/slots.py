"""Two slots for bundles in a folder, and which of them runs: what was confirmed, until another has proved itself.

    FOLDER/a.edge, b.edge     the slots
    FOLDER/state.json         which of them is active, and what is known of both; replaced as a whole
    FOLDER/trust.json         who may sign (firmware_bridge.trust); without it, whatever was installed runs
    FOLDER/unlocked           while this file is there, development keys may sign too
    FOLDER/lock               held by whoever changes anything

A new bundle is active but unconfirmed: it is started at most `MAX_TRIES` times until somebody calls `confirm`. After
that, and on `rollback`, the other slot runs and the bundle is in quarantine. Where neither slot is whole, `start` gives
none, and the device passes its reference microphone through.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from edge_sdk.contract import Bundle, Machine, TrustPolicy, read_bundle
from edge_sdk.errors import EdgeError
from firmware_bridge.disk import Disk, replace_file
from firmware_bridge.state import InstallError, Slot, State, described, state_from_bytes
from firmware_bridge.trust import read_policy

MAX_TRIES = 3
MAX_STATE = 64 * 1024


@dataclass(frozen=True)
class Started:
    """What to run: the bundle, already verified and in memory, of a slot."""

    slot: str
    bundle: Bundle
    confirmed: bool


class Slots:
    """The slots in a folder. machine: what the bundles run on, the same for who installs and for who starts them."""

    def __init__(self, folder: Path, disk: Disk | None = None, machine: Machine | None = None) -> None:
        self.folder, self.disk, self.machine = folder, disk or Disk(), machine

    def path(self, slot: str) -> Path:
        return self.folder / f"{slot}.edge"

    @property
    def trust(self) -> Path:
        return self.folder / "trust.json"

    def policy(self) -> TrustPolicy | None:
        """Whose bundles run here; None where nobody has said."""
        if not os.path.lexists(self.trust):
            return None
        return read_policy(self.trust, (self.folder / "unlocked").exists())

    def check_folder(self) -> None:
        """`InstallError` where there is no folder, or one that is open to all."""
        if not self.folder.is_dir():
            raise InstallError(f"{self.folder}: no such folder; make it, or give the folder that was installed to")
        if self.folder.stat().st_mode & 0o002:
            raise InstallError(f"{self.folder}: everybody can write there; chmod o-w it")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes anything meanwhile; `InstallError` where somebody does, or others could."""
        self.check_folder()
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            if os.geteuid() == 0:  # who installs as root must not lock out the service, whose folder it is
                owner = self.folder.stat()
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise InstallError(f"{self.folder}: somebody else is installing; try again when they are done") from None
        finally:
            os.close(descriptor)  # and with it the lock

    def state(self) -> State:
        """The state on disk; of slots that nobody has used, an empty one. `InstallError` where it is damaged."""
        path = self.folder / "state.json"
        self.check_folder()
        try:
            with path.open("rb") as file:
                data = file.read(MAX_STATE + 1)
            return state_from_bytes(data)
        except FileNotFoundError:
            return State()
        except (OSError, ValueError) as error:
            raise InstallError(f"{path}: damaged ({error}); install again") from error

    def write(self, state: State) -> None:
        """Put the state on disk, for good when this returns."""
        replace_file(self.disk, self.folder / "state.json", state.to_bytes())

    def start(self) -> Started | None:
        """What to run now, after counting this start; None where only the reference microphone can go out.

        To be called whenever the service starts. Where nothing can be written down, because the disk is read-only or
        somebody is installing, no unconfirmed bundle is tried.
        """
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(self.locked())
                may_write = True
            except (InstallError, OSError):
                may_write = False
            before = self.state_or_salvage()
            state = before
            if not state.confirmed:
                over = state.tries >= MAX_TRIES
                state = state.rolled_back() if over else replace(state, tries=state.tries + 1)
            bundle = self.bundle(state, state.active)
            if bundle is None and self.bundle(state, state.other) is not None:
                state = state.fallen_back()
                bundle = self.bundle(state, state.active)
            if state != before and not (may_write and self.written(state)) and not state.confirmed:
                state = before.fallen_back()
                bundle = self.bundle(state, state.active)
            return None if bundle is None else Started(state.active, bundle, state.confirmed)

    def confirm(self, watched: Slot | None = None) -> State:
        """The active slot is good: it stays, and nothing of an older security epoch runs any more.

        watched: what was found good; `InstallError` where another is active by now.
        """
        with self.locked():
            state = self.state_or_salvage()
            if (slot := state.slot(state.active)) is None:
                raise InstallError(f"{self.folder}: nothing is installed; nothing to confirm")
            self.check_watched(slot, watched)
            state = replace(state, confirmed=True, tries=0, floor=max(state.floor, slot.security_epoch))
            self.write_or_refuse(state)
            return state

    def rollback(self, watched: Slot | None = None, to_bypass: bool = False) -> State:
        """The other slot runs from now on, and what was active is in quarantine.

        watched: what was found bad; `InstallError` where another is active by now. to_bypass: even where nothing is
        left that can run, and the reference microphone goes out.
        """
        with self.locked():
            state = self.state_or_salvage()
            self.check_watched(state.slot(state.active), watched)
            if self.bundle(state, state.other) is None and not to_bypass:
                raise InstallError(f"{self.folder}: slot {state.other} holds nothing that can run; install a bundle")
            self.write_or_refuse(state := state.rolled_back())
            return state

    def check_watched(self, active: Slot | None, watched: Slot | None) -> None:
        """`InstallError` where the active bundle is not the one that was watched."""
        if watched is not None and active != watched:
            raise InstallError(f"{self.folder}: another bundle is active by now; nothing has changed")

    def written(self, state: State) -> bool:
        """Whether the state could be put on disk."""
        try:
            self.write(state)
        except OSError:
            return False
        return True

    def write_or_refuse(self, state: State) -> None:
        """Put the state on disk; `InstallError` where that is not possible."""
        try:
            self.write(state)
        except OSError as error:
            raise InstallError(f"{self.folder}: cannot be written ({error.strerror}); nothing has changed") from error

    def bundle(self, state: State, name: str) -> Bundle | None:
        """What a slot holds, read once and verified as if it came from a stranger; None where it must not run."""
        slot = state.slot(name)
        if slot is None or slot.security_epoch < state.floor or slot.document in state.quarantine:
            return None
        with contextlib.suppress(OSError, EdgeError):
            found = read_bundle(self.path(name), self.policy(), self.machine)
            return found if described(found) == slot else None
        return None

    def state_or_salvage(self) -> State:
        """The state on disk. Where it is damaged, one made of what the slots hold that trusted keys have signed.

        The slot of the higher security epoch is active then; as an unconfirmed one, where there is another to go back
        to.
        """
        try:
            return self.state()
        except InstallError:
            found: dict[str, Slot] = {}
            for name in ("a", "b"):
                with contextlib.suppress(OSError, EdgeError):
                    if (policy := self.policy()) is not None:
                        found[name] = described(read_bundle(self.path(name), policy, self.machine))
        best = max(found, key=lambda name: found[name].security_epoch, default="a")
        floor = min((slot.security_epoch for slot in found.values()), default=0)
        return State(active=best, confirmed=len(found) < 2, a=found.get("a"), b=found.get("b"), floor=floor)
