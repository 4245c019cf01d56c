"""Noise that arrives from everywhere at once, as the microphones of an array hear it."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy import fft

from edge_sdk.audio.arrays import SPEED_OF_SOUND

Positions = tuple[tuple[float, float, float], ...]  # of microphones, metres


def coherence(positions_m: Positions, frequencies_hz: np.ndarray) -> np.ndarray:
    """Coherence between microphones in a spherically isotropic field, `[F, M, M]`: sinc(2 f d / c) at distance d."""
    places = np.array(positions_m)
    distances = np.linalg.norm(places[:, None] - places, axis=-1)
    return np.sinc(2 * frequencies_hz[:, None, None] * distances / SPEED_OF_SOUND)


@lru_cache(maxsize=4)
def mixing_matrices(positions_m: Positions, samples: int, sample_rate: int) -> np.ndarray:
    """What makes isotropic noise of independent noises, `[M, M, F]`: the square roots of the coherence matrices.

    The symmetric root, unlike that of Cholesky, changes slowly with frequency and lets every microphone keep as much of
    its own noise as coherence allows (Mirabilii, Schlecht & Habets, 2021: balance and smoothness).
    """
    values, vectors = np.linalg.eigh(coherence(positions_m, fft.rfftfreq(samples, 1 / sample_rate)))
    roots = (vectors * np.sqrt(np.maximum(values, 0))[:, None]) @ vectors.transpose(0, 2, 1)
    return np.ascontiguousarray(roots.transpose(1, 2, 0), dtype=np.float32)


def diffuse(noises: np.ndarray, positions_m: Positions, sample_rate: int) -> np.ndarray:
    """Independent noises, one per microphone, mixed to an isotropic field, `[M, n]` to `[M, n]` (Habets et al., 2008).

    Spectra of the whole signal are mixed, so the field is exact at every frequency; it runs round, its end fits its
    beginning. Each noise should be of one power and spectrum, or the field has the mean of them.
    """
    samples = noises.shape[-1]
    spectra = fft.rfft(noises)
    matrices = mixing_matrices(positions_m, samples, sample_rate)
    return fft.irfft((matrices * spectra).sum(axis=1), samples)


def around(noise: np.ndarray, mics: int) -> np.ndarray:
    """As many noises as there are microphones from a single one, `[mics, n]`: turned round by parts of its length.

    Parts of a recording that lie so far apart are as good as independent, hum and other lasting tones aside.
    """
    (samples,) = noise.shape
    return np.stack([np.roll(noise, math.floor(m * samples / mics)) for m in range(mics)])
