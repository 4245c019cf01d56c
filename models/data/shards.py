"""Writing rooms, shard by shard: killed at any moment, the same call goes on where it stopped.

The process that asked writes; workers, on this machine or on a cluster, only compute. A shard is whole or not there,
and begins with one line of JSON that says what is in it, so that a folder can be completed without other notes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from edge_sdk.audio.arrays import MicArray
from edge_sdk.contract import canonical_json, from_plain, parse_json, to_plain, write_file
from edge_sdk.errors import DataError
from models.data.rirs import (
    INDEX,
    SCHEMA,
    Index,
    Room,
    RoomEntry,
    RoomStore,
    Shard,
    check_shard,
    open_rooms,
    pack,
    room_bytes,
)
from models.spread import spread

log = logging.getLogger(__name__)

PLAN, LOCK, SHARDS = "plan.json", ".lock", "shard-"
LONGEST_HEADER = 2**20
SPARE = 1.05  # of the estimated size, for file systems and headers

Item = TypeVar("Item")


@dataclass(frozen=True)
class Plan:
    """What a folder is to hold. made_of: everything that its rooms depend on besides array and rate, plain data."""

    array: MicArray
    sample_rate: int
    made_of: dict[str, Any]


def write_rooms(
    folder: Path,
    plan: Plan,
    items: Sequence[Item],
    make: Callable[[Item], bytes],
    size: float,
    workers: int | None = None,
    cluster: str | None = None,
) -> RoomStore:
    """The store of what `make(item)` gives for each item, one shard each, made by `encode`; resumes.

    size: expected bytes of the whole. `DataError` where another plan was begun in the folder or the disk is too small.
    """
    with locked(folder):
        check_plan(folder, plan)
        if (done := finished(folder)) is not None:
            return done
        names = [f"{SHARDS}{n:05}.rirs" for n in range(len(items))]
        there = {name: shard for name in names if (shard := read_shard(folder / name, plan.array.mics)) is not None}
        missing = [n for n, name in enumerate(names) if name not in there]
        check_space(folder, size * len(missing) / max(1, len(items)))
        write_file(folder / PLAN, json.dumps(to_plain(plan), indent=1).encode())
        made = spread(make, [items[n] for n in missing], "rooms", workers, cluster)
        for n, data in zip(missing, made, strict=True):
            write_file(folder / names[n], data)
            there[names[n]] = describe(names[n], data, plan.array.mics)
        for aside in folder.glob(".*.part"):  # of runs that were killed
            aside.unlink()
        index = Index(SCHEMA, plan.array, plan.sample_rate, plan.made_of, tuple(there[name] for name in names))
        write_file(folder / INDEX, canonical_json(to_plain(index)))
    return open_rooms(folder)


def check_plan(folder: Path, plan: Plan) -> None:
    """`DataError` where shards of another plan are in the folder, saying what differs."""
    file = folder / PLAN
    if not any(folder.glob(f"{SHARDS}*")):
        return
    try:
        before, now = (flat(parse_json(data)) for data in (file.read_bytes(), canonical_json(to_plain(plan))))
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"{file}: not the plan of the rooms in its folder ({error}); choose another --out") from error
    if differing := sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key)):
        shown = ", ".join(f"{key} = {before.get(key)} there, {now.get(key)} asked for" for key in differing[:3])
        raise DataError(f"{folder} holds other rooms: {shown}; choose another --out or remove it")


def flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, keys joined by dots."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        inner = "" if key == "made_of" else f"{key}."
        found |= flat(value, prefix + inner) if isinstance(value, dict) else {prefix + key: value}
    return found


def finished(folder: Path) -> RoomStore | None:
    """The store where it is complete and undamaged, as far as its index tells."""
    try:
        return open_rooms(folder)
    except DataError as error:
        if (folder / INDEX).exists():
            log.warning("%s", error)
        return None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else writes into the folder meanwhile; a process that ends, however it ends, lets go of it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(
                f"{folder}: another process writes rooms there; wait for it or choose another --out"
            ) from error
        yield


def check_space(folder: Path, size: float) -> None:
    """`DataError` where so many bytes do not fit on the disk."""
    free = shutil.disk_usage(folder).free
    if size * SPARE > free:
        raise DataError(
            f"{folder}: about {size / 1e9:.2g} GB are to be written, {free / 1e9:.2g} GB are free; "
            "free space, choose another --out or make fewer rooms"
        )


def encode(rooms: Sequence[Room]) -> bytes:
    """A shard: one line of JSON, padded with spaces, and the rooms after it."""
    packed = [pack(room) for room in rooms]
    entries = [[*room.rirs.shape[::2], None if math.isnan(room.rt60_s) else room.rt60_s] for room in rooms]
    header = canonical_json({"schema": SCHEMA, "rooms": entries})
    return header + b" " * (-(len(header) + 1) % 8) + b"\n" + b"".join(packed)


def describe(name: str, data: bytes, mics: int) -> Shard:
    """The entry of a shard in the index; `ValueError` where the bytes are none."""
    line, _, _ = data[:LONGEST_HEADER].partition(b"\n")
    header = parse_json(line)
    if not isinstance(header, dict) or header.get("schema") != SCHEMA:
        raise ValueError("not a shard of this version")
    entries, offset = [], len(line) + 1
    for positions, taps, rt60_s in header["rooms"]:
        entry = {"offset": offset, "positions": positions, "taps": taps, "rt60_s": rt60_s}
        entries.append(from_plain(RoomEntry, entry))
        offset += room_bytes(positions, taps, mics)
    shard = Shard(name, len(data), hashlib.sha256(data).hexdigest(), tuple(entries))
    check_shard(shard, mics)
    return shard


def read_shard(file: Path, mics: int) -> Shard | None:
    """The entry of a shard that is there and whole, or None."""
    if not file.exists():
        return None
    try:
        return describe(file.name, file.read_bytes(), mics)
    except (ValueError, TypeError, KeyError) as error:
        log.warning("%s: damaged (%s), made again", file, error)
        return None
