"""Variations of sounds, so that a few hours of recordings are heard as many more.

Small functions of a random generator and signals `[..., n]`. Filters are gains that multiply the spectrum of the whole
signal: no phase, no delay, and for a change of speed and an equalizer together two Fourier transforms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from scipy import fft

EARLY_S = 0.05  # reflections until then help a listener and belong to the talker (Bradley, Sato & Picard, 2003)
LOWEST_HZ = 50.0
MOST_BABBLE = 32  # of more nobody hears the difference
BANDS = (3, 8)  # of the random equalizer, at least and at most
STEEPEST_DB = 6.0  # per octave, of a spectral tilt
LOW_CUTS_HZ, HIGH_CUTS_HZ = (60.0, 400.0), (2500.0, 7500.0)  # telephones, laptops, headsets


@dataclass(frozen=True)
class AugmentConfig:
    """Chances of each variation, off by default, and how strong it is; ranges are drawn from uniformly.

    Those of noise befall each recording of noise by itself, `synthetic` puts a made-up one in its place (see
    `synthetic.py`). Those of the whole befall mixture and targets alike, but for `clip`, which spares the targets.
    """

    speech_speed: float = 0.0
    speech_speeds: tuple[float, float] = (0.9, 1.1)
    speech_narrow: float = 0.0  # of a talker alone, in a mixture of full bandwidth
    reverb: float = 0.0  # of a mixture without rooms: targets keep the first 50 ms of it
    reverb_rt60_s: tuple[float, float] = (0.1, 0.8)
    reverb_direct_db: tuple[float, float] = (0.0, 15.0)  # direct sound against all that follows
    noise_speed: float = 0.0
    noise_speeds: tuple[float, float] = (0.5, 2.0)
    noise_reversed: float = 0.0
    noise_equalizer: float = 0.0
    noise_equalizer_db: float = 15.0  # at most, up and down
    synthetic: float = 0.0
    most_babble: int = (
        0  # people of a murmur, from `babble_talkers` on, each as loud as he likes; 0: no more than those
    )
    babble_reverb: float = 0.0  # of a murmur: it comes from all over a live room
    babble_direct_db: tuple[float, float] = (-10.0, 5.0)
    most_noises: int = 2  # each after the first with the chance second_noise
    narrow: float = 0.0  # of the whole
    clip: float = 0.0
    clip_db: tuple[float, float] = (-12.0, -1.0)  # where it clips, against the mixture's peak
    noise_only: float = 0.0  # the targets are silence
    speech_only: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple) and not -math.inf < value[0] <= value[1] < math.inf:
                raise ValueError(f"augment.{field.name} = {list(value)}: expected two numbers, the lower first")
            if isinstance(field.default, float) and field.default == 0.0 and not 0 <= value <= 1:
                raise ValueError(f"augment.{field.name} = {value}: expected a chance, 0 to 1")
        for name in ("speech_speeds", "noise_speeds"):
            if getattr(self, name)[0] < 0.25 or getattr(self, name)[1] > 4:
                raise ValueError(f"augment.{name} = {list(getattr(self, name))}: expected factors, 0.25 to 4")
        if self.reverb_rt60_s[0] <= 0 or self.reverb_rt60_s[1] > 10:
            raise ValueError(
                f"augment.reverb_rt60_s = {list(self.reverb_rt60_s)}: expected seconds, above 0, at most 10"
            )
        if not 0 <= self.noise_equalizer_db <= 60 or not 1 <= self.most_noises <= 8 or self.clip_db[1] > 0:
            raise ValueError(
                f"augment: noise_equalizer_db = {self.noise_equalizer_db}, most_noises = {self.most_noises}, clip_db = "
                f"{list(self.clip_db)}: expected 0 to 60 dB, 1 to 8, at most 0 dB"
            )
        if not 0 <= self.most_babble <= MOST_BABBLE:
            raise ValueError(f"augment.most_babble = {self.most_babble}: expected 0 to {MOST_BABBLE} people")
        if self.noise_only + self.speech_only > 1:
            raise ValueError(
                f"augment: noise_only + speech_only = {self.noise_only + self.speech_only}: expected at most 1"
            )


def speed(rng: np.random.Generator, chance: float, factors: tuple[float, float]) -> float:
    """How many times as fast a recording is played: 1, or by that chance a factor drawn evenly on a scale of pitch."""
    drawn = math.exp(rng.uniform(*np.log(factors)))
    return drawn if rng.random() < chance else 1.0


def stretched_length(samples: int, factor: float) -> int:
    """Samples to take of a recording that is to last `samples` at that speed, a length of quick Fourier transforms."""
    return samples if factor == 1.0 else fft.next_fast_len(round(samples * factor), real=True)


@dataclass(frozen=True)
class Curve:
    """Gains over frequency, straight lines between points: a filter without phase."""

    hz: np.ndarray
    gains: np.ndarray

    def at(self, samples: int, sample_rate: int) -> np.ndarray:
        """The gain of each bin of the spectrum of so many samples, `[n // 2 + 1]`."""
        return np.interp(frequencies(samples, sample_rate), self.hz, self.gains)


@lru_cache(maxsize=16)
def frequencies(samples: int, sample_rate: int) -> np.ndarray:
    """Frequency of each bin of a spectrum in Hz, `[n // 2 + 1]`."""
    return fft.rfftfreq(samples, 1 / sample_rate)


def replayed(signal: np.ndarray, samples: int, sample_rate: int, curves: Sequence[Curve] = ()) -> np.ndarray:
    """The signal played within so many samples, faster and higher where it has more, and filtered on the way.

    Band-limited: what does not fit below half the sample rate is gone.
    """
    given = signal.shape[-1]
    if given == samples and not curves:
        return signal
    spectrum = fft.rfft(signal)[..., : samples // 2 + 1]
    gains = np.float32(samples / given)
    for curve in curves:
        gains = gains * curve.at(samples, sample_rate)[: spectrum.shape[-1]].astype(np.float32)
    return fft.irfft(spectrum * gains, samples)


def equalizer(rng: np.random.Generator, most_db: float, sample_rate: int) -> Curve:
    """A random equalizer of some bands, or a tilt by some dB per octave, in one of two cases each."""
    top = sample_rate / 2
    if rng.random() < 0.5:
        centres = np.geomspace(LOWEST_HZ, top, int(rng.integers(BANDS[0], BANDS[1] + 1)))
        gains_db = rng.uniform(-most_db, most_db, len(centres))
    else:
        centres = np.geomspace(LOWEST_HZ, top, 16)
        slope = rng.uniform(-STEEPEST_DB, STEEPEST_DB)
        gains_db = np.clip(slope * np.log2(centres / 1000), -most_db, most_db)
    hz = np.geomspace(LOWEST_HZ, top, 128)  # straight lines in dB over octaves, as an equalizer is drawn
    return Curve(hz, 10 ** (np.interp(np.log(hz), np.log(centres), gains_db) / 20))


def narrow_band(rng: np.random.Generator, sample_rate: int) -> Curve:
    """No lowest and no highest frequencies, as of a narrow device."""
    low = math.exp(rng.uniform(*np.log(LOW_CUTS_HZ)))
    high = min(math.exp(rng.uniform(*np.log(HIGH_CUTS_HZ))), 0.45 * sample_rate)
    return Curve(np.array([low / 1.2, low * 1.2, high / 1.1, high * 1.1]), np.array([0.0, 1.0, 1.0, 0.0]))


def reverberated(
    signal: np.ndarray, rng: np.random.Generator, rt60_s: float, direct_db: float, sample_rate: int
) -> tuple[np.ndarray, np.ndarray]:
    """The signal with a random tail that decays by 60 dB in `rt60_s`, and with the first 50 ms of that tail alone.

    direct_db: the direct sound against the tail (Polack, 1988: late reverberation is decaying Gaussian noise).
    """
    (samples,), taps = signal.shape, max(2, round(rt60_s * sample_rate))
    tail = rng.standard_normal(taps, dtype=np.float32)
    tail *= np.exp(np.float32(-math.log(1e3) / taps) * np.arange(taps, dtype=np.float32))
    tail[0] = 0
    tail *= 10 ** (-direct_db / 20) / np.linalg.norm(tail)
    early = np.where(np.arange(taps) < EARLY_S * sample_rate, tail, 0)
    size = fft.next_fast_len(samples + taps - 1, real=True)
    spectra = fft.rfft(signal, size) * fft.rfft(np.stack([tail, early]), size)
    whole, first = signal + fft.irfft(spectra, size)[:, :samples]
    return whole, first


def clipped(signal: np.ndarray, below_peak_db: float) -> np.ndarray:
    """The signal with everything cut off that exceeds a level so far from its peak, `below_peak_db` at most 0."""
    limit = np.abs(signal).max() * 10 ** (below_peak_db / 20)
    return np.clip(signal, -limit, limit)
