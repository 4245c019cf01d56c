"""Arrays as they leave the factory and as they age: microphones that differ, fail, are swapped or out of step.

Faults befall what was captured, after the sound field. Targets are what the channel of the reference microphone
carries: they have its gain, and where it is swapped with another microphone they are those of the other, which is heard
there now. The reference is never dead, and its clock is the one that counts: a device whose reference fails must name
another, no network can. Clipping spares the targets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy import fft
from scipy.ndimage import map_coordinates

from models.data.augment import clipped

GUARD = 64  # samples of silence between the end of a signal and its beginning, where delays reach round
KNOT_S = 0.25  # between two points of a clock's wander


@dataclass(frozen=True)
class FaultConfig:
    """Chances of each fault in a mixture, off by default, and how bad it is at most."""

    gain: float = 0.0  # every microphone has a gain of its own
    gain_db: float = 3.0  # up and down
    timing: float = 0.0  # every microphone but the reference has a delay of its own, the same at all frequencies
    timing_samples: float = 0.5  # early and late
    dead: float = 0.0  # a microphone gives silence
    swapped: float = 0.0  # two microphones are on each other's channels
    clipped: float = 0.0  # a microphone clips
    clipped_db: tuple[float, float] = (-12.0, -1.0)  # where, against its own peak
    clock: float = 0.0  # one microphone, or all but the reference, are on a board with a clock of its own
    clock_ppm: float = 50.0  # it is faster or slower
    clock_jitter_samples: float = 0.0  # it wanders besides

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name in ("gain", "timing", "dead", "swapped", "clipped", "clock") and not 0 <= value <= 1:
                raise ValueError(f"faults.{f.name} = {value}: expected a chance, 0 to 1")
        limits = {"gain_db": 40.0, "timing_samples": GUARD / 4, "clock_ppm": 2000.0, "clock_jitter_samples": GUARD / 4}
        for name, limit in limits.items():
            if not 0 <= getattr(self, name) <= limit:
                raise ValueError(f"faults.{name} = {getattr(self, name)}: expected 0 to {limit:g}")
        if not -math.inf < self.clipped_db[0] <= self.clipped_db[1] <= 0:
            raise ValueError(
                f"faults.clipped_db = {list(self.clipped_db)}: expected two numbers up to 0, the lower first"
            )


@dataclass(frozen=True)
class Faults:
    """What is wrong with an array in one mixture.

    order: which microphone is on each channel. The rest is by channel: gains, delays in samples (the reference's is
    none), the number of the dead one, the one that clips and where in dB below its peak, those with another clock, how
    many ppm slower that is, and its wander in samples, a point every quarter of a second.
    """

    order: tuple[int, ...]
    gains_db: tuple[float, ...] = ()
    delays: tuple[float, ...] = ()
    dead: int | None = None
    clipped: tuple[int, float] | None = None
    apart: tuple[int, ...] = ()
    ppm: float = 0.0
    wander: tuple[float, ...] = (0.0, 0.0)

    @property
    def any(self) -> bool:
        return bool(self.about())

    def about(self) -> dict[str, Any]:
        """Those that there are, as plain data."""
        swapped = [m for m, own in enumerate(self.order) if m != own]
        found: dict[str, Any] = {}
        if swapped:
            found["swapped"] = swapped
        if self.gains_db:
            found["gains_db"] = [round(g, 3) for g in self.gains_db]
        if self.delays:
            found["delays_samples"] = [round(d, 4) for d in self.delays]
        if self.dead is not None:
            found["dead"] = self.dead
        if self.clipped:
            found["clipped"] = {"mic": self.clipped[0], "below_peak_db": round(self.clipped[1], 2)}
        if self.apart:
            found["clock"] = {"mics": list(self.apart), "ppm": round(self.ppm, 2)}
        return found


def draw_faults(
    config: FaultConfig, mics: int, reference: int, samples: int, rate: int, rng: np.random.Generator
) -> Faults:
    """The faults of one mixture. Those that need a second microphone do not befall a single one."""
    others = [m for m in range(mics) if m != reference]
    happens = dict(zip(("gain", "timing", "dead", "swapped", "clipped", "clock"), rng.random(6), strict=True))
    happens = {name: drawn < getattr(config, name) for name, drawn in happens.items()}
    order = list(range(mics))
    if happens["swapped"] and others:
        a, b = rng.choice(mics, 2, replace=False)
        order[a], order[b] = order[b], order[a]
    gains = rng.uniform(-config.gain_db, config.gain_db, mics) if happens["gain"] else ()
    delays = np.zeros(mics) if happens["timing"] and others else ()
    if len(delays):
        delays[others] = rng.uniform(-config.timing_samples, config.timing_samples, len(others))
    dead = int(rng.choice(others)) if happens["dead"] and others else None
    clips = (int(rng.integers(mics)), float(rng.uniform(*config.clipped_db))) if happens["clipped"] else None
    if not (happens["clock"] and others):
        return Faults(tuple(order), plain(gains), plain(delays), dead, clips)
    board = others if rng.random() < 0.5 else [int(rng.choice(others))]
    knots = max(2, math.ceil(samples / rate / KNOT_S) + 1)
    wander = config.clock_jitter_samples * rng.uniform(-1, 1, knots)
    ppm = float(rng.uniform(-config.clock_ppm, config.clock_ppm))
    return Faults(tuple(order), plain(gains), plain(delays), dead, clips, tuple(board), ppm, plain(wander))


def plain(values: Any) -> tuple[float, ...]:
    return tuple(float(v) for v in values)


def captured(signals: np.ndarray, faults: Faults) -> np.ndarray:
    """What an array with these faults captures of a sound field `[..., M, n]`; clipping, not linear, comes later."""
    out = signals[..., list(faults.order), :]
    if faults.gains_db:
        out = out * (10 ** (np.array(faults.gains_db) / 20)).astype(np.float32)[:, None]
    if faults.delays:
        out = delayed(out, np.array(faults.delays))
    if faults.apart:
        board = list(faults.apart)
        out[..., board, :] = out_of_step(out[..., board, :], faults.ppm, np.array(faults.wander))
    if faults.dead is not None:
        out[..., faults.dead, :] = 0
    return out


def target_gain(faults: Faults, reference: int) -> np.float32:
    """The gain of the reference's channel, which targets have too."""
    return np.float32(10 ** (faults.gains_db[reference] / 20)) if faults.gains_db else np.float32(1)


def with_clipping(mixture: np.ndarray, faults: Faults) -> np.ndarray:
    """The mixture `[M, n]` as the microphone that clips lets it through."""
    if faults.clipped is None:
        return mixture
    mic, below_peak_db = faults.clipped
    out = mixture.copy()
    out[mic] = clipped(out[mic], below_peak_db)
    return out


def delayed(signals: np.ndarray, delays: np.ndarray) -> np.ndarray:
    """Signals `[..., M, n]`, each so many samples later, fractions too: an all-pass, exact for band-limited signals."""
    samples = signals.shape[-1]
    size = fft.next_fast_len(samples + GUARD, real=True)
    turns = np.exp(-2j * np.pi * delays[:, None] * fft.rfftfreq(size)).astype(np.complex64)
    return fft.irfft(fft.rfft(signals, size) * turns, size)[..., :samples]


def out_of_step(signals: np.ndarray, ppm: float, wander: np.ndarray) -> np.ndarray:
    """Signals `[..., n]` as a clock takes them that is `ppm` slow and wanders by so many samples, evenly spaced points.

    Between samples runs a spline of order five over twice as many: the error of a tone is below -95 dB up to half the
    Nyquist frequency and -58 dB shortly before it.
    """
    samples = signals.shape[-1]
    off = np.interp(np.linspace(0, 1, samples), np.linspace(0, 1, len(wander)), wander)
    times = np.arange(samples) * (1 + ppm * 1e-6) + off
    size = fft.next_fast_len(samples + GUARD, real=True)
    rows = signals.reshape(-1, samples)
    twice = 2 * fft.irfft(fft.rfft(rows, size), 2 * size)
    taken = [map_coordinates(row, [2 * times], order=5, mode="grid-wrap", output=np.float32) for row in twice]
    return np.stack(taken).reshape(signals.shape)
