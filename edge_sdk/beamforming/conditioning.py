"""What keeps filters finite: loading of covariances, and a rule for what was never heard."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_sdk.beamforming.signals import Complex, Real

LOADING = 1e-5  # of the mean power of the microphones, added to each: sensor noise 50 dB below what they hear
FLOOR = 1e-20  # power that counts as silence: a full-scale signal squared, 200 dB down, far below 24-bit converters


def power(covariance: Real | Complex) -> Real:
    """Mean power of the microphones, `[..., M, M]` to `[...]`."""
    trace: Real = np.einsum("...mm->...", covariance).real
    trace /= covariance.shape[-1]
    return trace


def loaded(covariance: Complex, loading: float = LOADING) -> Complex:
    """The covariance with some white noise, `[..., M, M]`: it can be inverted then, in silence too."""
    added = loading * power(covariance) + FLOOR
    result: Complex = covariance.copy()
    np.einsum("...mm->...m", result)[...] += added[..., np.newaxis]
    return result


def solved(covariance: Complex, right: Complex, loading: float = LOADING) -> Complex:
    """The inverse of the loaded covariance, times the columns of another matrix, `[..., M, K]`."""
    found: Complex = np.linalg.solve(loaded(covariance, loading), right).astype(np.complex128, copy=False)
    return found


def hermitian_product(a: Complex, b: Complex) -> Complex:
    """`a^H b` of vectors on the last axis, `[..., M]` to `[...]`."""
    product: Complex = np.einsum("...m,...m->...", a.conj(), b)
    return product


def if_heard(weights: Complex, covariance: Complex) -> Complex:
    """The weights, and none where a talker was never heard: what passes nobody need not pass noise."""
    return np.where(power(covariance)[..., np.newaxis] > FLOOR, weights, 0)


def only_heard(covariance: Complex, heard: NDArray[np.bool_]) -> Complex:
    """The covariance without the microphones that are not heard: their rows and columns are zero. Loading makes them
    equations of their own, and filters leave them out."""
    return covariance * (heard[:, np.newaxis] & heard)
