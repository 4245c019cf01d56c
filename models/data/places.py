"""Where a mixture happens: around one microphone in the open, or in a stored room with an array."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from models.data.augment import AugmentConfig, reverberated
from models.data.spatial import Rooms, SpatialConfig, noise_around, noises_heard, seat, talkers_heard


class Place(Protocol):
    """What microphones hear of talkers and noises; levels are compared at microphone `reference`."""

    reference: int

    def talkers(self, dry: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images at every microphone `[S, M, n]` and targets `[S, n]` of dry speech `[S, n]`."""

    def noise(self, noises: list[np.ndarray]) -> np.ndarray:
        """All noises `[n]` together at every microphone, `[M, n]`."""

    def own_noise(self, level: float, shape: tuple[int, ...]) -> np.ndarray | None:
        """What the microphones add of themselves where talkers have that level, `[M, n]`."""

    def about(self) -> dict[str, Any]:
        """Where it was, as plain data."""


class Open:
    """One microphone without a room; by chance a random tail behind every talker, whose first part is wanted."""

    reference = 0

    def __init__(self, config: AugmentConfig, sample_rate: int, rng: np.random.Generator) -> None:
        self.sample_rate, self.rng, self.rt60_s = sample_rate, rng, None
        if rng.random() < config.reverb:
            self.rt60_s, self.direct_db = rng.uniform(*config.reverb_rt60_s), rng.uniform(*config.reverb_direct_db)

    def talkers(self, dry: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.rt60_s is None:
            return dry[:, None], dry
        heard = [reverberated(talker, self.rng, self.rt60_s, self.direct_db, self.sample_rate) for talker in dry]
        return np.stack([whole for whole, _ in heard])[:, None], np.stack([early for _, early in heard])

    def noise(self, noises: list[np.ndarray]) -> np.ndarray:
        return sum(noises[1:], noises[0])[None]

    def own_noise(self, level: float, shape: tuple[int, ...]) -> None:
        return None

    def about(self) -> dict[str, Any]:
        return {} if self.rt60_s is None else {"rt60_s": self.rt60_s}


class InRoom:
    """An array in a random one of the stored rooms, talkers and noises at different positions."""

    def __init__(
        self, rooms: Rooms, config: SpatialConfig, talkers: int, reference: int, rng: np.random.Generator
    ) -> None:
        self.array, self.sample_rate, self.config = rooms.array, rooms.sample_rate, config
        self.reference, self.rng = reference, rng
        self.seating = seat(rooms, talkers, config.min_angle_deg, rng)
        self.around = rng.random() < config.diffuse or not self.seating.free

    def talkers(self, dry: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return talkers_heard(dry, self.seating, self.reference, self.config, self.sample_rate)

    def noise(self, noises: list[np.ndarray]) -> np.ndarray:
        if self.around:
            return noise_around(noises, self.array, self.sample_rate)
        return noises_heard(noises, self.seating)

    def own_noise(self, level: float, shape: tuple[int, ...]) -> np.ndarray:
        gain = level * 10 ** (self.rng.uniform(*self.config.sensor_noise_db) / 20)
        return np.float32(gain) * self.rng.standard_normal(shape, dtype=np.float32)

    def about(self) -> dict[str, Any]:
        return {**self.seating.about(), "noise_from": "around" if self.around else "positions"}
