"""The header-first container that a model travels in.

    magic, 8 bytes | envelope length, 4 bytes big-endian | SHA-256 of the envelope, 32 bytes
    envelope: DSSE (https://github.com/secure-systems-lab/dsse) around the manifest, at most 64 KiB
    model: as many bytes as the manifest's `size`, with its `sha256`

Whoever reads one checks lengths before reading, hashes before parsing, and takes nothing after the model. The hash in
the header finds damage, not malice: only signatures in the envelope will do that, and there are none yet.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

from edge_sdk.contract.plain import canonical_json, parse_json
from edge_sdk.errors import BundleError

MAGIC = b"EDGESDK\x01"
PAYLOAD_TYPE = "application/vnd.edge-sdk.manifest+json"
LAYOUT = struct.Struct(">8sI32s")
HEADER_SIZE = LAYOUT.size
MAX_ENVELOPE = 64 * 1024
MAX_MODEL = 256 * 2**20  # the largest network here is 124 MB in float32 (LSTM-TasNet, 4 x 1000)


@dataclass(frozen=True)
class Header:
    """Length and hash of the envelope that follows."""

    length: int
    sha256: bytes


def encode_header(manifest: bytes) -> bytes:
    """Header and envelope around a manifest's canonical JSON."""
    body = base64.b64encode(manifest).decode("ascii")
    envelope = canonical_json({"payload": body, "payloadType": PAYLOAD_TYPE, "signatures": []})
    if len(envelope) > MAX_ENVELOPE:
        raise BundleError(
            f"a manifest of {len(manifest)} bytes: its envelope may have at most {MAX_ENVELOPE}; shorten it"
        )
    return LAYOUT.pack(MAGIC, len(envelope), hashlib.sha256(envelope).digest()) + envelope


def read_header(data: bytes, source: str) -> Header:
    """The header in the first `HEADER_SIZE` bytes of a bundle."""
    if len(data) < HEADER_SIZE:
        raise BundleError(f"{source}: {len(data)} bytes are too few for a bundle; copy it again")
    magic, length, digest = LAYOUT.unpack(data[:HEADER_SIZE])
    if magic != MAGIC:
        raise BundleError(f"{source}: not an edge-sdk bundle; expected a file made by edge-sdk pack")
    if not 0 < length <= MAX_ENVELOPE:
        raise BundleError(f"{source}: envelope of {length} bytes, at most {MAX_ENVELOPE} allowed; the file is damaged")
    return Header(length, digest)


def decode_envelope(envelope: bytes, header: Header, source: str) -> bytes:
    """The manifest's JSON text in a verified envelope."""
    if len(envelope) != header.length or hashlib.sha256(envelope).digest() != header.sha256:
        raise BundleError(f"{source}: the header's checksum does not match; the file is damaged, copy it again")
    try:
        plain = parse_json(envelope)
        if set(plain) != {"payload", "payloadType", "signatures"} or plain["payloadType"] != PAYLOAD_TYPE:
            raise ValueError(f"expected a DSSE envelope around {PAYLOAD_TYPE}")
        return base64.b64decode(plain["payload"], validate=True)
    except (ValueError, TypeError, binascii.Error) as error:
        raise BundleError(f"{source}: malformed envelope ({error})") from error
