"""Generalized eigenvectors of talker and noise: the filter of most signal-to-noise ratio, and how a talker reaches the
microphones."""

from __future__ import annotations

import numpy as np

from edge_sdk.beamforming.conditioning import FLOOR, LOADING, hermitian_product, if_heard, loaded
from edge_sdk.beamforming.signals import Complex


def most_snr(speech: Complex, noise: Complex, loading: float = LOADING) -> tuple[Complex, Complex]:
    """Weights `w`, `[..., M]`, that maximize `w^H S w / w^H N w`, and `N w`, which is how the talker reaches the
    microphones; both of any scale and phase."""
    noisy = loaded(noise, loading)
    scale = np.einsum("...mm->...", noisy).real[..., np.newaxis, np.newaxis] / noise.shape[-1]
    factor = np.linalg.cholesky(noisy / scale)  # of unit power, so that eigenvalues are what rounding is measured by
    inverse = np.linalg.inv(factor)
    adjoint = inverse.conj().swapaxes(-1, -2)
    _, vectors = np.linalg.eigh(inverse @ speech @ adjoint)
    whitened = vectors[..., -1:]
    return (adjoint @ whitened)[..., 0], (factor @ whitened)[..., 0]


def gev(speech: Complex, noise: Complex, reference: int = 0, loading: float = LOADING) -> Complex:
    """Weights `[..., M]` of most signal-to-noise ratio, with blind analytic normalization (Warsitz & Haeb-Umbach,
    "Blind acoustic beamforming based on generalized eigenvalue decomposition", 2007), and in phase with the talker at
    the reference microphone. Zero for a talker who was never heard."""
    weights, transfer = most_snr(speech, noise, loading)
    noisy = loaded(noise, loading)
    weighted = (noisy @ weights[..., np.newaxis])[..., 0]  # N w
    residual = np.maximum(hermitian_product(weights, weighted).real, FLOOR)  # w^H N w
    gain = np.sqrt(hermitian_product(weighted, weighted).real / noise.shape[-1]) / residual
    at_reference = transfer[..., reference]
    level = np.abs(at_reference)
    turn = np.where(level > 0, at_reference.conj() / np.maximum(level, FLOOR), 1)
    return if_heard(weights * (gain * turn)[..., np.newaxis], speech)


def relative_transfer(speech: Complex, noise: Complex, reference: int = 0, loading: float = LOADING) -> Complex:
    """How a talker reaches the microphones, relative to the reference, `[..., M]`, by covariance whitening
    (Markovich-Golan & Gannot, 2015): a steering vector that knows the room. Zero for a talker who was never heard."""
    _, transfer = most_snr(speech, noise, loading)
    at_reference = transfer[..., reference, np.newaxis]
    level = np.abs(at_reference)
    relative = transfer * at_reference.conj() / np.maximum(level**2, FLOOR)
    return if_heard(np.where(level > 1e-6 * np.abs(transfer).max(axis=-1, keepdims=True), relative, 0), speech)
