"""The first file system of a kernel: a cpio archive with one static program, a script and the modules."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Sequence
from pathlib import Path

FOLDER, PROGRAM, LINK = 0o040755, 0o100755, 0o120777
FOLDERS = ("bin", "dev", "modules", "proc", "sys", "host", "changes", "root")
COMMANDS = ("sh", "cat", "insmod", "mkdir", "mount", "poweroff", "switch_root")


def initrd(busybox: Path, init: Path, modules: Sequence[Path]) -> bytes:
    """A packed archive whose `/init` is `init`, and whose `/modules/order` names the modules in loading order."""
    unpacked = {path.name.partition(".ko")[0] + ".ko": module(path) for path in modules}
    archive = [entry(name, FOLDER) for name in FOLDERS]
    archive.append(entry("bin/busybox", PROGRAM, busybox.read_bytes()))
    archive += [entry(f"bin/{command}", LINK, b"busybox") for command in COMMANDS]
    archive.append(entry("init", PROGRAM, init.read_bytes()))
    archive += [entry(f"modules/{name}", PROGRAM, data) for name, data in unpacked.items()]
    archive.append(entry("modules/order", PROGRAM, "\n".join(unpacked).encode()))
    archive.append(entry("TRAILER!!!", 0))
    return gzip.compress(b"".join(archive), compresslevel=1)


def module(path: Path) -> bytes:
    """A module as insmod takes it; newer kernels are packed with packed ones."""
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def entry(name: str, mode: int, data: bytes = b"") -> bytes:
    """A file of a cpio archive in the "newc" format: a header of hexadecimal numbers, the name, the data, each filled
    up to 4 bytes."""
    # inode, mode, owner, group, links, time, size, device and its files' device (two numbers each), name's size, check
    numbers = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % number for number in numbers) + name.encode() + b"\0"
    return filled(head) + filled(data)


def filled(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
