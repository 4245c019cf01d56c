"""Spatial filters over whole recordings: one weight per microphone and frequency.

Spectra are `[M, T, F]`, covariances `[F, M, M]`, weights `[F, M]`; an output is `w^H x`. The first microphone is the
reference: what a filter passes undistorted is the talker as that microphone hears it.
"""

from __future__ import annotations

import numpy as np

LOADING = 1e-5  # of the mean power, added to every microphone: what sensor noise does to a covariance that is singular
SPEED_OF_SOUND_M_S = 343.0


def covariance(spectra: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Sum of `m x x^H` over time, `[F, M, M]`, with weights `[T, F]`, 1 where none are given."""
    weighted = spectra if weights is None else weights * spectra
    return weighted.transpose(2, 0, 1) @ spectra.conj().transpose(2, 1, 0)


def loaded(phi: np.ndarray) -> np.ndarray:
    """The covariance with a little white noise, so that it can be inverted, silent frequencies too."""
    mics = phi.shape[-1]
    power = np.trace(phi, axis1=1, axis2=2).real / mics
    return phi + (LOADING * power + 1e-12)[:, np.newaxis, np.newaxis] * np.eye(mics)


def mvdr(wanted: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Minimum-variance distortionless response from two covariances (Souden et al., 2010)."""
    ratio = np.linalg.solve(loaded(noise), wanted)
    return ratio[..., 0] / (np.trace(ratio, axis1=1, axis2=2)[:, np.newaxis] + 1e-12)


def mwf(wanted: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Multichannel Wiener filter: least mean-square error, distortion and noise weighed equally (mu = 1)."""
    return np.linalg.solve(loaded(wanted + noise), wanted)[..., 0]


def delay_and_sum(steering: np.ndarray) -> np.ndarray:
    """Delay-and-sum for a known direction: the mean of the microphones after alignment."""
    return steering / steering.shape[1]


def steering_vectors(positions_m: np.ndarray, azimuths_rad: np.ndarray, frequencies_hz: np.ndarray) -> np.ndarray:
    """Far-field phases of the microphones against the first, `[directions, F, M]`, for sound in the plane z = 0."""
    towards = np.stack([np.cos(azimuths_rad), np.sin(azimuths_rad), np.zeros_like(azimuths_rad)], axis=-1)
    lead_s = towards @ (positions_m - positions_m[0]).T / SPEED_OF_SOUND_M_S  # [directions, M]: earlier than the first
    return np.exp(2j * np.pi * frequencies_hz[:, np.newaxis] * lead_s[:, np.newaxis])


def apply(weights: np.ndarray, spectra: np.ndarray) -> np.ndarray:
    """The filter's output, `[T, F]`."""
    return np.sum(weights.conj().T[:, np.newaxis] * spectra, axis=0)
