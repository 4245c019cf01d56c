"""Single-channel enhancement by OM-LSA with IMCRA noise tracking, frame by frame.

I. Cohen & B. Berdugo, "Speech enhancement for non-stationary noise environments", Signal Processing 81 (2001): the
gain. I. Cohen, "Noise spectrum estimation in adverse environments: improved minima controlled recursive averaging",
IEEE Transactions on Speech and Audio Processing 11 (2003): the noise. Constants are theirs, for 32 ms windows every
8 ms.
"""

from __future__ import annotations

import numpy as np
from scipy.special import exp1

from models.evaluation.stft import STFT

SMOOTHING = 0.9  # of the periodogram over time (alpha_s)
NOISE_MEMORY = 0.85  # of the noise where there is no speech (alpha_d)
NOISE_BIAS = 1.47  # of an average that leaves speech frames out (beta)
SUBWINDOWS, SUBWINDOW = 8, 15  # frames over which minima are sought: 0.96 s (U, V)
MINIMUM_BIAS = 1.66  # of a minimum against the mean (B_min)
PEAK, RISE, SURELY_SPEECH = 4.6, 1.67, 3.0  # thresholds (gamma_0, zeta_0, gamma_1)
DECISION = 0.92  # weight of the past frame in the a priori SNR (alpha)
LEAST_SNR = 10 ** (-25 / 10)  # a priori
LEAST_GAIN = 10 ** (-25 / 20)
FLOOR = 1e-12  # power below every sound: digital silence divides by it


def enhance(mixture: np.ndarray, sample_rate: int) -> np.ndarray:
    """The talker in a noisy mixture `[M, n]`, from its first microphone alone, `[1, n]`."""
    stft, samples = STFT.for_rate(sample_rate), mixture.shape[1]
    # A second of the signal backwards goes before it: the noise is known when the clip begins, as in a running stream.
    lead = min(samples - 1, sample_rate)
    spectrum = stft.spectra(np.pad(mixture[0], (lead, 0), mode="reflect"))
    first = (stft.window // stft.hop) - 1  # the first frame without padding
    gains = np.ones(spectrum.shape)
    gains[first:] = omlsa_gains(np.abs(spectrum[first:]) ** 2)
    return stft.signal(gains * spectrum, lead + samples)[np.newaxis, lead:]


def omlsa_gains(power: np.ndarray) -> np.ndarray:
    """The gain of every frame and frequency from powers `[T, F]`; frame `t` depends on frames up to `t`."""
    noise = NoiseTracker(power[0])
    gains = np.empty_like(power)
    past = np.ones(power.shape[1])  # G^2 gamma of the last frame: the speech that was there, over the noise
    for t, now in enumerate(power + FLOOR):
        posterior = now / noise.power  # gamma
        prior = np.maximum(DECISION * past + (1 - DECISION) * np.maximum(posterior - 1, 0), LEAST_SNR)  # xi
        wiener = prior / (1 + prior)
        exponent = np.maximum(wiener * posterior, 1e-3)  # nu
        log_spectral = np.minimum(wiener * np.exp(0.5 * exp1(exponent)), 1e3)  # Ephraim & Malah (1985)
        speech = noise.speech_probability(now, prior, exponent)
        gains[t] = log_spectral**speech * LEAST_GAIN ** (1 - speech)
        noise.update(now, speech)
        past = log_spectral**2 * posterior
    return np.clip(gains, LEAST_GAIN, 1)


class NoiseTracker:
    """Power of the noise `[F]`, from frames in which speech is improbable (IMCRA)."""

    def __init__(self, first: np.ndarray) -> None:
        first = first + FLOOR
        self.average = first.copy()
        self.power = first.copy()
        self.rough, self.fine = Minimum(first), Minimum(first)

    def speech_probability(self, now: np.ndarray, prior: np.ndarray, exponent: np.ndarray) -> np.ndarray:
        """Whether a frame of power `now` holds speech, by frequency."""
        over_frequency = smooth(now)
        smoothed = self.rough.track(over_frequency)
        floor = MINIMUM_BIAS * self.rough.minimum
        quiet = ((now < PEAK * floor) & (smoothed < RISE * floor)).astype(float)
        # The second pass averages over quiet neighbours only, so that strong speech does not lift the minimum.
        heard = smooth(quiet)
        self.fine.track(np.where(heard > 0, smooth(quiet * now) / np.maximum(heard, FLOOR), self.fine.smoothed))
        floor = MINIMUM_BIAS * self.fine.minimum
        absence = np.clip((SURELY_SPEECH - now / floor) / (SURELY_SPEECH - 1), 0, 1) * (smoothed < RISE * floor)
        odds = absence / np.maximum(1 - absence, FLOOR) * (1 + prior) * np.exp(-exponent)
        return 1 / (1 + odds)

    def update(self, now: np.ndarray, speech: np.ndarray) -> None:
        """Average the frame in, as far as it is noise."""
        memory = NOISE_MEMORY + (1 - NOISE_MEMORY) * speech
        self.average = memory * self.average + (1 - memory) * now
        self.power = NOISE_BIAS * self.average


class Minimum:
    """A power smoothed over time, and its minimum over the last second, kept as minima of stretches of frames."""

    def __init__(self, first: np.ndarray) -> None:
        self.smoothed = self.minimum = self.current = first
        self.stretches = np.repeat(first[np.newaxis], SUBWINDOWS, axis=0)
        self.frames = 0

    def track(self, power: np.ndarray) -> np.ndarray:
        self.smoothed = SMOOTHING * self.smoothed + (1 - SMOOTHING) * power
        self.minimum, self.current = (np.minimum(m, self.smoothed) for m in (self.minimum, self.current))
        self.frames += 1
        if self.frames % SUBWINDOW == 0:
            self.stretches = np.concatenate([self.stretches[1:], self.current[np.newaxis]])
            self.minimum, self.current = self.stretches.min(axis=0), self.smoothed
        return self.smoothed


def smooth(power: np.ndarray) -> np.ndarray:
    """The mean with both neighbouring frequencies, weights 1/4, 1/2, 1/4."""
    padded = np.pad(power, 1, mode="edge")
    return 0.25 * padded[:-2] + 0.5 * power + 0.25 * padded[2:]
