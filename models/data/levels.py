"""How loud signals are while they sound, and gains between them."""

from __future__ import annotations

import numpy as np

QUIET_DB = -40.0  # frames this far below the loudest do not count as activity
FRAME = 512


def activity(signal: np.ndarray, frame: int = FRAME) -> np.ndarray:
    """Which frames sound: those less than 40 dB below the loudest, `[n // frame]`; none in silence."""
    power = np.mean(signal[: len(signal) // frame * frame].reshape(-1, frame) ** 2, axis=1)
    return (power > 0) & (power >= power.max(initial=0.0) * 10 ** (QUIET_DB / 10))


def activity_level(signal: np.ndarray, frame: int = FRAME) -> float:
    """Root mean square over the frames in which there is sound."""
    if len(signal) < frame:
        return float(np.sqrt(np.mean(signal**2)))
    power = np.mean(signal[: len(signal) // frame * frame].reshape(-1, frame) ** 2, axis=1)
    return float(np.sqrt(power[power >= power.max() * 10 ** (QUIET_DB / 10)].mean()))


def normalized(signal: np.ndarray) -> np.ndarray:
    """The signal at an active level of one."""
    return signal / (activity_level(signal) + 1e-9)


def ratio(signal: np.ndarray, other: np.ndarray, decibels: float) -> float:
    """The gain that puts `other` so many decibels below `signal`, by their active levels."""
    return activity_level(signal) / (activity_level(other) + 1e-9) * 10 ** (-decibels / 20)


def decibels(gain: float) -> float:
    """A gain in dB, -200 at the least."""
    return float(20 * np.log10(max(gain, 1e-10)))
