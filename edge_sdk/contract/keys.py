"""Who may sign what: the trust file of a device, and the policy by which it takes bundles.

A trust file is a DSSE envelope around the public keys of three roles. `root` signs trust files and nothing else, and
can stay offline; `release` signs what devices run; `dev` signs what devices run that were unlocked for development.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from edge_sdk.contract import keys_ed25519
from edge_sdk.contract.plain import canonical_json, from_plain, parse_json, to_plain
from edge_sdk.contract.signatures import Check, Envelope, SignatureError, envelope_from_json, key_id, signers
from edge_sdk.errors import BundleError

TRUST_TYPE = "application/vnd.edge-sdk.trust+json"
ROLES = ("root", "release", "dev")
MAX_KEYS = 16  # of one role
PUBLIC = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Role:
    """Public keys in hexadecimal digits, and how many of them have to sign."""

    keys: tuple[str, ...] = ()
    threshold: int = 1

    @property
    def by_id(self) -> dict[str, bytes]:
        """Key id and public key."""
        return {key_id(public): public for public in map(bytes.fromhex, self.keys)}

    def satisfied_by(self, ids: Iterable[str]) -> bool:
        """Whether enough of its keys are among these."""
        return len(self.by_id.keys() & set(ids)) >= self.threshold


@dataclass(frozen=True)
class Trust:
    """The keys of every role. A role without keys can sign nothing."""

    version: int
    root: Role
    release: Role = Role()
    dev: Role = Role()
    schema: int = 1

    def __post_init__(self) -> None:
        if self.schema != 1 or self.version < 1:
            raise ValueError(f"schema {self.schema}, version {self.version}: expected schema 1 and a version from 1 on")
        roles = {name: self.role(name) for name in ROLES}
        everyone = [key for role in roles.values() for key in role.keys]
        if wrong := [
            key for key in everyone if not PUBLIC.fullmatch(key) or not keys_ed25519.usable(bytes.fromhex(key))
        ]:
            raise ValueError(f"key {wrong[0]!r}: expected an Ed25519 public key, 64 hexadecimal digits")
        if len(set(everyone)) < len(everyone):
            raise ValueError("a key appears twice; expected keys of one role only")
        for name, role in roles.items():
            if not 1 <= role.threshold <= max(1, len(role.keys)) or len(role.keys) > MAX_KEYS:
                raise ValueError(f"role {name}: threshold {role.threshold} of {len(role.keys)} keys cannot be reached")
        if not self.root.keys:
            raise ValueError("role root has no key; nobody could ever sign another trust file")

    def role(self, name: str) -> Role:
        """The role of that name."""
        found: Role = getattr(self, name)
        return found

    def envelope(self) -> Envelope:
        """A trust file to be signed."""
        return Envelope(TRUST_TYPE, canonical_json(to_plain(self)))


@dataclass(frozen=True)
class TrustPolicy:
    """Whose bundles a device takes: those of a threshold of release keys and, unlocked, of dev keys."""

    trust: Trust
    unlocked: bool = False
    check: Check = keys_ed25519.verify

    def admit(self, envelope: Envelope, source: str) -> str:
        """The role by whose signatures a document is taken; `SignatureError` where there is none."""
        candidates = {**self.trust.release.by_id, **self.trust.dev.by_id}
        right = signers(envelope, candidates, self.check)
        if self.trust.release.satisfied_by(right):
            return "release"
        if self.trust.dev.satisfied_by(right):
            if self.unlocked:
                return "dev"
            raise SignatureError(
                f"{source}: signed by a development key, and this device is not unlocked; sign it for release"
            )
        said = f"{len(right)} of {len(envelope.signatures)} signature(s) by keys that are trusted to release"
        raise SignatureError(f"{source}: {said}, expected {self.trust.release.threshold}; sign it with a release key")


def trust_from_bytes(data: bytes, source: str, check: Check = keys_ed25519.verify) -> Trust:
    """A first trust file, which is believed because its owner gave it; it still has to be signed by its own roots."""
    envelope = trust_envelope(data, source)
    trust = parse_trust(envelope, source)
    require_roots(trust, envelope, source, check)
    return trust


def updated_trust(old: Trust, data: bytes, source: str, check: Check = keys_ed25519.verify) -> Trust:
    """A later trust file, signed by a threshold of the old root keys and of the new ones, of a higher version."""
    envelope = trust_envelope(data, source)
    require_roots(old, envelope, source, check)  # before anything in it is believed or parsed
    new = parse_trust(envelope, source)
    require_roots(new, envelope, source, check)
    if new.version <= old.version:
        raise SignatureError(f"{source}: trust file {new.version}, expected one later than {old.version}")
    return new


def trust_envelope(data: bytes, source: str) -> Envelope:
    """The envelope of a trust file."""
    try:
        return envelope_from_json(data, TRUST_TYPE, source)
    except BundleError as error:
        raise SignatureError(f"{source}: not a trust file; expected one made by edge-sdk trust") from error


def parse_trust(envelope: Envelope, source: str) -> Trust:
    """The keys in a trust file."""
    try:
        trust = from_plain(Trust, parse_json(envelope.payload))
        if trust.envelope().payload != envelope.payload:
            raise ValueError("not in canonical form")
    except ValueError as error:
        raise SignatureError(f"{source}: not a valid trust file ({error})") from error
    return trust


def require_roots(trust: Trust, envelope: Envelope, source: str, check: Check) -> None:
    """`SignatureError` where fewer root keys of this trust have signed than must."""
    right = signers(envelope, trust.root.by_id, check)
    if not trust.root.satisfied_by(right):
        raise SignatureError(
            f"{source}: signed by {len(right)} of the root keys of trust file {trust.version}, "
            f"expected {trust.root.threshold}; let more of them sign it"
        )
