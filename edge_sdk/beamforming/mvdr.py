"""Minimum variance, distortionless response: the least noise that leaves the talker as a microphone hears it."""

from __future__ import annotations

import numpy as np

from edge_sdk.beamforming.conditioning import FLOOR, LOADING, hermitian_product, solved
from edge_sdk.beamforming.signals import Complex
from edge_sdk.beamforming.wiener import rank_one_mwf


def souden_mvdr(speech: Complex, noise: Complex, reference: int = 0, loading: float = LOADING) -> Complex:
    """Weights `[..., M]` from the covariances of talker and noise, `[..., M, M]`, without a steering vector (Souden,
    Benesty & Affes, "On optimal frequency-domain multichannel linear filtering for noise reduction", 2010). Zero for a
    talker who was never heard."""
    return rank_one_mwf(speech, noise, 0.0, reference, loading)


def steered_mvdr(noise: Complex, steering: Complex, loading: float = LOADING) -> Complex:
    """Weights `[..., M]` from the covariance of the noise, `[..., M, M]`, for steering vectors `[..., M]`, which they
    let through with a gain of exactly one (Capon, 1969)."""
    return distortionless(solved(noise, steering[..., np.newaxis], loading)[..., 0], steering)


def inverse_mvdr(inverse: Complex, steering: Complex) -> Complex:
    """The same from the inverse of the noise's covariance."""
    return distortionless((inverse @ steering[..., np.newaxis])[..., 0], steering)


def distortionless(weights: Complex, steering: Complex) -> Complex:
    """The weights with a gain of one for a steering vector; zero for one that is zero."""
    gain = hermitian_product(steering, weights).real  # real and positive: the noise's inverse is Hermitian
    return weights / np.maximum(gain, FLOOR)[..., np.newaxis]
