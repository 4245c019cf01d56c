"""The strict reader of bundles: lengths before reading, hashes and signatures before parsing, nothing more than was
promised."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from edge_sdk.contract.container import HEADER_SIZE, MANIFEST_TYPE, MAX_MODEL, decode_envelope, read_header
from edge_sdk.contract.keys import TrustPolicy
from edge_sdk.contract.manifest import Manifest, manifest_from_json
from edge_sdk.contract.release import File, Machine, Release, fits_of, release_from_json, this_machine
from edge_sdk.contract.signatures import Envelope
from edge_sdk.errors import BundleError, ManifestError

PIECE = 2**20  # bytes hashed at a time


@dataclass(frozen=True)
class Bundle:
    """A model and the manifest that describes it: the bytes that were verified are the bytes to run.

    release: where the bundle holds several variants; `documents` are then its JSON files by name. role: by whose
    signatures it was taken, None where nobody asked.
    """

    manifest: Manifest
    model: bytes
    release: Release | None = None
    documents: Mapping[str, bytes] = field(default_factory=dict)
    envelope: Envelope | None = None
    role: str | None = None

    @property
    def security_epoch(self) -> int:
        """Below the floor of a device it does not run there."""
        return self.manifest.security_epoch if self.release is None else self.release.security_epoch


def read_bundle(
    path: str | os.PathLike[str],
    policy: TrustPolicy | None = None,
    machine: Machine | None = None,
    variant: str | None = None,
) -> Bundle:
    """The bundle in a file. Of several variants the one of that name, or the first that fits the machine (this one).

    policy: whose signatures are asked for; without one, signatures are not looked at, only damage is found.
    `BundleError` where the file is missing, truncated, longer than it should be or altered in any bit, and
    `SignatureError`, a kind of it, where the policy refuses; `ManifestError` where the manifest is malformed, of a
    newer schema or for another machine.
    """
    with opened(path) as (file, size, source):
        return read_stream(file, size, source, policy, machine, variant)


def read_stream(
    file: BinaryIO,
    size: int,
    source: str,
    policy: TrustPolicy | None = None,
    machine: Machine | None = None,
    variant: str | None = None,
) -> Bundle:
    """The bundle of `size` bytes that starts here."""
    header = read_header(file.read(HEADER_SIZE), source)
    start = HEADER_SIZE + header.length
    if size < start:
        raise BundleError(f"{source}: {size} bytes end inside the header; the file is truncated, copy it again")
    envelope = decode_envelope(file.read(header.length), header, source)
    role = None if policy is None else policy.admit(envelope, source)
    if header.payload_type == MANIFEST_TYPE:
        manifest = canonical_manifest(envelope.payload, source)
        if manifest.size > MAX_MODEL:
            raise BundleError(f"{source}: a model of {manifest.size} bytes, at most {MAX_MODEL} allowed; do not use it")
        if machine is not None and (refusal := fits_of(manifest).refusal(machine)):
            raise ManifestError(f"{source}: {refusal}; choose another bundle")
        model = File("model", manifest.size, manifest.sha256)
        read = read_files(file, size, start, (model,), {"model"}, source)
        return Bundle(manifest, read["model"], envelope=envelope, role=role)
    release = release_from_json(envelope.payload, source)
    chosen = release.choose(machine or this_machine(), variant, source)
    documents = {entry.name for entry in release.files if entry.name.endswith(".json")}
    read = read_files(file, size, start, release.files, documents | {chosen.model}, source)
    files = {entry.name: entry for entry in release.files}
    manifests = {}
    for each in release.variants:
        described, packed = canonical_manifest(read[each.manifest], f"{source}: {each.manifest}"), files[each.model]
        if (described.size, described.sha256) != (packed.size, packed.sha256):
            raise ManifestError(f"{source}: {each.manifest} describes another model than {each.model}; pack it again")
        manifests[each.name] = described
    kept = {name: read[name] for name in sorted(documents)}
    return Bundle(manifests[chosen.name], read[chosen.model], release, kept, envelope, role)


def canonical_manifest(data: bytes, source: str) -> Manifest:
    """A manifest that is written as we write it."""
    manifest = manifest_from_json(data, source)
    try:
        canonical = manifest.to_json() == data
    except RecursionError:
        raise ManifestError(f"{source}: the manifest is nested too deeply; do not use it") from None
    if not canonical:
        raise BundleError(f"{source}: the manifest is not in canonical form; pack the model again with edge-sdk pack")
    return manifest


def read_files(
    file: BinaryIO, size: int, start: int, entries: tuple[File, ...], wanted: set[str], source: str
) -> dict[str, bytes]:
    """The bytes of the wanted files; all are hashed, and nothing may follow them."""
    if size != (expected := start + sum(entry.size for entry in entries)):
        raise BundleError(f"{source}: {size} bytes, expected {expected}; the file is damaged, copy it again")
    found = {}
    for entry in entries:
        digest, pieces, left = hashlib.sha256(), [], entry.size
        while left and (piece := file.read(min(left, PIECE))):
            digest.update(piece)
            left -= len(piece)
            if entry.name in wanted:
                pieces.append(piece)
        if left or digest.hexdigest() != entry.sha256:
            raise BundleError(
                f"{source}: the {entry.name}'s checksum does not match; the file is damaged, copy it again"
            )
        found[entry.name] = b"".join(pieces)
    if file.read(1):
        raise BundleError(f"{source}: more than {expected} bytes; the file is damaged, copy it again")
    return found


@contextlib.contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[tuple[BinaryIO, int, str]]:
    """An open bundle file, its size and its name for messages."""
    source = os.fspath(path)
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # a pipe must not make us wait
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BundleError(f"{source}: not a file; expected a bundle made by edge-sdk pack")
            yield file, status.st_size, source
    except FileNotFoundError:
        raise BundleError(f"{source}: no such file; expected a bundle made by edge-sdk pack") from None
    except OSError as error:
        raise BundleError(
            f"{source}: cannot be read ({error.strerror}); expected a bundle made by edge-sdk pack"
        ) from error
