"""The few things that installing does to a disk; between any two of them the power may fail.

What was written is safe after `sync`; that a file exists, or has another name, after `sync_folder`. Before that, any
part of it may be lost, in any order. tests/firmware_bridge/crashes.py replays exactly that.
"""

from __future__ import annotations

import os
from pathlib import Path


class Disk:
    """Files by path; an `OSError` names the file."""

    def create(self, path: Path) -> None:
        """An empty file that others can read and only its owner can write, in place of what was there."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
        try:
            os.fchmod(descriptor, 0o644)  # whatever the umask is, and whatever mode it had
        finally:
            os.close(descriptor)

    def append(self, path: Path, data: bytes) -> None:
        with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW), "wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]

    def sync(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, path: Path, to: Path) -> None:
        os.replace(path, to)

    def sync_folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def replace_file(disk: Disk, path: Path, data: bytes) -> None:
    """A file that holds the new bytes or the old ones whenever the power fails; the new ones when this returns."""
    aside = path.with_name(f"{path.name}.part")
    disk.create(aside)
    disk.append(aside, data)
    disk.sync(aside)
    disk.rename(aside, path)
    disk.sync_folder(path.parent)
