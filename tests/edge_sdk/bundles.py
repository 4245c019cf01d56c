"""Bundles made by hand, for tests that run no model."""

import hashlib
import json
from typing import Any

from edge_sdk.contract import DelayLine, DelayLines, Manifest, encode_header

MODEL = b"\x1c\0\0\0TFL3" + bytes(range(256)) * 3


def manifest(model: bytes = MODEL, **changes: Any) -> Manifest:
    """The manifest of a small model."""
    values: dict[str, Any] = {
        "name": "small",
        "version": "1",
        "architecture": "tasnet",
        "recipe": "float32",
        "sample_rate": 16_000,
        "mics": 1,
        "sources": 2,
        "window": 32,
        "hop": 16,
        "context": 8,
        "frames_per_step": 2,
        "latency": 48,
        "size": len(model),
        "sha256": hashlib.sha256(model).hexdigest(),
        "macs": 1000,
        "delays": (DelayLines("taps", "rows", 4, (DelayLine(3, 1), DelayLine(3, 2))),),
        "quality": {"si_sdr": 10.5},
    }
    return Manifest(**{**values, **changes})


def bundle_bytes(model: bytes = MODEL, **changes: Any) -> bytes:
    """A bundle as it lies on disk."""
    return encode_header(manifest(model, **changes).to_json()) + model


def with_payload(payload: bytes, model: bytes = MODEL) -> bytes:
    """A bundle around any text in place of the manifest's JSON, with right checksums."""
    return encode_header(payload) + model


def as_dict() -> dict[str, Any]:
    """The manifest as plain data, to spoil."""
    return dict(json.loads(manifest().to_json()))
