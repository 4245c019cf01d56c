"""Trust files as the owner of the root keys makes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_sdk.contract import MAX_ENVELOPE, SignatureError, Trust, TrustPolicy, trust_from_bytes, updated_trust
from firmware_bridge.signing import SigningKey, signature_check


def make_trust(
    trust: Trust, keys: Sequence[SigningKey], after: Trust | None = None, source: str = "trust file"
) -> bytes:
    """A trust file signed by root keys: the first, or one that follows another.

    `SignatureError` where a device, which may have that other, would refuse it.
    """
    envelope = trust.envelope()
    for key in keys:
        envelope = key.sign(envelope)
    data = envelope.to_json()
    if after is None:
        trust_from_bytes(data, source, signature_check())
    else:
        updated_trust(after, data, source, signature_check())
    return data


def read_trust(path: Path) -> Trust:
    """The trust file at a path, which whoever names it believes."""
    return trust_from_bytes(trust_bytes(path), str(path), signature_check())


def read_policy(path: Path, unlocked: bool = False) -> TrustPolicy:
    """Take what the keys in a trust file have signed."""
    return TrustPolicy(read_trust(path), unlocked, signature_check())


def trust_bytes(path: Path) -> bytes:
    """All of a trust file."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_ENVELOPE + 1)
    except OSError as error:
        raise SignatureError(f"{path}: cannot be read ({error.strerror}); give what edge-sdk trust made") from error
