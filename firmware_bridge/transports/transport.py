"""What every way to a board can do."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from edge_sdk.errors import EdgeError

PIECE = 2**16
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")


class TransportError(EdgeError):
    """A board cannot be reached, or something did not arrive there whole."""


@dataclass(frozen=True)
class Done:
    """A command that has ended on a board: its exit status and what it said."""

    status: int
    out: bytes = b""
    err: bytes = b""


class Transport(Protocol):
    """A board. place: what the user calls it, for messages. `TransportError` where it cannot be reached."""

    place: str

    def put(self, source: Path, name: str) -> str:
        """Bring a file into the board's folder for what arrives; its path there.

        What is there already from a transfer that broke off is not sent again. When this returns, the board has read
        the whole file back and its SHA-256 is the right one.
        """
        ...

    def discard(self, path: str) -> None:
        """Remove a file that `put` has brought."""
        ...

    def run(self, words: Sequence[str]) -> Done:
        """Run a command with nothing at its standard input, for as long as it takes."""
        ...

    def fetch(self, path: str) -> bytes:
        """The bytes of a file of the board."""
        ...

    def at(self, path: str) -> str:
        """By which path commands that this transport runs see a path of the board."""
        ...

    def close(self) -> None:
        """Let the board go."""
        ...


@dataclass(frozen=True)
class Sending:
    """A file on its way: its name there, size and SHA-256 in hexadecimal digits."""

    source: Path
    name: str
    size: int
    sha256: str

    def starts_with(self, size: int, sha256: str) -> bool:
        """Whether its first `size` bytes have this hash."""
        if not 0 <= size <= self.size:
            return False
        with self.source.open("rb") as file:
            return digest(file, size) == sha256

    def pieces(self, offset: int, largest: int = PIECE) -> Iterator[bytes]:
        """What comes after the first `offset` bytes."""
        with self.source.open("rb") as file:
            file.seek(offset)
            while piece := file.read(largest):
                yield piece


def sending(source: Path, name: str) -> Sending:
    """A file to be sent. `TransportError` where it cannot be read, `ValueError` for a name that is no plain one."""
    if not FILE_NAME.fullmatch(name):
        raise ValueError(f"name {name!r}: expected letters, digits, '.', '_', '+' and '-', at most 128")
    try:
        with source.open("rb") as file:
            sha256 = digest(file)
            return Sending(source, name, file.tell(), sha256)
    except OSError as error:
        raise TransportError(f"{source}: cannot be read ({error.strerror}); give the file to bring there") from error


def digest(file: BinaryIO, size: int | None = None) -> str:
    """SHA-256 of the next bytes of a file, all of them where no size is given, in hexadecimal digits."""
    found, left = hashlib.sha256(), size
    while piece := file.read(PIECE if left is None else min(PIECE, left)):
        found.update(piece)
        left = None if left is None else left - len(piece)
    return found.hexdigest()
