"""Disks that fail, lie, are full or read-only: the active slot runs on."""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_sdk.errors import BundleError
from firmware_bridge.bundle import pack
from firmware_bridge.disk import Disk
from firmware_bridge.install import install
from firmware_bridge.slots import Slots
from firmware_bridge.state import InstallError
from tests.edge_sdk.bundles import MODEL, manifest
from tests.edge_sdk.signing import RELEASE, key
from tests.firmware_bridge import mounts
from tests.firmware_bridge.devices import bundle_file, device, refused, running


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounts.small_disk(tmp_path / "small") as folder:
        yield folder


class LyingDisk(Disk):
    """Gives back other bytes than were written."""

    def sync(self, path: Path) -> None:
        super().sync(path)
        if path.suffix == ".edge":
            path.write_bytes(path.read_bytes()[:-1] + b"!")


def test_what_the_disk_gives_back_is_what_counts(slots: Slots, tmp_path: Path) -> None:
    slots.disk = LyingDisk()
    with pytest.raises(BundleError, match="damaged"):
        install(slots, bundle_file(tmp_path, "2"))
    assert running(Slots(slots.folder)) == "1"


class FailingDisk(Disk):
    """Fails in one operation, as a full, failing or read-only disk does."""

    def __init__(self, operation: str, number: int, after: int) -> None:
        self.operation, self.number, self.left = operation, number, after

    def __getattribute__(self, name: str) -> Any:
        if name == object.__getattribute__(self, "__dict__").get("operation"):
            if self.left == 0:
                raise OSError(self.number, os.strerror(self.number))
            self.left -= 1
        return object.__getattribute__(self, name)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("operation", ["create", "append", "sync", "rename", "sync_folder"])
@pytest.mark.parametrize("after", [0, 1])
def test_a_disk_that_fails_leaves_the_active_slot_as_it_is(
    slots: Slots, tmp_path: Path, operation: str, after: int, number: int
) -> None:
    install(slots, bundle_file(tmp_path, "2"))
    slots.confirm()
    broken = Slots(slots.folder, FailingDisk(operation, number, after))
    refusal = ""
    try:
        install(broken, bundle_file(tmp_path, "3"))
    except InstallError as error:
        refusal = str(error)
    assert "\n" not in refusal and (not refusal or os.strerror(number) in refusal)
    # An error after the last rename may come too late: then the new one is there, though nobody was told.
    assert running(slots) in (("2", "3") if refusal else ("3",))


def small_device(tmp_path: Path, small_disk: Path) -> Slots:
    shutil.copytree(device(tmp_path, "1"), small_disk / "device")
    return Slots(small_disk / "device")


def test_a_bundle_too_large_for_the_disk_is_refused_before_anything_is_written(
    tmp_path: Path, small_disk: Path
) -> None:
    slots = small_device(tmp_path, small_disk)
    large = MODEL + bytes(300_000)
    source = tmp_path / "large.edge"
    source.write_bytes(pack(manifest(large), large, [key(RELEASE)]))
    assert "free space" in refused(slots, source)


def test_a_disk_that_is_filled_meanwhile_leaves_the_active_slot(tmp_path: Path, small_disk: Path) -> None:
    slots = small_device(tmp_path, small_disk)

    class Filling(Disk):
        def create(self, path: Path) -> None:
            super().create(path)
            (small_disk / "filler").write_bytes(b"")
            with open(small_disk / "filler", "ab", buffering=0) as file:
                while True:
                    try:
                        file.write(bytes(4096))
                    except OSError:
                        return

    slots.disk = Filling()
    with pytest.raises(InstallError, match="No space left"):
        install(slots, bundle_file(tmp_path, "2"))
    assert running(Slots(slots.folder)) == "1"


def test_a_disk_that_became_read_only_still_runs_what_was_confirmed(tmp_path: Path, small_disk: Path) -> None:
    slots = small_device(tmp_path, small_disk)
    two = bundle_file(tmp_path, "2")
    mounts.remount(small_disk, "ro")
    assert running(slots) == "1"
    with pytest.raises((InstallError, OSError), match="Read-only"):
        install(slots, two)
    mounts.remount(small_disk, "rw")
    install(slots, two)
    mounts.remount(small_disk, "ro")
    assert running(slots) == "1"  # the tries of version 2 cannot be counted
    mounts.remount(small_disk, "rw")
    assert running(slots) == "2"
