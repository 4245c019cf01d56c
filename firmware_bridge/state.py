"""What a device remembers of its slots."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from edge_sdk.contract import Bundle, canonical_json, from_plain, parse_json, to_plain
from edge_sdk.errors import EdgeError

MAX_QUARANTINE = 64  # the latest; a device sees a few in its life


class InstallError(EdgeError):
    """A bundle cannot be installed, confirmed or rolled back here; what ran before still runs."""


@dataclass(frozen=True)
class Slot:
    """What a slot holds. document: SHA-256 of what is signed, which pins every byte but the signatures."""

    document: str
    name: str
    version: str
    security_epoch: int


@dataclass(frozen=True)
class State:
    """Which slot is active, and what both hold. Of the other slot: what was confirmed before, or None.

    tries: starts of the active slot since it was installed, until it is confirmed. floor: security epoch below which
    nothing runs any more. seen: the latest time, in seconds since 1970, that a signed bundle named.
    """

    active: str = "a"
    confirmed: bool = True
    tries: int = 0
    a: Slot | None = None
    b: Slot | None = None
    floor: int = 0
    seen: int = 0
    quarantine: tuple[str, ...] = ()
    schema: int = 1

    def __post_init__(self) -> None:
        if self.schema != 1 or self.active not in ("a", "b") or min(self.tries, self.floor, self.seen) < 0:
            raise ValueError(
                f"schema {self.schema}, active {self.active!r}, tries {self.tries}: expected a state of slots"
            )

    @property
    def other(self) -> str:
        """The name of the slot that is not active."""
        return "b" if self.active == "a" else "a"

    def slot(self, name: str) -> Slot | None:
        return self.a if name == "a" else self.b

    def with_slot(self, name: str, slot: Slot | None) -> State:
        return replace(self, a=slot) if name == "a" else replace(self, b=slot)

    def fallen_back(self) -> State:
        """The other slot runs, as confirmed; what was active is no longer there."""
        back = replace(self, active=self.other, confirmed=True, tries=0)
        return back.with_slot(self.active, None)

    def rolled_back(self) -> State:
        """The other slot runs, and what was active is in quarantine: it failed, and would fail again."""
        failed = self.slot(self.active)
        if failed is None:
            return self.fallen_back()
        others = [document for document in self.quarantine if document != failed.document]
        return replace(self.fallen_back(), quarantine=(*others, failed.document)[-MAX_QUARANTINE:])

    def to_bytes(self) -> bytes:
        """JSON and its SHA-256, a line each."""
        body = canonical_json(to_plain(self))
        return b"%b\n%b\n" % (body, hashlib.sha256(body).hexdigest().encode())


def state_from_bytes(data: bytes) -> State:
    """The state that `to_bytes` wrote; `ValueError` where a bit of it is another."""
    body, _, digest = data.rstrip(b"\n").rpartition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise ValueError("its checksum does not match")
    return from_plain(State, parse_json(body))


def described(bundle: Bundle) -> Slot:
    """What to remember of a bundle in a slot."""
    if bundle.envelope is None:
        raise ValueError("a bundle that was made in memory: expected one that was read")
    about, document = bundle.release or bundle.manifest, hashlib.sha256(bundle.envelope.payload).hexdigest()
    return Slot(document, about.name, about.version, bundle.security_epoch)
