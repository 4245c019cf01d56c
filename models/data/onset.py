"""When the direct path arrives in a measured impulse response, and responses cut to begin just before it."""

from __future__ import annotations

import numpy as np

THRESHOLD = 0.1  # of the loudest sample: the onset lies where a response first passes -20 dB (ISO 3382)
REACH, FINE = 16, 64  # samples on either side that interpolation looks at, and steps from one to the next
PEAK_S = 1e-3  # within which the direct path peaks after its onset: a head's shadow smears it as long as that


def arrivals(rirs: np.ndarray, sample_rate: int) -> np.ndarray:
    """Sample, between two as a rule, of the direct path's peak in each response `[..., taps]`."""
    flat = rirs.reshape(-1, rirs.shape[-1])
    return np.array([arrival(response, sample_rate) for response in flat]).reshape(rirs.shape[:-1])


def arrival(response: np.ndarray, sample_rate: int) -> float:
    """The first peak, of either sign, above the threshold, of the band-limited signal between the samples."""
    level = np.abs(response)
    onset = int(np.argmax(level >= THRESHOLD * level.max()))
    peak = onset + int(np.argmax(level[onset : onset + max(2, round(PEAK_S * sample_rate))]))
    near = np.arange(max(0, peak - REACH), min(len(response), peak + REACH + 1))
    between = peak + np.linspace(-1, 1, 2 * FINE + 1)
    return float(between[np.argmax(np.abs(np.sinc(between[:, None] - near) @ response[near]))])


def cut_lead(rirs: np.ndarray, direct: np.ndarray, lead: int) -> tuple[np.ndarray, np.ndarray]:
    """Responses that begin at most `lead` samples before the first arrival, and where the arrivals are then.

    Shapes `[positions, mics, taps]` and `[positions, mics]`. Each position is shifted as a whole, so time differences
    between microphones stay; the end is filled with zeros.
    """
    out, moved = np.zeros_like(rirs), direct.copy()
    for position, first in enumerate(direct.min(axis=1)):
        skipped = max(0, int(first) - lead)
        out[position, :, : rirs.shape[-1] - skipped] = rirs[position, :, skipped:]
        moved[position] -= skipped
    return out, moved
