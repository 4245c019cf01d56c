"""Signed documents: DSSE envelopes (https://github.com/secure-systems-lab/dsse, version 1.0) with Ed25519 signatures.

An envelope has one spelling: canonical JSON with standard base64, which one regular expression takes apart. So nothing
that can be confused, a JSON parser for one, sees bytes before their signature was checked.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from edge_sdk.contract.plain import canonical_json
from edge_sdk.errors import BundleError

MAX_ENVELOPE = 64 * 1024
MAX_SIGNATURES = 16
SIGNATURE = rb'\{"keyid":"([0-9a-f]{64})","sig":"([A-Za-z0-9+/]{86}==)"\}'
ENVELOPE = re.compile(
    rb'\{"payload":"([A-Za-z0-9+/]*={0,2})","payloadType":"([!#-\[\]-~]{1,128})","signatures":\[((?:%s(?:,%s)*)?)\]\}'
    % ((re.sub(rb"[()]", b"", SIGNATURE),) * 2)
)
Check = Callable[[bytes, bytes, bytes], bool]  # public key, signature, message: whether the signature is right


class SignatureError(BundleError):
    """A signature is missing, wrong or of a key not trusted for this, or a key or trust file cannot be used."""


@dataclass(frozen=True)
class Signature:
    """64 bytes, and which key is said to have made them: a hint, nothing is decided by it."""

    key: str
    value: bytes


@dataclass(frozen=True)
class Envelope:
    """A document as bytes, what kind of document it is, and its signatures."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...] = ()

    @property
    def message(self) -> bytes:
        """What is signed."""
        return pae(self.payload_type, self.payload)

    def to_json(self) -> bytes:
        """Canonical JSON that `envelope_from_json` turns back."""
        signatures = [{"keyid": s.key, "sig": to_base64(s.value)} for s in self.signatures]
        return canonical_json(
            {"payload": to_base64(self.payload), "payloadType": self.payload_type, "signatures": signatures}
        )

    def with_signature(self, signature: Signature) -> Envelope:
        """Signed by one key more; what that key had signed before is replaced."""
        others = [s for s in self.signatures if s.key != signature.key]
        return replace(self, signatures=(*others, signature))


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: type and payload, each behind its length, so that neither can pass as part
    of the other."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def key_id(public: bytes) -> str:
    """The name of a public key: its SHA-256 in hexadecimal digits."""
    return hashlib.sha256(public).hexdigest()


def envelope_from_json(data: bytes, payload_type: str, source: str) -> Envelope:
    """The envelope around a document of that type; its payload is not looked at."""
    found = ENVELOPE.fullmatch(data) if len(data) <= MAX_ENVELOPE else None
    if found is None or found[2] != payload_type.encode("ascii"):
        raise BundleError(f"{source}: malformed envelope (expected a DSSE envelope around {payload_type})")
    signatures = re.findall(SIGNATURE, found[3])
    if len(signatures) > MAX_SIGNATURES:
        raise BundleError(f"{source}: malformed envelope ({len(signatures)} signatures, at most {MAX_SIGNATURES})")
    try:
        envelope = Envelope(
            payload_type,
            base64.b64decode(found[1]),
            tuple(Signature(key.decode("ascii"), base64.b64decode(value)) for key, value in signatures),
        )
    except ValueError as error:  # a length that base64 has not
        raise BundleError(f"{source}: malformed envelope ({error})") from error
    if envelope.to_json() != data:  # bits of base64's last digit that stand for nothing
        raise BundleError(f"{source}: malformed envelope (not in canonical form)")
    return envelope


def signers(envelope: Envelope, keys: Mapping[str, bytes], check: Check) -> frozenset[str]:
    """The ids of those of the given keys that have signed this; every key counts once."""
    message = envelope.message
    return frozenset(s.key for s in envelope.signatures if s.key in keys and check(keys[s.key], s.value, message))


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
