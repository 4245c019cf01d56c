"""Where talkers are, by subspaces: MUSIC, averaged over frequencies.

R. Schmidt, "Multiple emitter location and signal parameter estimation" (1986). Finer than steered power where talkers
are near each other, worse where echoes are strong; it must be told how many there are.
"""

from __future__ import annotations

import numpy as np

from edge_sdk.beamforming.signals import Complex, Real

LEAST = 1e-12  # part of a steering vector outside the talkers' subspace that counts as none


def music(covariance: Complex, steering: Complex, talkers: int, normalize: bool = False) -> Real:
    """The pseudo-spectrum of directions, `[D]`, its largest value one: the mean over frequencies of one over the part
    of a steering vector, `[D, F, M]`, outside the subspace of the strongest sounds of covariances `[F, M, M]`.

    normalize: every frequency counts alike, however sharp its peak. Silent frequencies do not count at all.
    """
    mics = covariance.shape[-1]
    if not 1 <= talkers < mics:
        raise ValueError(
            f"{talkers} talkers and {mics} microphones: expected at least one microphone more than talkers"
        )
    heard = np.einsum("fmm->f", covariance).real > 0
    if not heard.any():
        return np.zeros(len(steering))
    _, vectors = np.linalg.eigh(covariance[heard])  # eigenvalues ascend
    noise = vectors[..., : mics - talkers].conj()  # [F, M, K]
    towards = steering[:, heard].transpose(1, 0, 2)  # [F, D, M]
    outside: Real = (np.abs(towards @ noise) ** 2).sum(axis=-1)
    spectrum: Real = 1 / np.maximum(outside / mics, LEAST)
    if normalize:
        spectrum /= spectrum.max(axis=1, keepdims=True)
    mean: Real = spectrum.mean(axis=0)
    mean /= mean.max()
    return mean
