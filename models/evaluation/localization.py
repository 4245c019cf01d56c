"""Where talkers are: steered response power with phase transform, frame by frame.

J. DiBiase, H. Silverman & M. Brandstein, "Robust localization in reverberant rooms", in Microphone Arrays (2001). In
each frame the direction of most power counts, for speech is sparse; the fullest bins of the histogram are the talkers.
"""

from __future__ import annotations

import numpy as np

from models.evaluation.beamformers import steering_vectors

STEP_RAD = np.deg2rad(5)
APART_RAD = np.deg2rad(20)  # nearer than this two directions are one talker
LOWEST_HZ, HIGHEST_HZ = 200.0, 7_000.0  # below, rooms say nothing of directions; above, there is little speech


def azimuths(spectra: np.ndarray, positions_m: np.ndarray, frequencies_hz: np.ndarray, talkers: int) -> np.ndarray:
    """Directions of as many talkers in radians, the clearest first, from spectra `[M, T, F]`.

    The array lies in the plane of the talkers or is taken to. Microphones on a line cannot tell the two sides of it
    apart: directions are given for one side.
    """
    grid = directions(positions_m)
    band = (frequencies_hz >= LOWEST_HZ) & (frequencies_hz <= HIGHEST_HZ)
    heard = spectra[..., band].transpose(2, 0, 1)
    phases = (heard / (np.abs(heard) + 1e-12)).astype(np.complex64)  # [F, M, T]
    steering = steering_vectors(positions_m, grid, frequencies_hz[band]).transpose(1, 0, 2).astype(np.complex64)
    power = np.zeros((len(grid), spectra.shape[1]), np.float32)
    for towards, frames in zip(steering.conj(), phases, strict=True):
        summed = towards @ frames
        power += summed.real**2 + summed.imag**2
    loudness = np.sum(np.abs(spectra[0]) ** 2, axis=1)
    counts = np.bincount(power.argmax(axis=0), weights=loudness**0.25, minlength=len(grid))
    return peaks(counts, grid, talkers)


def directions(positions_m: np.ndarray) -> np.ndarray:
    """The directions that the array can tell apart: a circle, or half of one for microphones on a line."""
    flat = positions_m[:, :2] - positions_m[:, :2].mean(axis=0)
    _, spreads, axes = np.linalg.svd(flat)
    if len(positions_m) > 2 and spreads[1] > 0.01 * spreads[0]:
        return np.arange(-np.pi, np.pi, STEP_RAD)
    return np.arctan2(axes[0, 1], axes[0, 0]) + np.arange(0, np.pi + STEP_RAD / 2, STEP_RAD)


def peaks(counts: np.ndarray, grid: np.ndarray, number: int) -> np.ndarray:
    """The fullest bins of a histogram over directions that are not neighbours of one another."""
    apart = np.abs(np.angle(np.exp(1j * (grid[:, np.newaxis] - grid))))
    blurred = np.exp(-0.5 * (apart / STEP_RAD) ** 2) @ counts
    found: list[int] = []
    for _ in range(number):
        free = apart[found].min(axis=0) >= APART_RAD if found else np.full(len(grid), True)
        found.append(int(np.argmax(np.where(free, blurred, -1.0))))
    return grid[found]
