"""Bundles for fleets that RAUC updates (https://rauc.readthedocs.io): a raucb around a signed `.edge`.

RAUC carries it to every device whose `compatible` is the board's, checks its own signature, and writes the `.edge` into
the raw slot that is not active. From there `edge-sdk install --raw-slot` takes it, in a post-install handler, with the
checks of any other bundle; so the verdict on how it sounds is the same as without RAUC.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from edge_sdk.contract import HEADER_SIZE, TrustPolicy, decode_envelope, manifest_from_json, read_bundle, read_header
from edge_sdk.contract.container import MANIFEST_TYPE
from edge_sdk.contract.release import release_from_json
from edge_sdk.errors import BundleError
from firmware_bridge.boards import Board

IMAGE = "model.img"  # by its suffix RAUC knows that it is copied as it is
MANIFEST = """\
[update]
compatible={compatible}
version={version}
description={name}, security epoch {epoch}

[bundle]
format=plain

[image.model]
filename={image}
"""


@dataclass(frozen=True)
class RaucKeys:
    """Certificate and private key by which the device's RAUC knows its owner: files, or PKCS#11 URLs."""

    certificate: str
    key: str


def pack_rauc(bundle: Path, out: Path, board: Board, keys: RaucKeys) -> None:
    """Write a raucb, which must not exist. `BundleError` where the bundle is unsigned or does not fit the board.

    Its format is `plain`: a device checks all of it before it writes anything, and needs no device mapper.
    """
    read = read_bundle(bundle, machine=board.machine)
    if read.envelope is None or not read.envelope.signatures:
        raise BundleError(f"{bundle}: not signed; sign it first (edge-sdk sign)")
    board.check_memory(read)
    about = read.release or read.manifest
    with tempfile.TemporaryDirectory() as folder:
        content, made = Path(folder) / "content", Path(folder) / "made.raucb"
        content.mkdir()
        shutil.copyfile(bundle, content / IMAGE)
        text = MANIFEST.format(
            compatible=board.compatible,
            version=about.version,
            name=about.name,
            epoch=read.security_epoch,
            image=IMAGE,
        )
        (content / "manifest.raucm").write_text(text, encoding="utf-8")
        run_rauc("bundle", "--cert", keys.certificate, "--key", keys.key, os.fspath(content), os.fspath(made))
        shutil.copyfile(made, out)


def run_rauc(*words: str) -> None:
    """Run RAUC; `BundleError` with the last line that it says."""
    try:
        done = subprocess.run(["rauc", *words], capture_output=True, text=True, errors="backslashreplace", check=False)
    except FileNotFoundError:
        raise BundleError("rauc is not installed; install it (apt install rauc) and pack again") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
        raise BundleError(f"rauc {words[0]}: {said or f'exit status {done.returncode}'}; see rauc --help")


def slot_image(path: Path, policy: TrustPolicy | None) -> bytes:
    """The bundle at the start of a raw slot; what follows is left over from a larger one.

    Only the signatures and the lengths are looked at: who uses it reads it like any other bundle.
    """
    source = os.fspath(path)
    try:
        with path.open("rb") as file:
            header = read_header(start := file.read(HEADER_SIZE), source)
            envelope = decode_envelope(text := file.read(header.length), header, source)
            if policy is not None:
                policy.admit(envelope, source)
            if header.payload_type == MANIFEST_TYPE:
                size = manifest_from_json(envelope.payload, source).size
            else:
                size = sum(entry.size for entry in release_from_json(envelope.payload, source).files)
            return start + text + file.read(size)
    except OSError as error:
        raise BundleError(f"{source}: cannot be read ({error.strerror}); expected a slot that RAUC wrote") from error
