"""Stores of simulated rooms: the same for the same seed, however the work is spread and however often it stops."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_sdk.audio.arrays import MicArray
from edge_sdk.contract import from_plain, to_plain
from models.data.image_source import LEAD, pyroomacoustics, responses
from models.data.rirs import Room, RoomStore, room_bytes
from models.data.rooms import RoomConfig, check_rooms, draw_scene
from models.data.shards import Plan, encode, write_rooms

METHOD = "image sources, version 1"  # whoever changes a stored number changes this
ROOMS_PER_SHARD = 8  # a second of work that a kill costs, megabytes that a worker sends back


@dataclass(frozen=True)
class RoomRange:
    """Some rooms of a seed, which one worker computes."""

    config: RoomConfig
    array: MicArray
    sample_rate: int
    seed: int
    first: int
    count: int


def simulate_rooms(
    folder: Path,
    array: MicArray,
    config: RoomConfig,
    count: int,
    seed: int = 0,
    sample_rate: int = 16_000,
    workers: int | None = None,
    cluster: str | None = None,
) -> RoomStore:
    """`count` rooms in a folder; goes on where an earlier call with the same arguments stopped."""
    array, config = from_plain(MicArray, to_plain(array)), from_plain(RoomConfig, to_plain(config))  # 3 becomes 3.0
    check_rooms(config, array)
    pyroomacoustics()  # missing? then before anything is written
    made_of = {"method": METHOD, "seed": seed, "count": count, "rooms": to_plain(config)}
    ranges = [
        RoomRange(config, array, sample_rate, seed, first, min(ROOMS_PER_SHARD, count - first))
        for first in range(0, count, ROOMS_PER_SHARD)
    ]
    size = expected_bytes(array, config, count, sample_rate)
    return write_rooms(folder, Plan(array, sample_rate, made_of), ranges, simulate_range, size, workers, cluster)


def expected_bytes(array: MicArray, config: RoomConfig, count: int, sample_rate: int) -> float:
    """Size of so many rooms on the disk, about."""
    return count * room_bytes(config.positions, LEAD + round(sum(config.rt60_s) / 2 * sample_rate), array.mics)


def simulate_range(r: RoomRange) -> bytes:
    """A shard of the rooms of a range."""
    return encode([simulate_room(r.config, r.array, r.sample_rate, r.seed, r.first + n) for n in range(r.count)])


def simulate_room(config: RoomConfig, array: MicArray, sample_rate: int, seed: int, index: int) -> Room:
    """Room `index` of a seed, computed: its responses last for its reverberation time."""
    scene = draw_scene(config, array, seed, index)
    rng = np.random.default_rng([seed, index, 1])
    taps = LEAD + math.ceil(scene.rt60_s * sample_rate)
    rirs, direct = responses(scene.room_m, scene.loss, scene.positions_m, scene.mics_m, taps, sample_rate, rng)
    seen = scene.positions_m - scene.centre_m
    azimuths = (np.arctan2(seen[:, 1], seen[:, 0]) - scene.turned_rad + math.pi) % (2 * math.pi) - math.pi
    distances = np.linalg.norm(seen, axis=1)
    elevations = np.arcsin(seen[:, 2] / distances)
    return Room(index, rirs, direct[:, array.reference], azimuths, elevations, distances, scene.rt60_s)
