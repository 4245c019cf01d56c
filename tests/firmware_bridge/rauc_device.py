"""A device that RAUC updates, on plain files: two raw slots, a boot loader in a folder, a system bus of its own."""

import contextlib
import datetime
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from firmware_bridge.slots import Slots

SLOT_BYTES = 4 * 2**20
PATIENCE_S = 60.0

BOOT_LOADER = """#!/bin/sh
# What RAUC asks of a boot loader: who is first, who is good.
cd {folder} || exit 1
case "$1" in
    get-primary) cat primary ;;
    set-primary) echo "$2" > primary ;;
    get-state) cat "state.$2" ;;
    set-state) echo "$3" > "state.$2" ;;
    get-current) cat current ;;
    *) exit 1 ;;
esac
"""

POST_INSTALL = """#!/bin/sh
# RAUC has written the other slot; its device is in RAUC_SLOT_DEVICE_<n>, n in RAUC_TARGET_SLOTS.
eval device=\\$RAUC_SLOT_DEVICE_$RAUC_TARGET_SLOTS
exec {python} -m edge_sdk.cli install --raw-slot --no-trial --slots {slots} "$device" > {folder}/post-install.log 2>&1
"""

SYSTEM = """[system]
compatible={compatible}
bootloader=custom
mountprefix={folder}/mount
statusfile={folder}/status
activate-installed=false
[keyring]
path={folder}/ca.crt
[handlers]
bootloader-custom-backend={folder}/boot-loader
post-install={folder}/post-install
[slot.model.0]
device={folder}/slot-a
type=raw
bootname=A
[slot.model.1]
device={folder}/slot-b
type=raw
bootname=B
"""

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={folder}/bus</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""


def needs_rauc() -> None:
    """Skip where a program is missing."""
    if missing := [name for name in ("rauc", "dbus-daemon", "mksquashfs") if shutil.which(name) is None]:
        pytest.skip(f"needs {', '.join(missing)} (apt install rauc dbus squashfs-tools)")


@dataclass(frozen=True)
class Authority:
    """Certificates in PEM files: of the root that devices know, and of who signs bundles, with the key."""

    root: Path
    signer: Path
    key: Path


def authority(folder: Path) -> Authority:
    """A root, and a signer that it has certified."""
    folder.mkdir(parents=True, exist_ok=True)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate("root", root_key, "root", root_key, ca=True)
    signer = certificate("signer", key, "root", root_key, ca=False)
    made = Authority(folder / "ca.crt", folder / "signer.crt", folder / "signer.key")
    made.root.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    made.signer.write_bytes(signer.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    made.key.chmod(0o600)
    return made


def certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: ec.EllipticCurvePrivateKey, ca: bool
) -> x509.Certificate:
    """One that is valid from yesterday to tomorrow."""
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False), critical=True)
    )
    if not ca:  # what openssl asks of who signs a CMS
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


class RaucDevice:
    """slots: those of edge-sdk, which a post-install handler fills from the raw slot that RAUC wrote."""

    def __init__(self, folder: Path, known: Authority, compatible: str, slots: Slots) -> None:
        self.folder, self.known, self.slots = folder, known, slots
        folder.mkdir()
        (folder / "mount").mkdir()
        for name in "ab":
            with (folder / f"slot-{name}").open("wb") as file:
                file.truncate(SLOT_BYTES)
        shutil.copyfile(known.root, folder / "ca.crt")
        for name, text in (("primary", "A"), ("current", "A"), ("state.A", "good"), ("state.B", "good")):
            (folder / name).write_text(f"{text}\n")
        places = {
            "folder": folder,
            "compatible": compatible,
            "python": shlex.quote(sys.executable),
            "slots": shlex.quote(str(slots.folder)),
        }
        for name, text in (("boot-loader", BOOT_LOADER), ("post-install", POST_INSTALL)):
            (folder / name).write_text(text.format(**places))
            (folder / name).chmod(0o755)
        (folder / "system.conf").write_text(SYSTEM.format(**places))
        (folder / "bus.conf").write_text(BUS.format(**places))

    @property
    def bus(self) -> str:
        """The address of the system bus there."""
        return f"unix:path={self.folder / 'bus'}"

    def said(self, name: str) -> str:
        """What the boot loader has been told."""
        return (self.folder / name).read_text().strip()

    @contextlib.contextmanager
    def booted(self, slot: str) -> Iterator[None]:
        """The device runs, and with it RAUC."""
        (self.folder / "current").write_text(f"{slot}\n")
        bus = ["dbus-daemon", f"--config-file={self.folder / 'bus.conf'}", "--nofork", "--nopidfile"]
        conf = f"--conf={self.folder / 'system.conf'}"
        service = ["rauc", conf, f"--override-boot-slot={slot}", "service"]
        with contextlib.ExitStack() as stack:
            log = stack.enter_context((self.folder / "log").open("ab"))
            for command in (bus, service):
                process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment())
                stack.callback(process.wait)
                stack.callback(process.terminate)
                if command is bus:
                    self._until(lambda: (self.folder / "bus").exists())
            self._until(lambda: self.rauc("status").returncode == 0)
            yield
        (self.folder / "bus").unlink(missing_ok=True)

    def rauc(self, *words: object) -> subprocess.CompletedProcess[str]:
        """A command of RAUC's, by way of its service."""
        return subprocess.run(
            ["rauc", *map(str, words)],
            capture_output=True,
            text=True,
            env=self._environment(),
            timeout=PATIENCE_S,
            check=False,
        )

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.bus}

    def _until(self, happened: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not happened():
            assert time.monotonic() < end, (self.folder / "log").read_text()
            time.sleep(0.05)
