"""Where speech stands out of steady noise: the mask for one talker when no network is at hand."""

from __future__ import annotations

import numpy as np

from edge_sdk.beamforming.conditioning import FLOOR
from edge_sdk.beamforming.signals import Complex, Real

PRIOR_SNR = 10**1.5  # 15 dB, with speech present: the optimum of the paper
NOISE_FORGET = 0.8  # of the noise power, per frame of 16 ms hops in the paper
PRESENCE_FORGET = 0.9  # of the mean presence that tells when a bin is stuck
STUCK = 0.99  # mean presence from which a bin is taken for noise after all


class SpeechPresence:
    """Probability of speech in every bin of the mean microphone power, from a noise power tracked with it (Gerkmann &
    Hendriks, "Unbiased MMSE-based noise power estimation with low complexity and low tracking delay", 2012).

    `noise` is the tracked power, `[F]`. It begins as the first frame that is not silent.
    """

    def __init__(self, frequencies: int) -> None:
        self.noise: Real = np.zeros(frequencies)
        self._mean: Real = np.full(frequencies, 0.5)

    def masks(self, spectra: Complex) -> Real:
        """The probabilities, `[1, F]`, of a frame `[F, M]`; none in silence."""
        power: Real = (spectra.real**2 + spectra.imag**2).mean(axis=1)
        if not power.any():
            return np.zeros((1, len(power)))
        if not self.noise.any():
            self.noise[...] = power
        above = np.minimum(power / (self.noise + FLOOR), 200.0)  # keeps exp finite; presence is 1 long before
        presence: Real = 1 / (1 + (1 + PRIOR_SNR) * np.exp(-above * PRIOR_SNR / (1 + PRIOR_SNR)))
        self._mean += (1 - PRESENCE_FORGET) * (presence - self._mean)
        bounded = np.where(self._mean > STUCK, np.minimum(presence, STUCK), presence)
        self.noise += (1 - NOISE_FORGET) * (1 - bounded) * (power - self.noise)
        return presence[np.newaxis]

    def reset(self) -> None:
        """Forget everything."""
        self.noise.fill(0)
        self._mean.fill(0.5)
