"""Filters that follow from where the microphones are and where to listen, without having heard anything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_sdk.beamforming.conditioning import FLOOR, hermitian_product
from edge_sdk.beamforming.mvdr import distortionless
from edge_sdk.beamforming.signals import Complex, Real

LEAST_LOADING, MOST_LOADING = 1e-10, 1e4  # between superdirective and, to all purposes, delay-and-sum
HALVINGS = 40  # of that range, in decades: the loading to 11 digits
LEAST_WHITE_NOISE_GAIN_DB = -10.0


def delay_and_sum(steering: Complex) -> Complex:
    """Weights that align the microphones and average them, for steering vectors `[..., M]`: the least noise where that
    of every microphone is its own."""
    return steering / np.maximum(hermitian_product(steering, steering).real, FLOOR)[..., np.newaxis]


def superdirective(
    steering: Complex,
    coherence: Real | Complex,
    least_white_noise_gain_db: float = LEAST_WHITE_NOISE_GAIN_DB,
    heard: NDArray[np.bool_] | None = None,
) -> Complex:
    """Weights `[..., F, M]` of least noise from everywhere alike, whose coherence is `[F, M, M]`, for steering vectors;
    or of least noise of another coherence.

    At low frequencies these amplify the microphones' own noise without limit, so each frequency gets just the loading
    with which the white-noise gain stays above a least one, or above that of delay-and-sum where that is lower (Cox,
    Zeskind & Owen, "Robust adaptive beamforming", 1987). Microphones that are not heard are left out.
    """
    mics = steering.shape[-1]
    alive = np.ones(mics, np.bool_) if heard is None else heard
    towards = steering * alive
    noise = np.where(alive[:, np.newaxis] & alive, coherence, np.eye(mics))
    values, vectors = np.linalg.eigh(noise)
    turned: Complex = np.einsum("fmk,...fm->...fk", vectors.conj(), towards)
    loading = least_loading(turned.real**2 + turned.imag**2, values, least_white_noise_gain_db)
    weights = np.einsum("fmk,...fk->...fm", vectors, turned / (values + loading[..., np.newaxis]))
    return distortionless(weights, towards)


def least_loading(energies: Real, values: Real, least_white_noise_gain_db: float) -> Real:
    """The least loading of noise, `[...]`, with which the filter against it keeps a white-noise gain. The noise has the
    eigenvalues `[..., M]`, and energies are those of the look direction in the basis of its eigenvectors: there loading
    is a sum, and trying many of them takes no inversion."""
    least = np.minimum(10 ** (least_white_noise_gain_db / 10), 0.999 * energies.sum(axis=-1))

    def robust(exponent: Real) -> NDArray[np.bool_]:
        shrunk = energies / (values + 10 ** exponent[..., np.newaxis])
        own_noise = (shrunk / (values + 10 ** exponent[..., np.newaxis])).sum(axis=-1)  # |w|^2, but for the gain
        enough: NDArray[np.bool_] = own_noise * least <= shrunk.sum(axis=-1) ** 2
        return enough

    low, high = np.full(least.shape, np.log10(LEAST_LOADING)), np.full(least.shape, np.log10(MOST_LOADING))
    high = np.where(robust(low), low, high)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        enough = robust(middle)
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    found: Real = 10**high
    return found
