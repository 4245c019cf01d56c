"""The header-first container that models travel in.

    magic, 8 bytes, the last one the version | envelope length, 4 bytes big-endian | SHA-256 of the envelope, 32 bytes
    envelope: DSSE around a document, at most 64 KiB
    files: exactly those whose sizes and hashes the document pins, one after another

Version 1: the document is a manifest, the only file its model. Version 2: it is a release, which names its files.
Whoever reads one checks lengths before reading, hashes and signatures before parsing, and takes nothing after the last
file. The hash in the header finds damage; only signatures find malice, which can compute a hash.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from edge_sdk.contract.signatures import MAX_ENVELOPE, Envelope, Signature, envelope_from_json
from edge_sdk.errors import BundleError

MAGIC = b"EDGESDK\x01"
RELEASE_MAGIC = b"EDGESDK\x02"
MANIFEST_TYPE = "application/vnd.edge-sdk.manifest+json"
RELEASE_TYPE = "application/vnd.edge-sdk.release+json"
PAYLOAD_TYPES = {MAGIC: MANIFEST_TYPE, RELEASE_MAGIC: RELEASE_TYPE}
LAYOUT = struct.Struct(">8sI32s")
HEADER_SIZE = LAYOUT.size
MAX_MODEL = 256 * 2**20  # the largest network here is 124 MB in float32 (LSTM-TasNet, 4 x 1000)


@dataclass(frozen=True)
class Header:
    """Length and hash of the envelope that follows, and what kind of document is in it."""

    length: int
    sha256: bytes
    payload_type: str


def encode_envelope(envelope: Envelope) -> bytes:
    """Header and envelope: all of a bundle before its files."""
    data = envelope.to_json()
    if len(data) > MAX_ENVELOPE:
        raise BundleError(
            f"a manifest of {len(envelope.payload)} bytes: its envelope may have at most {MAX_ENVELOPE}; shorten it"
        )
    magic = next(magic for magic, kind in PAYLOAD_TYPES.items() if kind == envelope.payload_type)
    return LAYOUT.pack(magic, len(data), hashlib.sha256(data).digest()) + data


def encode_header(manifest: bytes, signatures: Sequence[Signature] = ()) -> bytes:
    """Header and envelope around a manifest's canonical JSON."""
    return encode_envelope(Envelope(MANIFEST_TYPE, manifest, tuple(signatures)))


def read_header(data: bytes, source: str) -> Header:
    """The header in the first `HEADER_SIZE` bytes of a bundle."""
    if len(data) < HEADER_SIZE:
        raise BundleError(f"{source}: {len(data)} bytes are too few for a bundle; copy it again")
    magic, length, digest = LAYOUT.unpack(data[:HEADER_SIZE])
    if magic not in PAYLOAD_TYPES:
        raise BundleError(f"{source}: not an edge-sdk bundle; expected a file made by edge-sdk pack")
    if not 0 < length <= MAX_ENVELOPE:
        raise BundleError(f"{source}: envelope of {length} bytes, at most {MAX_ENVELOPE} allowed; the file is damaged")
    return Header(length, digest, PAYLOAD_TYPES[magic])


def decode_envelope(data: bytes, header: Header, source: str) -> Envelope:
    """The envelope that a header announced."""
    if len(data) != header.length or hashlib.sha256(data).digest() != header.sha256:
        raise BundleError(f"{source}: the header's checksum does not match; the file is damaged, copy it again")
    return envelope_from_json(data, header.payload_type, source)
