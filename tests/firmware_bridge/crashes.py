"""All states that a disk can be in after the power failed between two operations.

A file system promises little: bytes are safe after `sync`, names after `sync_folder`. Until then each change of a name
may be there or not, whatever the order, and bytes that were written may be there, be missing, stop halfway or be zero.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware_bridge.disk import Disk

Files = dict[str, bytes]


class RecordingDisk(Disk):
    """Does what it is told, and remembers it."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []

    def create(self, path: Path) -> None:
        super().create(path)
        self.log.append(("create", path.name))

    def append(self, path: Path, data: bytes) -> None:
        super().append(path, data)
        self.log.append(("append", path.name, bytes(data)))

    def sync(self, path: Path) -> None:
        super().sync(path)
        self.log.append(("sync", path.name))

    def rename(self, path: Path, to: Path) -> None:
        super().rename(path, to)
        self.log.append(("rename", path.name, to.name))

    def sync_folder(self, folder: Path) -> None:
        super().sync_folder(folder)
        self.log.append(("sync_folder",))


class HastyDisk(Disk):
    """Keeps nothing safe: for replaying, where what lies on the real disk does not matter."""

    def sync(self, path: Path) -> None:
        pass

    def sync_folder(self, folder: Path) -> None:
        pass


@dataclass
class Inode:
    """Bytes as programs see them, and what has been on the disk, or may be, if the power fails now."""

    seen: bytes
    safe: bytes
    dirty: bool = False

    def possible(self) -> list[bytes]:
        if not self.dirty:
            return [self.safe]
        half = len(self.seen) // 2
        return [self.safe, self.seen, self.seen[:half], b"", bytes(len(self.seen)), self.seen[:half] + self.safe[half:]]


@dataclass
class FakeFileSystem:
    """Names as programs see them, names that are safe, and changes of names that are not yet."""

    seen: dict[str, Inode]
    safe: dict[str, Inode]
    pending: list[dict[str, Inode | None]] = field(default_factory=list)

    @classmethod
    def of(cls, files: Files) -> FakeFileSystem:
        inodes = {name: Inode(data, data) for name, data in files.items()}
        return cls(dict(inodes), dict(inodes))

    def do(self, operation: tuple[Any, ...]) -> None:
        match operation:
            case ("create", name) if name in self.seen:
                self.seen[name].seen, self.seen[name].dirty = b"", True
            case ("create", name):
                self.seen[name] = Inode(b"", b"")
                self.pending.append({name: self.seen[name]})
            case ("append", name, data):
                self.seen[name].seen += data
                self.seen[name].dirty = True
            case ("sync", name):
                self.seen[name].safe, self.seen[name].dirty = self.seen[name].seen, False
            case ("rename", name, to):
                self.seen[to] = self.seen.pop(name)
                self.pending.append({name: None, to: self.seen[to]})
            case ("sync_folder",):
                self.safe, self.pending = dict(self.seen), []

    def after_a_crash(self) -> Iterator[Files]:
        """Every state that the disk may be found in."""
        for count in range(len(self.pending) + 1):
            for kept in itertools.combinations(self.pending, count):
                names = dict(self.safe)
                for change in kept:
                    names.update({name: inode for name, inode in change.items() if inode is not None})
                    for name in (name for name, inode in change.items() if inode is None):
                        names.pop(name, None)
                for contents in itertools.product(*(inode.possible() for inode in names.values())):
                    yield dict(zip(names, contents, strict=True))


def crashes(before: Files, log: list[tuple[Any, ...]]) -> Iterator[tuple[int, Files]]:
    """How many operations were done, and a state of the disk that the power failing then can leave; each state once."""
    files = FakeFileSystem.of(before)
    for done in range(len(log) + 1):
        if done:
            files.do(log[done - 1])
        found = {tuple(sorted(state.items())) for state in files.after_a_crash()}
        yield from ((done, dict(state)) for state in sorted(found))


def files_of(folder: Path) -> Files:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def restore(folder: Path, files: Files) -> None:
    """The folder holds exactly these files."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
