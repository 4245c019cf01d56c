"""A model and its manifest packed into one file."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edge_sdk.contract import MAX_MODEL, Manifest, encode_header, write_file
from edge_sdk.errors import BundleError, ManifestError

TFLITE = b"TFL3"  # file identifier of the TFLite schema, at offset 4 of every FlatBuffer of it


def pack(manifest: Manifest, model: bytes) -> bytes:
    """The bytes of a bundle; the same input gives the same bytes.

    `ManifestError` where the manifest describes another model, `BundleError` where it is no TFLite model or too large.
    """
    if model[4:8] != TFLITE:
        raise BundleError(f"{manifest.name}: not a TFLite model; give the .tflite file that edge-sdk export writes")
    if len(model) > MAX_MODEL:
        raise BundleError(f"{manifest.name}: a model of {len(model)} bytes, at most {MAX_MODEL} allowed")
    if manifest.size != len(model) or manifest.sha256 != hashlib.sha256(model).hexdigest():
        raise ManifestError(f"{manifest.name}: the manifest describes another model; export or quantize it again")
    return encode_header(manifest.to_json()) + model


def write_bundle(path: Path, manifest: Manifest, model: bytes) -> None:
    """Write a bundle that is whole or not there."""
    data = pack(manifest, model)
    try:
        write_file(path, data)
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be written ({error.strerror}); free space or choose another folder"
        ) from error
