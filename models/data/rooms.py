"""Random rooms with an array and talkers in them: room number `i` of a seed is always the same, whoever draws it."""

from __future__ import annotations

import math
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_sdk.audio.arrays import MicArray
from edge_sdk.contract import from_plain
from edge_sdk.errors import DataError, RecipeError
from models.data.image_source import loss_for

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOMS_TRIED, PLACES_TRIED = 100, 300  # before a room, or a place in it, is given up
CLEARANCE_M = 0.01  # between a microphone and a wall
NEAREST_M = 0.1  # from a talker to a microphone; loudness goes as 1 / metres
LONGEST_RT60_S, MOST_POSITIONS = 5.0, 1000
MOST_ABSORBED = 0.9  # share of the energy that walls take; deader rooms have no reverberation to speak of
HIGHEST_LOSS = -0.5 * math.log(1 - MOST_ABSORBED)


@dataclass(frozen=True)
class RoomConfig:
    """What rooms are drawn from, uniformly; lengths in metres. Talkers and noises come from the same positions."""

    length_m: tuple[float, float] = (3.0, 8.0)
    width_m: tuple[float, float] = (3.0, 6.0)
    height_m: tuple[float, float] = (2.4, 3.5)
    rt60_s: tuple[float, float] = (0.2, 0.6)
    array_height_m: tuple[float, float] = (0.7, 1.5)
    array_to_wall_m: tuple[float, float] = (0.3, 4.0)  # the nearest wall
    positions: int = 8
    distance_m: tuple[float, float] = (0.5, 3.0)  # from the array's centre
    talker_height_m: tuple[float, float] = (1.0, 1.9)
    talker_to_wall_m: float = 0.3  # at least
    separation_deg: float = 15.0  # in azimuth, between any two positions, at least

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            low, high = value if isinstance(value, tuple) else (1.0, 1.0)
            if not 0 < low <= high < math.inf:
                raise ValueError(f"{name} = {low:g} .. {high:g}: expected two positive numbers, the lower first")
        if self.rt60_s[1] > LONGEST_RT60_S:
            raise ValueError(f"rt60_s up to {self.rt60_s[1]:g}: expected at most {LONGEST_RT60_S:g} s")
        if not 1 <= self.positions <= MOST_POSITIONS:
            raise ValueError(f"positions = {self.positions}: expected 1 to {MOST_POSITIONS}")
        if not 0 <= self.talker_to_wall_m < math.inf:
            raise ValueError(f"talker_to_wall_m = {self.talker_to_wall_m:g}: expected metres from 0 on")
        if not 0 <= self.separation_deg * self.positions <= 360:
            raise ValueError(
                f"separation_deg = {self.separation_deg:g} for {self.positions} positions: expected at most "
                f"{360 / self.positions:g}, for a circle holds no more"
            )


@dataclass(frozen=True)
class Scene:
    """A room, an array in it and positions around the array; places in metres from a corner, `[n, 3]`."""

    room_m: np.ndarray
    rt60_s: float
    loss: float  # per wall, see image_source
    centre_m: np.ndarray
    turned_rad: float  # of the array about its vertical axis
    mics_m: np.ndarray
    positions_m: np.ndarray


def load_rooms(path: Path) -> RoomConfig:
    """The rooms that a TOML file describes; `RecipeError` names file and field."""
    try:
        return from_plain(RoomConfig, tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path}: not a readable TOML file ({error})") from error
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{path}: {error}") from error


def check_rooms(config: RoomConfig, array: MicArray) -> None:
    """`RecipeError` for rooms that cannot hold the array or its talkers, or cannot be as dead as asked."""
    largest = np.array([getattr(config, name)[1] for name in ("length_m", "width_m", "height_m")])
    smallest = np.array([getattr(config, name)[0] for name in ("length_m", "width_m", "height_m")])
    reach = max(math.hypot(*position) for position in array.positions_m)
    if 2 * max(config.array_to_wall_m[0], reach + CLEARANCE_M) > min(largest[:2]):
        raise RecipeError(
            f"{array.name} reaches {reach:g} m from its centre and keeps {config.array_to_wall_m[0]:g} m from walls: "
            f"no place in rooms of at most {largest[0]:g} x {largest[1]:g} m; draw larger rooms"
        )
    for name in ("array_height_m", "talker_height_m"):
        if getattr(config, name)[0] >= largest[2]:
            raise RecipeError(
                f"{name} from {getattr(config, name)[0]:g}: rooms are at most {largest[2]:g} m high; lower it"
            )
    diagonal = math.hypot(*largest)
    if config.distance_m[0] > diagonal:
        raise RecipeError(
            f"distance_m from {config.distance_m[0]:g}: the diagonal of the largest room has {diagonal:.1f} m; "
            "bring the talkers nearer"
        )
    loss = loss_for(config.rt60_s[0], smallest)
    if loss > HIGHEST_LOSS:
        sides = " x ".join(f"{side:g}" for side in smallest)
        raise RecipeError(
            f"rt60_s from {config.rt60_s[0]:g}: the smallest room, {sides} m, rings for "
            f"{config.rt60_s[0] * loss / HIGHEST_LOSS:.2g} s with walls that absorb {MOST_ABSORBED:.0%}; "
            "ask for that or draw smaller rooms"
        )


def draw_scene(config: RoomConfig, array: MicArray, seed: int, index: int) -> Scene:
    """Room `index` of a seed: its reverberation time is drawn first and kept, sizes and places until they fit."""
    rng = np.random.default_rng([seed, index])
    rt60_s = float(rng.uniform(*config.rt60_s))
    failures: Counter[str] = Counter()
    for _ in range(ROOMS_TRIED):
        room_m = draw_size(config, rt60_s, rng)
        turned_rad = float(rng.uniform(-math.pi, math.pi))
        placed = place_array(config, array, room_m, turned_rad, rng)
        if placed is None:
            failures["the array does not fit so far from the walls"] += 1
            continue
        centre_m, mics_m = placed
        positions_m = place_talkers(config, room_m, centre_m, mics_m, rng)
        if positions_m is None:
            failures[f"no {config.positions} places at these distances, heights and angles"] += 1
            continue
        return Scene(room_m, rt60_s, loss_for(rt60_s, room_m), centre_m, turned_rad, mics_m, positions_m)
    why, times = failures.most_common(1)[0]
    raise DataError(
        f"room {index}: none of {ROOMS_TRIED} drawn fits: {why} ({times} times); widen the ranges of the rooms"
    )


def draw_size(config: RoomConfig, rt60_s: float, rng: np.random.Generator) -> np.ndarray:
    """Length, width and height; drawn again below the last ones where a room so large cannot be so dead."""
    lowest, highest = np.array([config.length_m, config.width_m, config.height_m]).T
    for _ in range(ROOMS_TRIED):
        highest = rng.uniform(lowest, highest)
        if loss_for(rt60_s, highest) <= HIGHEST_LOSS:
            break
    else:
        highest = lowest  # which check_rooms has looked at
    return highest


def place_array(
    config: RoomConfig, array: MicArray, room_m: np.ndarray, turned_rad: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """Its centre `[3]` and microphones `[mics, 3]`, or None where no place was found."""
    cos, sin = math.cos(turned_rad), math.sin(turned_rad)
    offsets = np.array(array.positions_m) @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    nearest, farthest = config.array_to_wall_m
    for _ in range(PLACES_TRIED):
        centre = np.array([*rng.uniform(0, room_m[:2]), rng.uniform(*config.array_height_m)])
        mics = centre + offsets
        to_wall = np.minimum(centre, room_m - centre)[:2].min()
        inside = (mics > CLEARANCE_M).all() and (mics < room_m - CLEARANCE_M).all()
        if nearest <= to_wall <= farthest and inside:
            return centre, mics
    return None


def place_talkers(
    config: RoomConfig, room_m: np.ndarray, centre: np.ndarray, mics: np.ndarray, rng: np.random.Generator
) -> np.ndarray | None:
    """`[positions, 3]`, or None where one found no place."""
    places: list[np.ndarray] = []
    taken: list[float] = []
    apart, wall = math.radians(config.separation_deg), config.talker_to_wall_m
    for _ in range(config.positions):
        for _ in range(PLACES_TRIED):
            azimuth, distance = rng.uniform(-math.pi, math.pi), rng.uniform(*config.distance_m)
            up = rng.uniform(*config.talker_height_m) - centre[2]
            if abs(up) >= distance or any(angle_between(azimuth, other) < apart for other in taken):
                continue
            along = math.sqrt(distance**2 - up**2)
            place = centre + np.array([along * math.cos(azimuth), along * math.sin(azimuth), up])
            near = np.linalg.norm(mics - place, axis=1).min() < NEAREST_M
            if not near and (place > wall).all() and (place < room_m - wall).all():
                places.append(place)
                taken.append(azimuth)
                break
        else:
            return None
    return np.array(places)


def angle_between(first: float, second: float) -> float:
    """Of two azimuths, 0 to pi."""
    return abs((first - second + math.pi) % (2 * math.pi) - math.pi)
