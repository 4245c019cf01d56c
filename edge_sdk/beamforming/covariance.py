"""Recursive covariances of what each mask lets through: the statistics that data-driven filters are made of."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge_sdk.beamforming.conditioning import FLOOR, power
from edge_sdk.beamforming.signals import Complex, Real

FLUSH = FLOOR * 1e-20  # of power: what has decayed below it becomes zero, for denormal numbers make slow arithmetic


def forgetting(time_s: float, hop: int, sample_rate: int) -> float:
    """The factor per frame with which a recursion forgets in that time constant."""
    if not time_s > 0:
        raise ValueError(f"time constant {time_s} s: expected a positive one")
    return math.exp(-hop / (time_s * sample_rate))


def checked_forget(forget: float) -> float:
    if not 0 <= forget < 1:
        raise ValueError(f"forget = {forget}: expected a factor per frame from 0 to below 1, as 0.99")
    return forget


class Covariance:
    """`S(n) = l S(n-1) + (1 - l) m(n) y y^H` for several masks at once, in `values`, `[S, F, M, M]`.

    All masks share one recursion, so covariances of masks that sum to one sum to that of the mixture. A frame of
    digital silence says nothing about anybody and is passed over.
    """

    def __init__(self, masks: int, frequencies: int, mics: int, forget: float) -> None:
        self._forget = checked_forget(forget)
        self.values: Complex = np.zeros((masks, frequencies, mics, mics), np.complex128)
        self._outer = np.empty((frequencies, mics, mics), np.complex128)
        self._added = np.empty_like(self.values)
        self._share = np.empty((masks, frequencies))

    def update(self, spectra: Complex, masks: NDArray[np.floating] | float = 1.0) -> None:
        """Take the spectra `[F, M]` of a frame with masks `[S, F]`."""
        if not spectra.any():
            return
        np.multiply(spectra[:, :, np.newaxis], spectra.conj()[:, np.newaxis], out=self._outer)
        np.multiply(1 - self._forget, masks, out=self._share)
        np.multiply(self._share[..., np.newaxis, np.newaxis], self._outer, out=self._added)
        np.multiply(self.values, self._forget, out=self.values)
        np.add(self.values, self._added, out=self.values)
        self.values[power(self.values) < FLUSH] = 0

    def forget(self, mics: NDArray[np.bool_]) -> None:
        """Forget what some microphones, `[M]`, heard. As if these had been silent, so it stays a covariance."""
        self.values[..., mics, :] = 0
        self.values[..., mics] = 0

    def reset(self) -> None:
        """Forget everything."""
        self.values.fill(0)


class HeardMics:
    """Which microphones carry sound, `heard`, `[M]`: not those 60 dB below the loudest.

    A microphone that dies is missed after about a hundred frames, one that comes back after a few.
    """

    FORGET = 0.87  # 99 frames down to -60 dB: below one second with hops of 8 ms
    QUIETEST = 1e-6  # of the power of the loudest

    def __init__(self, mics: int) -> None:
        self._power: Real = np.zeros(mics)
        self.heard: NDArray[np.bool_] = np.ones(mics, np.bool_)

    def update(self, spectra: Complex) -> None:
        """Take the spectra `[F, M]` of a frame."""
        now = np.einsum("fm,fm->m", spectra.real, spectra.real) + np.einsum("fm,fm->m", spectra.imag, spectra.imag)
        self._power *= self.FORGET
        self._power += (1 - self.FORGET) * now
        loudest = self._power.max()
        if loudest > FLOOR:  # silence tells nothing
            np.greater(self._power, self.QUIETEST * loudest, out=self.heard)

    def reset(self) -> None:
        """Take all of them for alive."""
        self._power.fill(0)
        self.heard.fill(True)
