"""The delay between two microphones by generalized cross-correlation with phase transform.

C. Knapp & G. Carter, "The generalized correlation method for estimation of time delay" (1976).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from edge_sdk.beamforming.conditioning import FLOOR
from edge_sdk.beamforming.grid import vertex
from edge_sdk.beamforming.signals import Complex, Real

FINER = 8  # points of the correlation per sample, before a parabola


def phat(spectra: Complex) -> Complex:
    """The phases of spectra as numbers of length one; 0 in silence."""
    levels = np.abs(spectra)
    phases: Complex = np.divide(spectra, levels, out=np.zeros_like(spectra), where=levels > np.sqrt(FLOOR))
    return phases


def gcc_phat(first: ArrayLike, second: ArrayLike, most: float) -> float:
    """Samples by which `second` hears later than `first`, both `[n]`, at most `most` either way; 0 in silence."""
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if x.ndim != 1 or x.shape != y.shape or not len(x):
        raise ValueError(f"signals of shape {list(x.shape)} and {list(y.shape)}: expected two of [n]")
    if not 0 < most < len(x):
        raise ValueError(f"most = {most}: expected a positive number of samples below the {len(x)} given")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("NaN or infinite samples: expected finite ones; replace them by silence")
    length = 1 << (2 * len(x) - 1).bit_length()
    return delay_of(phat(np.fft.rfft(y, length) * np.fft.rfft(x, length).conj()), most)


def delay_of(cross: Complex, most: float) -> float:
    """The delay in samples of the second microphone whose phase-transformed cross spectrum with the first, `second *
    conj(first)`, is `[F]`, at most `most` either way."""
    length = 2 * (len(cross) - 1)
    correlation: Real = np.fft.irfft(cross, FINER * length)  # zeros above: points between samples
    reach = int(np.ceil(most * FINER)) + 1
    near = np.concatenate([correlation[-reach:], correlation[: reach + 1]])  # lags -reach to reach
    if not near.any():
        return 0.0
    top = int(near[1:-1].argmax()) + 1
    lag = top - reach + vertex(float(near[top - 1]), float(near[top]), float(near[top + 1]))
    return float(np.clip(lag / FINER, -most, most))
