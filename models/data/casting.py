"""Who talks and what else sounds in a mixture: stretches of recordings, drawn and varied."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import lfilter

from edge_sdk.errors import DataError
from models.data.augment import Curve, equalizer, narrow_band, replayed, reverberated, speed, stretched_length
from models.data.corpus import Corpus, Recording
from models.data.levels import normalized
from models.data.synthetic import synthetic_noise

if TYPE_CHECKING:
    from models.data.mixing import MixConfig

TRIES = 8  # draws until a segment with sound in it is found
QUIETER_DB = (-10.0, 0.0)  # of each noise after the first
FADE_S = 0.005  # where a turn begins or ends in the midst of speech

Sound = tuple[np.ndarray, str]  # samples [n], and the path of the recording or what else it is


@dataclass
class Draws:
    """The random numbers of one mixture, and what has been drawn with them.

    Every group of options has numbers of its own, so that switching one on leaves everything else as it was: `rng`
    chooses recordings and levels, `extra` varies them, `places` seats talkers in rooms, `wear` draws faults.
    device: filters that everything in this mixture passes.
    """

    rng: np.random.Generator
    extra: np.random.Generator
    places: np.random.Generator
    wear: np.random.Generator
    device: tuple[Curve, ...] = ()
    taken: set[str] = field(default_factory=set)


def draws_of(seed: int, index: int) -> Draws:
    """The random numbers of a mixture."""
    others = (np.random.SeedSequence([seed, index], spawn_key=(key,)) for key in (1, 2, 3))
    return Draws(np.random.default_rng([seed, index]), *map(np.random.default_rng, others))


class Casting:
    """Draws talkers and noises of `samples` at `sample_rate` from corpora, as a configuration says."""

    def __init__(self, speech: Corpus, noise: Corpus | None, config: MixConfig, sample_rate: int) -> None:
        self.speech, self.noise, self.config, self.sample_rate = speech, noise, config, sample_rate
        self.samples = round(config.seconds * sample_rate)
        self.genders = speech.genders(config.sources)

    def talkers(self, draws: Draws) -> list[Sound]:
        """Talkers of a mixture, `[n]` each, who take turns as far as the configuration asks for."""
        turns = take_turns(self.config.sources, self.samples, self.config.overlap, draws.extra)
        alike = self.config.alike > 0 and draws.extra.random() < self.config.alike
        found, gender = [], ""
        for begin, end in turns:
            signal, recording = self.talker(draws, end - begin, gender)
            if alike and recording.gender in self.genders:
                gender = recording.gender
            if end - begin < self.samples:
                signal = placed(signal, begin, self.samples, round(FADE_S * self.sample_rate))
            found.append((self.coloured(signal, draws), recording.path))
        return found

    def talker(self, draws: Draws, samples: int, gender: str = "") -> tuple[np.ndarray, Recording]:
        """Somebody who does not talk in this mixture yet, of that gender where one is given."""
        options, extra = self.config.augment, draws.extra
        length = stretched_length(samples, speed(extra, options.speech_speed, options.speech_speeds))
        curves = draws.device
        if extra.random() < options.speech_narrow:
            curves = (*curves, narrow_band(extra, self.sample_rate))
        for _ in range(1000):
            index = draws.rng.choice(len(self.speech.recordings), p=self.speech.weights)
            recording = self.speech.recordings[index]
            if recording.speaker not in draws.taken and gender in ("", recording.gender):
                draws.taken.add(recording.speaker)
                signal = self.stretch(index, length, draws.rng)
                return replayed(signal, samples, self.sample_rate, curves), recording
        raise DataError(f"no talker left besides {', '.join(sorted(draws.taken))}: the corpus has too few speakers")

    def stretch(self, index: int, samples: int, rng: np.random.Generator) -> np.ndarray:
        """So much of a recording of speech, or, where talkers talk on, of all recordings of its speaker."""
        if not self.config.talk_on or self.speech.recordings[index].samples >= samples:
            return segment(self.speech, index, samples, rng, loop=False)
        recordings = self.speech.recordings
        others = [i for i, r in enumerate(recordings) if r.speaker == recordings[index].speaker and i != index]
        order = [index, *rng.permutation(others).astype(int)]
        said = np.concatenate([self.speech.read(i, 0, recordings[i].samples) for i in order])
        return np.resize(said, samples)

    def noises(self, draws: Draws) -> list[Sound]:
        """One noise or more, or a murmur of people, at about unit level."""
        rng = draws.rng
        if rng.random() < self.config.babble:
            return self.murmur(draws)
        count = 1
        while count < self.config.augment.most_noises and rng.random() < self.config.second_noise:
            count += 1
        chosen = rng.choice(len(self.noise.recordings), size=count, p=self.noise.weights)
        drawn = [(normalized(signal), name) for signal, name in (self.one_noise(index, draws) for index in chosen)]
        return [drawn[0], *[(10 ** (rng.uniform(*QUIETER_DB) / 20) * signal, name) for signal, name in drawn[1:]]]

    def murmur(self, draws: Draws) -> list[Sound]:
        """People who talk among themselves; those of a live room are one sound."""
        options, extra, count = self.config.augment, draws.extra, self.config.babble_talkers
        if options.most_babble > count:
            count = int(extra.integers(count, options.most_babble + 1))
        drawn = (self.talker(draws, self.samples) for _ in range(count))
        people = [(normalized(signal), recording.path) for signal, recording in drawn]
        if options.most_babble:
            people = [(10 ** (extra.uniform(*QUIETER_DB) / 20) * signal, path) for signal, path in people]
        if not options.babble_reverb or extra.random() >= options.babble_reverb:
            return people
        together = np.sum([signal for signal, _ in people], axis=0)
        rt60_s, direct_db = extra.uniform(*options.reverb_rt60_s), extra.uniform(*options.babble_direct_db)
        heard, _ = reverberated(together, extra, rt60_s, direct_db, self.sample_rate)
        return [(heard, " + ".join(path for _, path in people))]

    def one_noise(self, index: int, draws: Draws) -> Sound:
        """A stretch of a recording of noise, varied, or by chance a made-up noise in its place."""
        options, extra = self.config.augment, draws.extra
        length = stretched_length(self.samples, speed(extra, options.noise_speed, options.noise_speeds))
        noise = segment(self.noise, index, length, draws.rng, loop=True)  # also where it goes unused: see Draws
        if extra.random() < options.synthetic:
            noise, kind = synthetic_noise(extra, self.samples, self.sample_rate)
            return replayed(noise, self.samples, self.sample_rate, draws.device), f"synthetic {kind}"
        curves = draws.device
        if extra.random() < options.noise_equalizer:
            curves = (*curves, equalizer(extra, options.noise_equalizer_db, self.sample_rate))
        noise = replayed(noise, self.samples, self.sample_rate, curves)
        if extra.random() < options.noise_reversed:
            noise = noise[::-1]
        return noise, self.noise.recordings[index].path

    def coloured(self, signal: np.ndarray, draws: Draws) -> np.ndarray:
        """By chance the signal `[..., n]` through a random second-order filter, as microphones differ (Valin, 2018)."""
        if draws.rng.random() >= self.config.colour:
            return signal
        b1, b2, a1, a2 = draws.rng.uniform(-3 / 8, 3 / 8, size=4)
        return lfilter([1, b1, b2], [1, a1, a2], signal).astype(np.float32)


def take_turns(
    talkers: int, samples: int, overlap: tuple[float, float], rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Where each talker begins and ends: all of them everywhere, or one after the other with a shared part between.

    Of `overlap`, 1 is the whole mixture and 0 nothing, a share is drawn. Turns cover the mixture without a gap.
    """
    if overlap == (1.0, 1.0) or talkers == 1:
        return [(0, samples)] * talkers
    shared = rng.uniform(*overlap)
    begins = np.concatenate([[0.0], np.sort(rng.uniform(0, 1 - shared, talkers - 1)), [1 - shared]])
    turns = [(round(a * samples), round((b + shared) * samples)) for a, b in pairwise(begins)]
    return [turns[i] for i in rng.permutation(talkers)]


def placed(signal: np.ndarray, begin: int, samples: int, fade: int) -> np.ndarray:
    """The signal within silence, faded where it was cut."""
    out = np.zeros(samples, np.float32)
    ramp = np.minimum(np.arange(len(signal)) + 0.5, fade) / fade
    edges = (ramp if begin > 0 else 1.0) * (ramp[::-1] if begin + len(signal) < samples else 1.0)
    out[begin : begin + len(signal)] = signal * edges
    return out


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
