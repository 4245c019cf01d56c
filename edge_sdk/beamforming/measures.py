"""What the textbook asks of a spatial filter: where it listens, and what it does to noise."""

from __future__ import annotations

import numpy as np

from edge_sdk.beamforming.conditioning import FLOOR, hermitian_product
from edge_sdk.beamforming.signals import Complex, Real


def beam_pattern_db(weights: Complex, steering: Complex) -> Real:
    """Gain towards directions, `[D, F]`, of weights `[F, M]` for steering vectors `[D, F, M]`."""
    return decibels(np.abs(hermitian_product(weights, steering)) ** 2)


def white_noise_gain_db(weights: Complex, steering: Complex) -> Real:
    """Gain in signal-to-noise ratio where the noise of every microphone is its own, `[...]`; 10 log10 M at most."""
    return decibels(ratio(weights, steering, hermitian_product(weights, weights).real))


def directivity_index_db(weights: Complex, steering: Complex, coherence: Real) -> Real:
    """Gain in signal-to-noise ratio where noise comes from everywhere alike, with coherence `[..., M, M]`; `[...]`."""
    return decibels(ratio(weights, steering, hermitian_product(weights, through(coherence, weights)).real))


def through(matrix: Real | Complex, vectors: Complex) -> Complex:
    product: Complex = np.einsum("...mn,...n->...m", matrix, vectors)
    return product


def ratio(weights: Complex, steering: Complex, noise: Real) -> Real:
    speech: Real = np.abs(hermitian_product(weights, steering)) ** 2
    return speech / np.maximum(noise, FLOOR)


def decibels(power: Real) -> Real:
    level: Real = 10 * np.log10(np.maximum(power, FLOOR))
    return level
