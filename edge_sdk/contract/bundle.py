"""The strict reader of bundles: lengths before reading, hashes before parsing, nothing more than was promised."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from typing import BinaryIO

from edge_sdk.contract.container import HEADER_SIZE, MAX_MODEL, decode_envelope, read_header
from edge_sdk.contract.manifest import Manifest, manifest_from_json
from edge_sdk.errors import BundleError, ManifestError


@dataclass(frozen=True)
class Bundle:
    """A model and the manifest that describes it: the bytes that were verified are the bytes to run."""

    manifest: Manifest
    model: bytes


def read_bundle(path: str | os.PathLike[str]) -> Bundle:
    """The bundle in a file.

    `BundleError` where the file is missing, truncated, longer than it should be or altered in any bit; `ManifestError`
    where the manifest is malformed or of a newer schema.
    """
    source = os.fspath(path)
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # a pipe must not make us wait
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BundleError(f"{source}: not a file; expected a bundle made by edge-sdk pack")
            return read_stream(file, status.st_size, source)
    except FileNotFoundError:
        raise BundleError(f"{source}: no such file; expected a bundle made by edge-sdk pack") from None
    except OSError as error:
        raise BundleError(
            f"{source}: cannot be read ({error.strerror}); expected a bundle made by edge-sdk pack"
        ) from error


def read_stream(file: BinaryIO, size: int, source: str) -> Bundle:
    """The bundle of `size` bytes that starts here."""
    header = read_header(file.read(HEADER_SIZE), source)
    if size < HEADER_SIZE + header.length:
        raise BundleError(f"{source}: {size} bytes end inside the header; the file is truncated, copy it again")
    payload = decode_envelope(file.read(header.length), header, source)
    manifest = manifest_from_json(payload, source)
    try:
        canonical = manifest.to_json() == payload
    except RecursionError:
        raise ManifestError(f"{source}: the manifest is nested too deeply; do not use it") from None
    if not canonical:
        raise BundleError(f"{source}: the manifest is not in canonical form; pack the model again with edge-sdk pack")
    if manifest.size > MAX_MODEL:
        raise BundleError(f"{source}: a model of {manifest.size} bytes, at most {MAX_MODEL} allowed; do not use it")
    expected = HEADER_SIZE + header.length + manifest.size
    if size != expected:
        raise BundleError(f"{source}: {size} bytes, expected {expected}; the file is damaged, copy it again")
    model = file.read(manifest.size)
    if hashlib.sha256(model).hexdigest() != manifest.sha256 or file.read(1):
        raise BundleError(f"{source}: the model's checksum does not match; the file is damaged, copy it again")
    return Bundle(manifest, model)
