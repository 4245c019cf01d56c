"""Talkers and noises in stored rooms: who sits where, and what every microphone hears of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from scipy import fft

from edge_sdk.audio.arrays import MicArray
from edge_sdk.errors import DataError
from models.data.diffuse import around, diffuse
from models.data.rirs import Room

DIRECT_S = 0.0025  # around the direct path: what the direct sound fills when it falls between two samples
FADE_S = 0.001  # in which a cut response ends
ROOMS_TRIED = 50


@dataclass(frozen=True)
class SpatialConfig:
    """Mixtures in rooms; ranges are drawn from uniformly.

    target: what a network is to give of a talker at the reference microphone: its reverberant `image`, the `early`
    part (direct sound and what follows within `early_s`), or the `direct` sound alone. diffuse: chance that the noise
    comes from all around instead of from positions of its own. sensor_noise_db: of each microphone for itself, against
    the talkers.
    """

    target: Literal["image", "early", "direct"] = "image"
    early_s: float = 0.05
    min_angle_deg: float = 15.0  # between any two talkers, in azimuth
    diffuse: float = 0.3
    sensor_noise_db: tuple[float, float] = (-70.0, -40.0)

    def __post_init__(self) -> None:
        if not 0 <= self.diffuse <= 1:
            raise ValueError(f"spatial.diffuse = {self.diffuse}: expected a chance, 0 to 1")
        if not 0 < self.early_s <= 1 or not 0 <= self.min_angle_deg <= 180:
            raise ValueError(
                f"spatial: early_s = {self.early_s}, min_angle_deg = {self.min_angle_deg}: expected up to 1 s and 180"
            )
        low, high = self.sensor_noise_db
        if not -math.inf < low <= high <= 0:
            raise ValueError(
                f"spatial.sensor_noise_db = {low} .. {high}: expected two numbers up to 0, the lower first"
            )


class Rooms(Protocol):
    """Stored rooms of one array, as `open_rooms` gives them."""

    array: MicArray
    sample_rate: int

    @property
    def mics(self) -> int: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Room: ...


@dataclass(frozen=True)
class Seating:
    """A room in which the talkers of one mixture sit apart; `free` are the positions left for noises."""

    room: Room
    talkers: list[int]
    free: list[int]

    def about(self) -> dict[str, Any]:
        """The room and the talkers' places as plain data, as far as they are known."""
        room, azimuths, distances = self.room, self.azimuths_deg, self.room.distances_m[self.talkers]
        found: dict[str, Any] = {"room": int(room.index)}
        if math.isfinite(room.rt60_s):
            found["rt60_s"] = float(room.rt60_s)
        if np.isfinite(azimuths).all():
            found["azimuths_deg"] = [round(float(a), 2) for a in azimuths]
            if len(azimuths) > 1:
                found["angle_deg"] = round(smallest_angle(azimuths), 2)
        if np.isfinite(distances).all():
            found["distances_m"] = [round(float(d), 3) for d in distances]
        return found

    @property
    def azimuths_deg(self) -> np.ndarray:
        """Of the talkers, `[S]`."""
        return np.degrees(self.room.azimuths_rad[self.talkers])


def seat(rooms: Rooms, talkers: int, min_angle_deg: float, rng: np.random.Generator) -> Seating:
    """A random room with talkers at random positions, at least so far apart; noises get the others in random order."""
    for _ in range(ROOMS_TRIED):
        room = rooms[int(rng.integers(len(rooms)))]
        order = [int(p) for p in rng.permutation(len(room.direct))]
        chosen = apart(order, np.degrees(room.azimuths_rad), talkers, min_angle_deg)
        if chosen is not None:
            return Seating(room, chosen, [p for p in order if p not in chosen])
    raise DataError(
        f"{ROOMS_TRIED} rooms drawn have no {talkers} positions {min_angle_deg:g} degrees apart; lower "
        "mix.spatial.min_angle_deg or simulate rooms with more positions"
    )


def apart(order: list[int], azimuths_deg: np.ndarray, count: int, least_deg: float) -> list[int] | None:
    """The first `count` positions in that order of which no two are known to be nearer than `least_deg`, or None."""
    if count == 0:
        return []
    for n, position in enumerate(order):
        left = [p for p in order[n + 1 :] if not smallest_angle(azimuths_deg[[position, p]]) < least_deg]
        rest = apart(left, azimuths_deg, count - 1, least_deg)
        if rest is not None:
            return [position, *rest]
    return None


def smallest_angle(azimuths_deg: np.ndarray) -> float:
    """Between any two of them, 0 to 180."""
    first, second = np.triu_indices(len(azimuths_deg), 1)
    return float(np.abs((azimuths_deg[first] - azimuths_deg[second] + 180) % 360 - 180).min(initial=180.0))


def talkers_heard(
    dry: np.ndarray, seating: Seating, reference: int, config: SpatialConfig, sample_rate: int
) -> tuple[np.ndarray, np.ndarray]:
    """Images at all microphones and targets at the reference, `[S, M, n]` and `[S, n]`, of dry speech `[S, n]`.

    Both keep the time of the dry speech: the direct sound is heard at the reference in the sample it was spoken in.
    """
    room, places = seating.room, seating.talkers
    (_, samples), taps = dry.shape, room.rirs.shape[-1]
    size = fft.next_fast_len(samples + taps - 1, real=True)
    spectra, responses = fft.rfft(dry, size), room.rirs[places]
    images = fft.irfft(spectra[:, None] * fft.rfft(responses, size), size)
    wanted = images[:, reference]
    if config.target != "image":
        window = target_window(room.direct[places], taps, config, sample_rate)
        wanted = fft.irfft(spectra * fft.rfft(responses[:, reference] * window, size), size)
    begins = [min(int(d), taps - 1) for d in np.floor(room.direct[places])]
    cut = [slice(begin, begin + samples) for begin in begins]
    return (
        np.stack([image[:, c] for image, c in zip(images, cut, strict=True)]),
        np.stack([target[c] for target, c in zip(wanted, cut, strict=True)]),
    )


def target_window(direct: np.ndarray, taps: int, config: SpatialConfig, sample_rate: int) -> np.ndarray:
    """What of a response makes the target, `[S, taps]`: one until its end, which is a short fade."""
    after = (config.early_s if config.target == "early" else DIRECT_S) * sample_rate
    left = (direct[:, None] + after - np.arange(taps)) / (FADE_S * sample_rate)
    return np.sin(0.5 * np.pi * np.clip(left, 0, 1)).astype(np.float32) ** 2


def noises_heard(noises: list[np.ndarray], seating: Seating) -> np.ndarray:
    """What the microphones hear of noises `[n]` at the free positions, `[M, n]`; one may have to serve several.

    Noises went on before the mixture begins: convolution runs round, the end of a noise reverberates at its beginning.
    """
    samples = noises[0].shape[-1]
    total: np.ndarray | float = 0.0
    for n, noise in enumerate(noises):
        response = wrapped(seating.room.rirs[seating.free[n % len(seating.free)]], samples)
        total = total + fft.rfft(noise) * fft.rfft(response)
    return fft.irfft(total, samples)


def wrapped(responses: np.ndarray, samples: int) -> np.ndarray:
    """Responses `[M, taps]` for a convolution that runs round after `samples`, `[M, samples]`."""
    mics, taps = responses.shape
    rounds = -(-taps // samples)
    padded = np.zeros((mics, rounds * samples), np.float32)
    padded[:, :taps] = responses
    return padded.reshape(mics, rounds, samples).sum(axis=1)


def noise_around(noises: list[np.ndarray], array: MicArray, sample_rate: int) -> np.ndarray:
    """The noises together as an isotropic field, `[M, n]`."""
    return diffuse(around(sum(noises[1:], noises[0]), array.mics), array.positions_m, sample_rate)
