"""Seeded mixtures of talkers and noises, made while training runs.

Mixture number `i` of a seed is always the same, whoever asks: training resumes exactly, any number of worker processes
makes the same data, and an evaluation set is a few numbers instead of a folder of wavs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edge_sdk.errors import DataError
from models.data.corpus import Corpus

QUIET_DB = -40.0  # frames this far below the loudest do not count as activity
SHORTEST, LONGEST = 0.25, 600.0  # seconds: shorter than a spectral loss can see, longer than memory likes
TRIES = 8  # draws until a segment with sound in it is found


@dataclass(frozen=True)
class MixConfig:
    """What a mixture is made of; ranges are drawn from uniformly."""

    seconds: float = 3.0
    sources: int = 1
    noisy: bool = True
    snr_db: tuple[float, float] = (-6.0, 16.0)  # talkers against the noise
    level_db: tuple[float, float] = (-40.0, -15.0)  # root mean square of the mixture, full scale = 0
    between_talkers_db: tuple[float, float] = (0.0, 5.0)  # first talker against each other one
    second_noise: float = 0.3  # chance that a second noise is added to the first
    babble: float = 0.15  # chance that the noise is other people talking
    babble_talkers: int = 4
    colour: float = 0.5  # chance that a source passes a random gentle equalizer (Valin, 2018)

    def __post_init__(self) -> None:
        if not SHORTEST <= self.seconds <= LONGEST or self.sources < 1 or self.babble_talkers < 1:
            raise ValueError(
                f"seconds {self.seconds}, sources {self.sources}, babble_talkers {self.babble_talkers}: "
                f"expected {SHORTEST} to {LONGEST} seconds and at least one of each"
            )
        for name in ("second_noise", "babble", "colour"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} = {getattr(self, name)}: expected a chance, 0 to 1")
        for name in ("snr_db", "level_db", "between_talkers_db"):
            low, high = getattr(self, name)
            if not -math.inf < low <= high < math.inf:
                raise ValueError(f"{name} = {low} .. {high}: expected two numbers, the lower first")


class Mixtures:
    """An endless list of mixtures: `self[i]` is `(mixture [1, n], sources [S, n])`, float32, the same every time."""

    def __init__(self, speech: Corpus, noise: Corpus | None, config: MixConfig, sample_rate: int, seed: int) -> None:
        if config.noisy and noise is None:
            raise DataError("the recipe mixes noise but names no folder of noise")
        talkers = len({r.speaker for r in speech.recordings})
        needed = config.sources + (config.babble_talkers if config.noisy and config.babble > 0 else 0)
        if talkers < needed:
            raise DataError(
                f"{talkers} speakers: mixtures of {config.sources} talkers, and the babble of "
                f"{needed - config.sources}, need as many; add speakers or set babble = 0"
            )
        self.speech, self.noise, self.config, self.seed = speech, noise, config, seed
        self.sample_rate, self.samples = sample_rate, round(config.seconds * sample_rate)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([self.seed, index])
        config, taken = self.config, set[str]()
        sources = np.stack([self.colour(self.talker(rng, taken), rng) for _ in range(config.sources)])
        for s in range(1, config.sources):
            sources[s] *= ratio(sources[0], sources[s], rng.uniform(*config.between_talkers_db))
        mixture = sources.sum(axis=0)
        if config.noisy:
            noise = self.colour(self.draw_noise(rng, taken), rng)
            mixture = mixture + noise * ratio(mixture, noise, rng.uniform(*config.snr_db))
        gain = 10 ** (rng.uniform(*config.level_db) / 20) / (np.sqrt(np.mean(mixture**2)) + 1e-9)
        gain = min(gain, 0.99 / (np.abs(mixture).max() + 1e-9))  # a microphone would clip; we only keep below it
        return (gain * mixture[None]).astype(np.float32), (gain * sources).astype(np.float32)

    def talker(self, rng: np.random.Generator, taken: set[str]) -> np.ndarray:
        """Seconds of somebody not taken yet, `[n]`."""
        for _ in range(1000):
            index = rng.choice(len(self.speech.recordings), p=self.speech.weights)
            speaker = self.speech.recordings[index].speaker
            if speaker not in taken:
                taken.add(speaker)
                return segment(self.speech, index, self.samples, rng, loop=False)
        raise DataError(f"no talker left besides {', '.join(sorted(taken))}: the corpus has too few speakers")

    def draw_noise(self, rng: np.random.Generator, taken: set[str]) -> np.ndarray:
        """A noise, sometimes two, sometimes a murmur of people, `[n]`, at about unit level."""
        if rng.random() < self.config.babble:
            people = [normalized(self.talker(rng, taken)) for _ in range(self.config.babble_talkers)]
            return np.sum(people, axis=0)
        count = 2 if rng.random() < self.config.second_noise else 1
        chosen = rng.choice(len(self.noise.recordings), size=count, p=self.noise.weights)
        drawn = [normalized(segment(self.noise, index, self.samples, rng, loop=True)) for index in chosen]
        return sum((10 ** (rng.uniform(-10, 0) / 20) * n for n in drawn[1:]), drawn[0])

    def colour(self, signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The signal through a random second-order filter, as microphones and rooms differ."""
        if rng.random() >= self.config.colour:
            return signal
        from scipy.signal import lfilter

        b1, b2, a1, a2 = rng.uniform(-3 / 8, 3 / 8, size=4)
        return lfilter([1, b1, b2], [1, a1, a2], signal).astype(np.float32)


def segment(corpus: Corpus, index: int, samples: int, rng: np.random.Generator, loop: bool) -> np.ndarray:
    """`samples` of a recording from a random place with sound in it; short ones are repeated or padded with silence."""
    length = corpus.recordings[index].samples
    if length <= samples:
        whole = corpus.read(index, 0, length)
        if loop:
            return np.roll(np.resize(whole, samples), rng.integers(samples))
        out = np.zeros(samples, np.float32)
        start = rng.integers(samples - length + 1)
        out[start : start + length] = whole
        return out
    for _ in range(TRIES):
        cut = corpus.read(index, int(rng.integers(length - samples + 1)), samples)
        if np.mean(cut**2) > 1e-8:  # -80 dB: digital silence and dither do not count
            return cut
    return cut


def activity_level(signal: np.ndarray, frame: int = 512) -> float:
    """Root mean square over the frames in which there is sound."""
    if len(signal) < frame:
        return float(np.sqrt(np.mean(signal**2)))
    power = np.mean(signal[: len(signal) // frame * frame].reshape(-1, frame) ** 2, axis=1)
    return float(np.sqrt(power[power >= power.max() * 10 ** (QUIET_DB / 10)].mean()))


def normalized(signal: np.ndarray) -> np.ndarray:
    return signal / (activity_level(signal) + 1e-9)


def ratio(signal: np.ndarray, other: np.ndarray, decibels: float) -> float:
    """The gain that puts `other` so many decibels below `signal`, by their active levels."""
    return activity_level(signal) / (activity_level(other) + 1e-9) * 10 ** (-decibels / 20)
