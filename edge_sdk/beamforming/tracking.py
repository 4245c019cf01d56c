"""Talkers over time: directions of each moment become tracks, and a track keeps its output slot.

A Kalman filter of constant angular speed per talker, on the circle; directions go to the nearest track, nearest pairs
first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edge_sdk.beamforming.grid import Direction, wrapped
from edge_sdk.beamforming.signals import Real


@dataclass(frozen=True)
class TrackerConfig:
    """How talkers move and how well they are seen.

    step_s: time between updates. seen_rad: standard deviation of a direction; moving_rad: how far a talker's speed
    changes its direction within a second, beyond what was foreseen. gate_rad: further than this a direction is another
    talker's. confirm: updates in which a new talker must be seen before it takes a slot. forget_s: silence after which
    a slot is free again. least: strength below which a direction is passed over.
    """

    slots: int = 2
    step_s: float = 0.032
    seen_rad: float = float(np.deg2rad(5))
    moving_rad: float = float(np.deg2rad(20))
    gate_rad: float = float(np.deg2rad(25))
    confirm: int = 5
    forget_s: float = 5.0
    least: float = 0.0

    def __post_init__(self) -> None:
        lengths = (self.step_s, self.seen_rad, self.moving_rad, self.gate_rad, self.forget_s)
        if not all(np.isfinite(length) and length > 0 for length in lengths):
            raise ValueError("step_s, seen_rad, moving_rad, gate_rad, forget_s: expected positive numbers")
        if self.slots < 1 or self.confirm < 1:
            raise ValueError(f"slots {self.slots}, confirm {self.confirm}: expected at least 1 of each")


class Track:
    """One talker: `azimuth_rad`, `speed_rad_s`, and the standard deviation of the azimuth, `unsure_rad`."""

    def __init__(self, config: TrackerConfig, azimuth_rad: float) -> None:
        self._config = config
        self._state: Real = np.array([azimuth_rad, 0.0])
        self._covariance: Real = np.diag([config.seen_rad**2, config.moving_rad**2])
        self.seen, self.unseen_s = 1, 0.0  # updates with a direction, time since the last of them

    @property
    def azimuth_rad(self) -> float:
        return wrapped(float(self._state[0]))

    @property
    def speed_rad_s(self) -> float:
        return float(self._state[1])

    @property
    def unsure_rad(self) -> float:
        return float(np.sqrt(self._covariance[0, 0]))

    def predict(self) -> None:
        """Move on by a step. A talker who is not seen comes to rest: a wrong guess of speed must not carry it away."""
        dt = self._config.step_s
        if self.unseen_s > 0:
            self._state[1] *= np.exp(-dt / 0.5)
        self.unseen_s += dt
        move = np.array([[1.0, dt], [0.0, 1.0]])
        jolt = np.array([0.5 * dt * dt, dt])
        self._state = move @ self._state
        self._covariance = move @ self._covariance @ move.T
        self._covariance += self._config.moving_rad**2 / dt * np.outer(jolt, jolt)
        # After long silence it may be anywhere; larger numbers would only lose digits.
        self._covariance *= min(1.0, np.pi**2 / float(self._covariance[0, 0]))

    def correct(self, azimuth_rad: float) -> None:
        """Take a direction that belongs to this talker."""
        surprise = wrapped(azimuth_rad - float(self._state[0]))
        gain = self._covariance[:, 0] / (self._covariance[0, 0] + self._config.seen_rad**2)
        self._state = self._state + gain * surprise
        self._state[0] = wrapped(float(self._state[0]))
        self._covariance = self._covariance - np.outer(gain, self._covariance[0])
        self.seen, self.unseen_s = self.seen + 1, 0.0


class Tracker:
    """Which talker is in which output slot: `slots`, a track or None for each."""

    def __init__(self, config: TrackerConfig) -> None:
        self.config = config
        self.slots: list[Track | None] = [None] * config.slots
        self._candidates: list[Track] = []

    def update(self, directions: Iterable[Direction]) -> list[Track | None]:
        """Take the directions of this moment, none in silence, and give the slots."""
        c = self.config
        azimuths = [d.azimuth_rad for d in directions if d.strength >= c.least]
        tracks = [track for track in self.slots if track is not None]
        for track in tracks + self._candidates:
            track.predict()
        left = self._assign(tracks, azimuths)  # talkers in slots choose first
        left = self._assign(self._candidates, left)
        self.slots = [None if t is None or t.unseen_s > c.forget_s else t for t in self.slots]
        # A candidate is dropped where it was missed about as often as seen: reflections come and go.
        self._candidates = [t for t in self._candidates if t.unseen_s < c.confirm * c.step_s]
        self._candidates += [Track(c, azimuth) for azimuth in left]
        for track in sorted(self._candidates, key=lambda t: -t.seen):
            if track.seen >= c.confirm and None in self.slots:
                self.slots[self.slots.index(None)] = track
                self._candidates.remove(track)
        return list(self.slots)

    def _assign(self, tracks: list[Track], azimuths: list[float]) -> list[float]:
        """Give each track the direction nearest to it, nearest pairs first; the directions that nobody took."""
        pairs = [
            (abs(wrapped(azimuth - track.azimuth_rad)), t, a)
            for t, track in enumerate(tracks)
            for a, azimuth in enumerate(azimuths)
        ]
        served: set[int] = set()
        taken: set[int] = set()
        for apart, t, a in sorted(pairs):
            if apart <= self.config.gate_rad and t not in served and a not in taken:
                tracks[t].correct(azimuths[a])
                served.add(t)
                taken.add(a)
        return [azimuth for a, azimuth in enumerate(azimuths) if a not in taken]

    def reset(self) -> None:
        """Free all slots."""
        self.slots = [None] * self.config.slots
        self._candidates = []
