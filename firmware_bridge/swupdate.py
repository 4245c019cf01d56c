"""Images for fleets that SWUpdate updates (https://sbabic.github.io/swupdate): a .swu around a signed `.edge`.

A .swu is a cpio archive: `sw-description` says what is in it and what to do with it, `sw-description.sig` is the CMS
signature of that, and each further file is pinned there by its SHA-256. SWUpdate writes the `.edge` to the copy that
the device selects, a file in the folder of slots, and then runs the script of the image. That calls `PROGRAM`, which
decides on the device what becomes of the copy; where it fails, the update has failed.

    FOLDER/incoming/a.edge, b.edge    the copies, selected by `swupdate -e model,a` or `model,b`
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_sdk.contract import SignatureError
from edge_sdk.errors import BundleError
from firmware_bridge.boards import Board, BoardError
from firmware_bridge.bundle import write_whole
from firmware_bridge.fleet import PROGRAM, FleetKeys, carried
from firmware_bridge.signing import cryptography_keys, read_small

COPIES = ("a", "b")
PATH = re.compile(r"[A-Za-z0-9/._-]+")  # SWUpdate hands it to a shell
IMAGE, SCRIPT = "model.edge", "update.sh"
# What SWUpdate can order: up to four numbers, or a semantic version. Anything else it compares as text.
VERSION = re.compile(r"\d{1,4}(\.\d{1,4}){0,3}|\d{1,4}\.\d{1,4}\.\d{1,4}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
DESCRIPTION = """\
software =
{{
    version = {version};
    description = {description};
    hardware-compatibility: [ {board} ];
    bootloader_transaction_marker = false;
    bootloader_state_marker = false;
    model:
    {{
{copies}    }};
}};
"""
COPY = """\
        {name}:
        {{
            images: ({{
                filename = "{image}";
                type = "rawfile";
                path = "{path}";
                sha256 = "{image_sha256}";
                properties: {{ create-destination = "true"; atomic-install = "true"; }};
            }});
            scripts: ({{
                filename = "{script}";
                type = "shellscript";
                data = "{path}";
                sha256 = "{script_sha256}";
            }});
        }};
"""
# SWUpdate runs it before and after it writes the copy, with what `data` says as the last word.
UPDATE = f"""\
#!/bin/sh
[ "$1" = postinst ] || exit 0
shift
exec {PROGRAM} "$@"
"""


def pack_swupdate(bundle: Path, out: Path, board: Board, keys: FleetKeys) -> None:
    """Write a .swu, which must not exist. `EdgeError` where the bundle is unsigned, does not fit the board, or has a
    version that SWUpdate cannot order."""
    read = carried(bundle, board)
    about = read.release or read.manifest
    if not VERSION.fullmatch(about.version):
        raise BundleError(
            f"{bundle}: version {about.version!r} is none that SWUpdate can order; expected such as 1.4 or 1.4.2-rc.1"
        )
    image, script = bundle.read_bytes(), UPDATE.encode()
    text = description(board, f"{about.name}, security epoch {read.security_epoch}", about.version, image, script)
    files = [("sw-description", text), ("sw-description.sig", cms_signature(text, keys))]
    write_whole(out, cpio([*files, (SCRIPT, script), (IMAGE, image)]))


def description(board: Board, about: str, version: str, image: bytes, script: bytes) -> bytes:
    """What SWUpdate is to do with both files, in the syntax of libconfig."""
    hashes = {"image_sha256": hashlib.sha256(image).hexdigest(), "script_sha256": hashlib.sha256(script).hexdigest()}
    copies = ""
    for name in COPIES:
        path = f"{board.slots}/incoming/{name}.edge"
        if not PATH.fullmatch(path):
            raise BoardError(
                f"{board.name}: slots {board.slots!r}; expected letters, digits, '/', '.', '_' and '-' alone"
            )
        copies += COPY.format(name=name, path=path, image=IMAGE, script=SCRIPT, **hashes)
    return DESCRIPTION.format(
        version=quoted(version), description=quoted(about), board=quoted(board.name), copies=copies
    ).encode()


def quoted(text: str) -> str:
    """A string of libconfig."""
    if not (text.isascii() and text.isprintable()):
        raise BundleError(f"{text!r}: expected printable ASCII, which is all that SWUpdate's syntax has")
    return json.dumps(text)


def cms_signature(data: bytes, keys: FleetKeys) -> bytes:
    """The CMS signature of some data, apart from it, in DER."""
    cryptography_keys()  # says what to install where it is missing
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.serialization import pkcs7

    secret, status = read_small(Path(keys.key))
    if status.st_mode & 0o077:
        raise SignatureError(f"{keys.key}: others can read this private key; chmod 600 it")
    try:
        key: Any = serialization.load_pem_private_key(secret, password=None)
    except Exception:  # cryptography's own classes too; what they say may quote the file
        raise SignatureError(f"{keys.key}: not a private key in PEM without password") from None
    try:
        certificate = x509.load_pem_x509_certificate(Path(keys.certificate).read_bytes())
        if certificate.public_key() != key.public_key():
            raise ValueError("it belongs to another private key")
        builder = pkcs7.PKCS7SignatureBuilder().set_data(data).add_signer(certificate, key, hashes.SHA256())
    except OSError as error:
        raise BundleError(
            f"{keys.certificate}: cannot be read ({error.strerror}); give a certificate in PEM"
        ) from error
    except (TypeError, ValueError) as error:
        raise BundleError(
            f"{keys.certificate}: cannot sign ({error}); give the certificate of an RSA or ECDSA key"
        ) from error
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities]
    return builder.sign(serialization.Encoding.DER, options)


def cpio(files: Sequence[tuple[str, bytes]]) -> bytes:
    """An archive of files in this order, in the format that cpio calls crc: no times, no owners, a sum of each."""
    out = bytearray()
    for number, (name, data) in enumerate([*files, ("TRAILER!!!", b"")], start=1):
        path = name.encode() + b"\0"
        # inode, mode, owner, group, links, time, size, four device numbers, length of the name, sum of the bytes
        fields = [number, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), sum(data) % 2**32]
        head = b"070702" + b"".join(b"%08X" % value for value in fields) + path
        for part in (head, data):
            out += part + bytes(-len(part) % 4)
    return bytes(out)
