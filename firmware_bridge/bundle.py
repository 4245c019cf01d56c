"""Models and their manifests packed into one file, and signed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_sdk.contract import (
    HEADER_SIZE,
    MAX_MODEL,
    Envelope,
    File,
    Fits,
    Machine,
    Manifest,
    Release,
    Variant,
    encode_envelope,
    encode_header,
    write_file,
)
from edge_sdk.contract.bundle import opened, read_stream
from edge_sdk.contract.container import RELEASE_TYPE, decode_envelope, read_header
from edge_sdk.errors import BundleError, ManifestError
from firmware_bridge.parts import PROVENANCE, SBOM, bill_of_materials, provenance
from firmware_bridge.signing import SigningKey

TFLITE = b"TFL3"  # file identifier of the TFLite schema, at offset 4 of every FlatBuffer of it


@dataclass(frozen=True)
class Packed:
    """A variant to be packed: a model, its manifest, and the machines that it is for."""

    name: str
    manifest: Manifest
    model: bytes
    fits: Fits = field(default_factory=Fits)


def pack(manifest: Manifest, model: bytes, keys: Sequence[SigningKey] = ()) -> bytes:
    """The bytes of a bundle of one model; the same input gives the same bytes, and so do the same keys.

    `ManifestError` where the manifest describes another model, `BundleError` where it is no TFLite model or too large.
    """
    check_model(manifest, model)
    return signed(encode_header(manifest.to_json()) + model, keys, manifest.name)


def pack_release(
    name: str,
    version: str,
    variants: Sequence[Packed],
    keys: Sequence[SigningKey] = (),
    security_epoch: int = 0,
    created: int | None = None,
    expires: int | None = None,
) -> bytes:
    """The bytes of a bundle of several variants, the preferred ones first, with list of parts and provenance.

    The same input gives the same bytes. Errors as `pack` has them, and `ManifestError` where it contradicts itself.
    """
    for variant in variants:
        check_model(variant.manifest, variant.model)
    contents = {f"{variant.name}.manifest.json": variant.manifest.to_json() for variant in variants}
    contents[SBOM] = bill_of_materials(name, version, [(v.name, v.manifest) for v in variants])
    contents[PROVENANCE] = provenance([(v.name, v.manifest) for v in variants])
    contents |= {f"{variant.name}.tflite": variant.model for variant in variants}
    try:
        release = Release(
            name=name,
            version=version,
            variants=tuple(Variant(v.name, f"{v.name}.manifest.json", f"{v.name}.tflite", v.fits) for v in variants),
            files=tuple(File(n, len(data), hashlib.sha256(data).hexdigest()) for n, data in contents.items()),
            security_epoch=security_epoch,
            created=created,
            expires=expires,
        )
    except ValueError as error:
        raise ManifestError(f"{name}: not packed ({error})") from error
    head = encode_envelope(Envelope(RELEASE_TYPE, release.to_json()))
    return signed(head + b"".join(contents.values()), keys, name)


def signed(bundle: bytes, keys: Sequence[SigningKey], source: str) -> bytes:
    """A bundle with more signatures; nothing else in it changes."""
    if not keys:
        return bundle
    header = read_header(bundle[:HEADER_SIZE], source)
    end = HEADER_SIZE + header.length
    envelope = decode_envelope(bundle[HEADER_SIZE:end], header, source)
    for key in keys:
        envelope = key.sign(envelope)
    return encode_envelope(envelope) + bundle[end:]


def sign_bundle(path: Path, out: Path, keys: Sequence[SigningKey]) -> None:
    """Sign the bundle in a file, which must be whole, into a file that is whole or not there."""
    with opened(path) as (file, size, source):
        read_stream(file, size, source, machine=Machine())  # for whatever machine it is
        file.seek(0)
        data = file.read(size)
    write_whole(out, signed(data, keys, str(path)))


def write_bundle(path: Path, manifest: Manifest, model: bytes, keys: Sequence[SigningKey] = ()) -> None:
    """Write a bundle that is whole or not there."""
    write_whole(path, pack(manifest, model, keys))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is whole or not there."""
    try:
        write_file(path, data)
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be written ({error.strerror}); free space or choose another folder"
        ) from error


def check_model(manifest: Manifest, model: bytes) -> None:
    """`BundleError` where this is no TFLite model, `ManifestError` where the manifest describes another."""
    if model[4:8] != TFLITE:
        raise BundleError(f"{manifest.name}: not a TFLite model; give the .tflite file that edge-sdk export writes")
    if len(model) > MAX_MODEL:
        raise BundleError(f"{manifest.name}: a model of {len(model)} bytes, at most {MAX_MODEL} allowed")
    if manifest.size != len(model) or manifest.sha256 != hashlib.sha256(model).hexdigest():
        raise ManifestError(f"{manifest.name}: the manifest describes another model; export or quantize it again")
