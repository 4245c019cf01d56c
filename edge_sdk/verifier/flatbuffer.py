"""FlatBuffers read as if an enemy had written them: each offset, length and alignment is checked before it is used.

https://flatbuffers.dev/internals: a table begins with the distance to its vtable, which says where each field lies;
fields that are not scalars are offsets, always forward. Here, beyond what FlatBuffers ask for, every byte of the file
belongs to exactly one table, vector or string, or is zero and lies within 63 bytes of them. So no two objects share
memory in ways that nobody thought of, nothing hides between them, and a changed offset is noticed.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from edge_sdk.verifier.errors import ModelError

MAX_GAP = 63  # zero bytes between objects: alignment of at most 64
OFFSET = "I"
SIZES = {"b": 1, "B": 1, "i": 4, "I": 4, "f": 4, "q": 8, "Q": 8}


@dataclass(frozen=True)
class Field:
    """Where a kind of table has a field, and the form of its number as `struct` has it: an offset, if none is said."""

    slot: int
    form: str = OFFSET


Kind = Mapping[str, Field]  # the fields that a kind of table may have, by name


class Flatbuffer:
    """The bytes of a file, and which of them have been taken."""

    def __init__(self, data: bytes, identifier: bytes) -> None:
        if len(data) < 8 or data[4:8] != identifier:
            raise broken(f"{len(data)} bytes without the identifier {identifier.decode('ascii')}")
        self.data = data
        self._view = memoryview(data)
        self._spans = [(0, 8)]
        self._vtables: dict[int, tuple[int, tuple[int, ...]]] = {}

    def number(self, form: str, at: int) -> int:
        """A little-endian number at an aligned place inside the file; of form `f`, a float."""
        size = SIZES[form]
        if at < 0 or at % size or at + size > len(self.data):
            raise broken(f"a number at byte {at} of {len(self.data)}")
        found: int = struct.unpack_from(f"<{form}", self.data, at)[0]
        return found

    def follow(self, at: int) -> int:
        """Where the offset at this place leads."""
        return at + max(self.number("I", at), 1)  # zero leads to itself: not aligned then, so refused where it is read

    def take(self, start: int, end: int) -> memoryview:
        """These bytes, which nothing else may be."""
        if not 0 <= start <= end <= len(self.data):
            raise broken(f"bytes {start} to {end} of {len(self.data)}")
        self._spans.append((start, end))
        return self._view[start:end]

    def vtable(self, at: int) -> tuple[int, tuple[int, ...]]:
        """Size of a table and offsets of its fields; several tables may share one."""
        if at not in self._vtables:
            if at < 0 or at % 2 or at + 4 > len(self.data):
                raise broken(f"a vtable at byte {at} of {len(self.data)}")
            length, size = struct.unpack_from("<HH", self.data, at)
            if length < 4 or length % 2 or at + length > len(self.data):
                raise broken(f"a vtable of {length} bytes at byte {at}")
            self.take(at, at + length)
            self._vtables[at] = size, struct.unpack_from(f"<{length // 2 - 2}H", self.data, at + 4)
        return self._vtables[at]

    def root(self, what: str, kind: Kind) -> Table:
        """The table that the file begins with."""
        return Table(self, self.follow(0), what, kind)

    def finish(self) -> None:
        """Every byte has been taken once, or is zero between what has been."""
        spans = sorted(self._spans)
        for (_, before), (start, _) in pairwise([*spans, (len(self.data), 0)]):
            if start < before:
                raise broken(f"two objects share byte {start}")
            if start - before > MAX_GAP or self.data.count(0, before, start) != start - before:
                raise broken(f"bytes {before} to {start} belong to nothing")


class Table:
    """A table whose fields are asked for by name. Refused: other fields than its kind has, fields that overlap, and
    anything but zeros between them."""

    __slots__ = ("_file", "_kind", "_places", "_what")

    def __init__(self, file: Flatbuffer, at: int, what: str, kind: Kind) -> None:
        size, offsets = file.vtable(at - file.number("i", at))
        names = {field.slot: name for name, field in kind.items()}
        inside = file.take(at, at + size)
        taken = [(0, 4)]
        self._file, self._kind, self._what = file, kind, what
        self._places: dict[str, int] = {}
        for slot, offset in enumerate(offsets):
            if not offset:
                continue
            if slot not in names:
                raise broken(f"{what} has a field {slot}, which our exporter never writes")
            taken.append((offset, offset + SIZES[kind[names[slot]].form]))
            self._places[names[slot]] = at + offset
        for (_, before), (start, _) in pairwise([*sorted(taken), (size, size)]):
            if start < before or any(inside[before:start]):
                raise broken(f"fields of {what} that are not side by side in {size} bytes")

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def number(self, name: str, default: int = 0) -> int:
        """A scalar; scalars that are the default are not stored."""
        if name not in self._places:
            return default
        return self._file.number(self._kind[name].form, self._places[name])

    def real(self, name: str) -> float:
        """A scalar of form `f`, zero where it is not stored."""
        return float(self.number(name))

    def table(self, name: str, what: str, kind: Kind) -> Table | None:
        """The table in this field, None where there is none."""
        if name not in self._places:
            return None
        return Table(self._file, self._file.follow(self._places[name]), what, kind)

    def tables(self, name: str, what: str, kind: Kind) -> list[Table]:
        """The tables of a vector."""
        start, count = self._vector(name, 4)
        places = range(start, start + 4 * count, 4)
        return [Table(self._file, self._file.follow(at), f"{what} {n}", kind) for n, at in enumerate(places)]

    def numbers(self, name: str, form: str) -> tuple[int, ...]:
        """The numbers of a vector."""
        start, count = self._vector(name, SIZES[form])
        return struct.unpack_from(f"<{count}{form}", self._file.data, start)

    def bytes(self, name: str) -> memoryview:
        """The bytes of a vector, in place."""
        start, count = self._vector(name, 1)
        return memoryview(self._file.data)[start : start + count]

    def string(self, name: str) -> str:
        """A text, with the zero byte behind it that readers in C rely on."""
        if name not in self._places:
            return ""
        start, count = self._vector(name, 1)
        text, end = self._file.data[start : start + count], self._file.take(start + count, start + count + 1)
        if end[0] or 0 in text:
            raise broken(f"a text in {self._what} that does not end where it says")
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError:
            raise broken(f"a text in {self._what} that is not UTF-8") from None

    def _vector(self, name: str, size: int) -> tuple[int, int]:
        """Where a vector's items start, and how many there are."""
        if name not in self._places:
            return 0, 0
        at = self._file.follow(self._places[name])
        count, start = self._file.number("I", at), at + 4
        if start % size:
            raise broken(f"a vector of {self._what} at byte {start}, not a multiple of {size}")
        self._file.take(at, start + count * size)
        return start, count


def broken(found: str) -> ModelError:
    return ModelError("flatbuffer", found)
