"""What the workstation and the board agree on: the manifest of a model and the container it travels in.

Standard library only, so that a flashing tool can read it anywhere.
"""

from edge_sdk.contract.bundle import Bundle, read_bundle
from edge_sdk.contract.container import (
    HEADER_SIZE,
    MAGIC,
    MAX_ENVELOPE,
    MAX_MODEL,
    Header,
    decode_envelope,
    encode_header,
    read_header,
)
from edge_sdk.contract.files import write_file, write_files
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
    "FilterAndSum",
    "Header",
    "LatencyPart",
    "Manifest",
    "canonical_json",
    "decode_envelope",
    "encode_header",
    "from_plain",
    "latency_parts",
    "manifest_from_json",
    "parse_json",
    "read_bundle",
    "read_header",
    "to_plain",
    "write_file",
    "write_files",
]
