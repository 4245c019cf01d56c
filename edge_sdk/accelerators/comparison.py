"""What a trial of an accelerator gives to a model, and how alike two outputs are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_sdk.accelerators.verdict import BEST_DB

SEED = 7


def speech_like(mics: int, samples: int, sample_rate: int) -> NDArray[np.float32]:
    """Syllables of a gliding voice in noise, `[mics, samples]`, each microphone a sample after the one before;
    always the same.

    A denoiser lets the voice pass and holds the noise back, so that its output is neither silence nor its input.
    """
    t = np.arange(samples + mics) / sample_rate
    pitch_hz = 120 + 40 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / sample_rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 1 + int(min(3400, sample_rate / 2) // 160)))
    syllables = np.maximum(0, np.sin(2 * np.pi * 4 * t)) ** 2
    one = 0.1 * syllables * voice
    rng = np.random.default_rng(SEED)
    rows = np.stack([one[mics - mic : mics - mic + samples] for mic in range(mics)])
    return (rows + 0.003 * rng.standard_normal((mics, samples))).astype(np.float32)


def agreement_db(expected: NDArray[np.float32], given: NDArray[np.float32]) -> float | None:
    """Energy of what was expected over that of the difference; none where what was given is not finite."""
    if not np.isfinite(given).all():
        return None
    exact = expected.astype(np.float64)
    energy, difference = np.sum(exact**2), np.sum((exact - given) ** 2)
    if not difference:
        return BEST_DB
    return min(BEST_DB, 10 * float(np.log10(energy / difference))) if energy else -BEST_DB
