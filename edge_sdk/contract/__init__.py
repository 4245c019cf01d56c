"""What the workstation and the board agree on: the manifest of a model, the container it travels in, and who may sign.

Standard library only, so that a flashing tool can read it anywhere.
"""

from edge_sdk.contract.bundle import Bundle, read_bundle
from edge_sdk.contract.container import (
    HEADER_SIZE,
    MAGIC,
    MAX_MODEL,
    Header,
    decode_envelope,
    encode_envelope,
    encode_header,
    read_header,
)
from edge_sdk.contract.files import write_file, write_files
from edge_sdk.contract.keys import Role, Trust, TrustPolicy, trust_from_bytes, updated_trust
from edge_sdk.contract.latency import LatencyPart, latency_parts
from edge_sdk.contract.manifest import (
    NAME,
    SCHEMA,
    Carry,
    DelayLine,
    DelayLines,
    FilterAndSum,
    Manifest,
    manifest_from_json,
)
from edge_sdk.contract.plain import canonical_json, from_plain, parse_json, to_plain
from edge_sdk.contract.release import File, Fits, Machine, Release, Variant, fits_of, this_machine
from edge_sdk.contract.signatures import MAX_ENVELOPE, Envelope, Signature, SignatureError, key_id

__all__ = [
    "HEADER_SIZE",
    "MAGIC",
    "MAX_ENVELOPE",
    "MAX_MODEL",
    "NAME",
    "SCHEMA",
    "Bundle",
    "Carry",
    "DelayLine",
    "DelayLines",
    "Envelope",
    "File",
    "FilterAndSum",
    "Fits",
    "Header",
    "LatencyPart",
    "Machine",
    "Manifest",
    "Release",
    "Role",
    "Signature",
    "SignatureError",
    "Trust",
    "TrustPolicy",
    "Variant",
    "canonical_json",
    "decode_envelope",
    "encode_envelope",
    "encode_header",
    "fits_of",
    "from_plain",
    "key_id",
    "latency_parts",
    "manifest_from_json",
    "parse_json",
    "read_bundle",
    "read_header",
    "this_machine",
    "to_plain",
    "trust_from_bytes",
    "updated_trust",
    "write_file",
    "write_files",
]
