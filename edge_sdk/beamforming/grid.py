"""Directions that an array can tell apart, and the peaks of a power over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_sdk.audio.arrays import MicArray
from edge_sdk.beamforming.signals import Real

THIN = 0.01  # of the largest extent: what is thinner than this tells nothing across


@dataclass(frozen=True)
class Direction:
    """Where sound comes from, in radians, and how clearly: the power there, relative to the largest that can be."""

    azimuth_rad: float
    elevation_rad: float
    strength: float


@dataclass(frozen=True)
class Grid:
    """Equally spaced azimuths `[A]`, all the way round if `circular`, by equally spaced elevations `[E]`."""

    azimuths_rad: Real
    elevations_rad: Real
    circular: bool

    @property
    def size(self) -> int:
        return len(self.azimuths_rad) * len(self.elevations_rad)

    def directions(self) -> tuple[Real, Real]:
        """Azimuth and elevation of every point, `[D]` each; elevations of one azimuth follow one another."""
        azimuths, elevations = np.meshgrid(self.azimuths_rad, self.elevations_rad, indexing="ij")
        return azimuths.ravel(), elevations.ravel()

    def peaks(self, power: Real, number: int, apart_rad: float) -> list[Direction]:
        """The highest points of a power `[D]` that are no nearer than that to a higher one and higher than their
        neighbours, refined by parabolas; fewer than `number` where there are no more."""
        map_ = power.reshape(len(self.azimuths_rad), len(self.elevations_rad))
        around = np.stack([self.shifted(map_, a, e) for a in (-1, 0, 1) for e in (-1, 0, 1) if a or e])
        lowest = np.where(np.isfinite(around), around, np.inf).min(axis=0)
        highest = (map_ >= around.max(axis=0)) & (map_ > lowest)  # a plain has no peak
        found: list[Direction] = []
        vectors: list[Real] = []
        for place in sorted(zip(*np.nonzero(highest), strict=True), key=lambda place: -map_[place]):
            direction = self.refined(map_, *(int(i) for i in place))
            vector = self.vector(direction)
            if all(float(vector @ other) < np.cos(apart_rad) for other in vectors):
                found.append(direction)
                vectors.append(vector)
            if len(found) == number:
                break
        return found

    def shifted(self, map_: Real, azimuth: int, elevation: int) -> Real:
        """The map so many steps further; beyond an edge is nothing."""
        moved = np.roll(map_, (-azimuth, -elevation), axis=(0, 1))
        if azimuth and not self.circular:
            moved[-1 if azimuth > 0 else 0] = -np.inf
        if elevation:
            moved[:, -1 if elevation > 0 else 0] = -np.inf
        return moved

    def refined(self, map_: Real, a: int, e: int) -> Direction:
        """The top of a parabola through a point and its neighbours along either axis."""
        across = [float(self.shifted(map_, step, 0)[a, e]) for step in (-1, 0, 1)]
        upwards = [float(self.shifted(map_, 0, step)[a, e]) for step in (-1, 0, 1)]
        azimuth = self.azimuths_rad[a] + vertex(*across) * spacing(self.azimuths_rad)
        elevation = self.elevations_rad[e] + vertex(*upwards) * spacing(self.elevations_rad)
        return Direction(wrapped(float(azimuth)), float(np.clip(elevation, -np.pi / 2, np.pi / 2)), float(map_[a, e]))

    @staticmethod
    def vector(direction: Direction) -> Real:
        across = np.cos(direction.elevation_rad)
        azimuth = direction.azimuth_rad
        return np.array([across * np.cos(azimuth), across * np.sin(azimuth), np.sin(direction.elevation_rad)])


def azimuth_grid(array: MicArray, step_rad: float = np.deg2rad(5.0)) -> Grid:
    """Azimuths in the plane of x and y, and elevation zero.

    Microphones on a line cannot tell its two sides apart: azimuths are given for the side to its left, seen from its
    first microphone towards its last. Refused for an array that has no extent in this plane.
    """
    check_step(step_rad)
    flat = np.asarray(array.positions_m)[:, :2]
    _, spreads, axes = np.linalg.svd(flat - flat.mean(axis=0))
    if len(flat) < 2 or spreads[0] < 1e-4:
        raise ValueError(f"array {array.name}: microphones in one place of the plane of x and y tell no azimuth")
    if len(flat) > 2 and spreads[1] > THIN * spreads[0]:
        count = round(2 * np.pi / step_rad)
        return Grid(around(count), np.zeros(1), circular=True)
    along = axes[0] * np.sign(axes[0] @ (flat[-1] - flat[0]))
    start, count = np.arctan2(along[1], along[0]), max(2, round(np.pi / step_rad) + 1)
    half: Real = start + np.pi * np.linspace(0, 1, count)
    return Grid(half, np.zeros(1), circular=False)


def sphere_grid(array: MicArray, step_rad: float = np.deg2rad(5.0)) -> Grid:
    """All azimuths and elevations, for an array that tells above from below; refused for a flat one."""
    check_step(step_rad)
    positions = np.asarray(array.positions_m)
    spreads = np.linalg.svd(positions - positions.mean(axis=0), compute_uv=False)
    if len(positions) < 4 or spreads[2] < THIN * spreads[0]:
        raise ValueError(
            f"array {array.name} is flat and cannot tell above from below: ask for azimuths, or take an array whose "
            "microphones do not lie in one plane"
        )
    upwards: Real = np.pi * np.linspace(-0.5, 0.5, max(3, round(np.pi / step_rad) + 1))
    return Grid(around(round(2 * np.pi / step_rad)), upwards, circular=True)


def around(count: int) -> Real:
    azimuths: Real = np.pi * np.linspace(-1, 1, count, endpoint=False)
    return azimuths


def check_step(step_rad: float) -> None:
    if not 0 < step_rad <= np.pi / 4:
        raise ValueError(f"step = {step_rad} rad: expected a positive one up to pi / 4")


def spacing(values: Real) -> float:
    return float(values[1] - values[0]) if len(values) > 1 else 0.0


def vertex(before: float, top: float, after: float) -> float:
    """Where a parabola through three neighbours has its top, from -0.5 to 0.5 of a step; 0 beside an edge."""
    curve = before - 2 * top + after
    if not np.isfinite(curve) or curve >= 0:
        return 0.0
    return float(np.clip(0.5 * (before - after) / curve, -0.5, 0.5))


def wrapped(angle_rad: float) -> float:
    """The same angle from -pi to below pi."""
    return float((angle_rad + np.pi) % (2 * np.pi) - np.pi)
