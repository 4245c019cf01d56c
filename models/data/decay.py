"""How long a room rings: reverberation times of impulse responses."""

from __future__ import annotations

import numpy as np

SHORTEST_S = 0.05  # of a response: the ring of a loudspeaker or a head in free field is no room's


def reverberation_time(rirs: np.ndarray, sample_rate: int, lowest_db: float = -35.0) -> float:
    """Seconds for 60 dB, the mean over the responses `[..., taps]`; NaN where none decays far enough.

    Energy is summed from the end (Schroeder, 1965) and a line fitted from -5 dB to `lowest_db` (ISO 3382: T30 by
    default, T20 with -25).
    """
    taps = rirs.shape[-1]
    times = [fitted_time(rir, sample_rate, lowest_db) for rir in rirs.reshape(-1, taps)]
    known = [time for time in times if np.isfinite(time)]
    return float(np.mean(known)) if known and taps >= SHORTEST_S * sample_rate else float("nan")


def decay_db(rir: np.ndarray) -> np.ndarray:
    """Energy that is still to come, in dB of the whole, `[taps]`."""
    left = np.cumsum(np.square(rir[::-1], dtype=np.float64))[::-1]
    return 10 * np.log10(np.maximum(left / max(left[0], 1e-300), 1e-30))


def fitted_time(rir: np.ndarray, sample_rate: int, lowest_db: float) -> float:
    level = decay_db(rir)
    fitted = np.flatnonzero((level <= -5) & (level >= lowest_db))
    noise = level[int(0.9 * len(level))]  # a response that ends in noise falls to it and stays there
    if len(fitted) < 8 or noise > lowest_db - 5:
        return float("nan")
    return float(-60 / np.polyfit(fitted / sample_rate, level[fitted], 1)[0])
