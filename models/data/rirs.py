"""Room impulse responses, computed or measured once, and read as often as mixtures need them.

A folder of them holds shards of some rooms each and, written last, `rooms.json`, which says what is in them. Samples
are float16: eleven significant bits at any level keep the decay as exact as the direct path (the error is 73 dB below
the response, at its beginning and in its tail), at half the size of float32.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edge_sdk.audio.arrays import MicArray
from edge_sdk.contract import from_plain, parse_json
from edge_sdk.errors import DataError

SCHEMA = 1
INDEX = "rooms.json"
GEOMETRY = ("direct", "azimuths_rad", "elevations_rad", "distances_m")  # of each position, float64, before its samples
LOUDEST = 60_000.0  # float16 ends at 65,504
QUIETEST = 1e-3  # of a room's loudest sample: below, the tail would fall under float16's smallest numbers


@dataclass(frozen=True)
class Room:
    """What the array hears of a room: impulse responses from some positions, for talkers and noises alike.

    rirs: `[positions, mics, taps]` float32. The direct path of position p reaches the reference microphone at sample
    `direct[p]`, a fraction between two samples as a rule. Azimuths (from x towards y), elevations and distances are
    seen from the array's centre, in its own axes; NaN where nobody wrote them down. rt60_s: asked for, or measured;
    NaN where it makes no sense.
    """

    index: int
    rirs: np.ndarray
    direct: np.ndarray
    azimuths_rad: np.ndarray
    elevations_rad: np.ndarray
    distances_m: np.ndarray
    rt60_s: float

    def __post_init__(self) -> None:
        if self.rirs.ndim != 3 or not self.rirs.size:
            raise ValueError(f"rirs of shape {list(self.rirs.shape)}: expected positions, microphones and taps")
        for name in GEOMETRY:
            if getattr(self, name).shape != self.rirs.shape[:1]:
                raise ValueError(f"{name} of shape {list(getattr(self, name).shape)}: expected [{len(self.rirs)}]")


@dataclass(frozen=True)
class RoomEntry:
    """Where a room lies in its shard."""

    offset: int  # bytes
    positions: int
    taps: int
    rt60_s: float | None


@dataclass(frozen=True)
class Shard:
    """A file of rooms as the index knows it."""

    file: str
    size: int  # bytes
    sha256: str
    rooms: tuple[RoomEntry, ...]


@dataclass(frozen=True)
class Index:
    """What `rooms.json` holds. made_of: what the rooms were computed or read from, to make them again."""

    schema: int
    array: MicArray
    sample_rate: int
    made_of: dict[str, Any]
    shards: tuple[Shard, ...]


def open_rooms(path: Path) -> RoomStore:
    """The rooms stored in a folder; `DataError` where they are missing, incomplete or damaged."""
    file = path / INDEX
    if not file.is_file():
        raise DataError(
            f"{path}: no finished rooms there ({INDEX} is missing); make them with: edge-sdk simulate rooms"
        )
    data = file.read_bytes()
    try:
        index = from_plain(Index, parse_json(data))
        if index.schema != SCHEMA:
            raise ValueError(f"schema {index.schema}, expected {SCHEMA}")
        for shard in index.shards:
            check_shard(shard, index.array.mics)
    except (TypeError, ValueError) as error:
        raise DataError(f"{file}: not an index of rooms ({error}); simulate them again") from error
    for shard in index.shards:
        there = path / shard.file
        size = there.stat().st_size if there.is_file() else 0
        if size != shard.size:
            raise DataError(f"{there}: {size} bytes, {INDEX} says {shard.size}; simulate these rooms again")
    return RoomStore(path, index.array, index.sample_rate, index.shards, hashlib.sha256(data).hexdigest())


def check_shard(shard: Shard, mics: int) -> None:
    """`ValueError` for an entry that points out of its file or out of the folder."""
    if Path(shard.file).name != shard.file or not shard.rooms:
        raise ValueError(f"shard {shard.file!r} with {len(shard.rooms)} rooms")
    end = shard.rooms[0].offset
    for room in shard.rooms:
        if room.offset != end or room.positions < 1 or room.taps < 1:
            raise ValueError(f"{shard.file}: rooms are not one after the other")
        end += room_bytes(room.positions, room.taps, mics)
    if end != shard.size:
        raise ValueError(f"{shard.file}: rooms of {end} bytes in {shard.size}")


class RoomStore:
    """The rooms of a folder, by number; see `open_rooms`.

    Pickles without the samples: worker processes map the same files and share one copy of them. `sha256` is that of
    the index, which names the hash of every shard, so it stands for everything in the folder.
    """

    def __init__(self, folder: Path, array: MicArray, sample_rate: int, shards: tuple[Shard, ...], sha256: str) -> None:
        self.folder, self.array, self.sample_rate, self.shards, self.sha256 = folder, array, sample_rate, shards, sha256
        self.places = [(shard, room) for shard in range(len(shards)) for room in range(len(shards[shard].rooms))]

    @property
    def mics(self) -> int:
        return self.array.mics

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Room:
        if not 0 <= index < len(self):
            raise IndexError(f"room {index} of {len(self)}")
        shard, number = self.places[index]
        entry = self.shards[shard].rooms[number]
        try:
            return unpack(self.bytes_of[shard], entry, index, self.mics)
        except ValueError as error:
            raise DataError(f"{self.folder / self.shards[shard].file}: {error}; simulate these rooms again") from error

    @cached_property
    def bytes_of(self) -> list[np.ndarray]:
        """Every shard, mapped into memory."""
        return [np.memmap(self.folder / shard.file, dtype=np.uint8, mode="r") for shard in self.shards]

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k != "bytes_of"}


def room_bytes(positions: int, taps: int, mics: int) -> int:
    """Size of a stored room."""
    return positions * (8 * len(GEOMETRY) + 2 * mics * taps)


def pack(room: Room) -> bytes:
    """The bytes that a shard holds of a room."""
    loudest = float(np.abs(room.rirs).max())
    if not QUIETEST <= loudest <= LOUDEST:  # NaN compares as neither
        raise ValueError(f"room {room.index}: responses of up to {loudest:g}, expected {QUIETEST:g} to {LOUDEST:g}")
    geometry = np.stack([getattr(room, name) for name in GEOMETRY]).astype("<f8")
    return geometry.tobytes() + room.rirs.astype("<f2").tobytes()


def unpack(data: np.ndarray, entry: RoomEntry, index: int, mics: int) -> Room:
    """The room of an entry, from the bytes of its shard; `ValueError` where they are damaged."""
    begin, cut = entry.offset, entry.offset + 8 * len(GEOMETRY) * entry.positions
    geometry = np.frombuffer(data[begin:cut].tobytes(), "<f8").reshape(len(GEOMETRY), entry.positions)
    samples = data[cut : begin + room_bytes(entry.positions, entry.taps, mics)].view("<f2")
    rirs = samples.reshape(entry.positions, mics, entry.taps).astype(np.float32)
    if not np.isfinite(geometry[0]).all() or not np.isfinite(rirs).all():
        raise ValueError(f"room {index} holds numbers that are not finite")
    return Room(index, rirs, *geometry, rt60_s=math.nan if entry.rt60_s is None else entry.rt60_s)
