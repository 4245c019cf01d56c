"""Small file systems in memory, which only root can mount."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(folder: Path, size: str = "256k") -> Iterator[Path]:
    """A folder, made here, on a disk of that size. The test is skipped where nothing can be mounted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], capture_output=True)


def remount(folder: Path, mode: str) -> None:
    """`ro`: nothing can be written there any more; `rw`: again."""
    subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], check=True)
