"""Talkers far away in the open, as microphones hear them."""

import numpy as np

from models.evaluation.beamformers import steering_vectors

RATE = 16_000
CIRCLE_M = 0.05 * np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])
LINE_M = np.array([[0.0, 0, 0], [0.04, 0, 0], [0.12, 0, 0]])


def images(sources: np.ndarray, positions_m: np.ndarray, azimuths_deg: list[float]) -> np.ndarray:
    """Sources `[S, n]` at every microphone, `[S, M, n]`: delays exact, the signals taken as periodic."""
    frequencies = np.fft.rfftfreq(sources.shape[1], 1 / RATE)
    steering = steering_vectors(positions_m, np.deg2rad(azimuths_deg), frequencies).transpose(0, 2, 1)
    spectra = np.fft.rfft(sources)[:, None] * steering
    return np.fft.irfft(spectra, sources.shape[1]).astype(np.float32)
