"""Seeded mixtures of talkers and noises, made while training runs.

Mixture number `i` of a seed is always the same, whoever asks: training resumes exactly, any number of worker processes
makes the same data, and an evaluation set is a few numbers instead of a folder of wavs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_sdk.errors import DataError
from models.data.augment import AugmentConfig, clipped, narrow_band
from models.data.casting import Casting, Draws, draws_of
from models.data.corpus import Corpus
from models.data.example import Example
from models.data.faults import FaultConfig, captured, draw_faults, target_gain, with_clipping
from models.data.levels import activity, activity_level, decibels, ratio
from models.data.places import InRoom, Open, Place
from models.data.spatial import Rooms, SpatialConfig

SHORTEST, LONGEST = 0.25, 600.0  # seconds: shorter than a spectral loss can see, longer than memory likes


@dataclass(frozen=True)
class CurriculumConfig:
    """Easy mixtures first: over the first `mixtures` of a training the range of ratios moves to the final one."""

    mixtures: int = 0
    snr_db: tuple[float, float] = (10.0, 20.0)  # at the beginning

    def __post_init__(self) -> None:
        if self.mixtures < 0 or not -math.inf < self.snr_db[0] <= self.snr_db[1] < math.inf:
            raise ValueError(
                f"curriculum: mixtures = {self.mixtures}, snr_db = {list(self.snr_db)}: expected a number from 0 on "
                "and two ratios, the lower first"
            )

    def range_db(self, index: int, final: tuple[float, float]) -> tuple[float, float]:
        """The range that mixture `index` draws its ratio from."""
        if index >= self.mixtures:
            return final
        done = index / self.mixtures
        low, high = (easy + done * (hard - easy) for easy, hard in zip(self.snr_db, final, strict=True))
        return low, high


@dataclass(frozen=True)
class MixConfig:
    """What a mixture is made of; ranges are drawn from uniformly."""

    seconds: float = 3.0
    sources: int = 1
    noisy: bool = True
    snr_db: tuple[float, float] = (-6.0, 16.0)  # talkers against the noise
    level_db: tuple[float, float] = (-40.0, -15.0)  # root mean square of the mixture, full scale = 0
    between_talkers_db: tuple[float, float] = (0.0, 5.0)  # first talker against each other one
    alike: float = 0.0  # chance that all talkers are of one gender: theirs are the voices hardest to tell apart
    second_noise: float = 0.3  # chance that a second noise is added to the first
    babble: float = 0.15  # chance that the noise is other people talking
    babble_talkers: int = 4
    colour: float = 0.5  # chance that a source passes a random gentle equalizer (Valin, 2018)
    talk_on: bool = False  # recordings too short are followed by the same speaker's others, not by silence
    overlap: tuple[float, float] = (1.0, 1.0)  # share of a mixture in which talkers talk at once; 0: they take turns
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    spatial: SpatialConfig = field(default_factory=SpatialConfig)
    faults: FaultConfig = field(default_factory=FaultConfig)
    curriculum: CurriculumConfig = field(default_factory=CurriculumConfig)

    def __post_init__(self) -> None:
        if not SHORTEST <= self.seconds <= LONGEST or self.sources < 1 or self.babble_talkers < 1:
            raise ValueError(
                f"seconds {self.seconds}, sources {self.sources}, babble_talkers {self.babble_talkers}: "
                f"expected {SHORTEST} to {LONGEST} seconds and at least one of each"
            )
        for name in ("alike", "second_noise", "babble", "colour"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} = {getattr(self, name)}: expected a chance, 0 to 1")
        for name in ("snr_db", "level_db", "between_talkers_db"):
            low, high = getattr(self, name)
            if not -math.inf < low <= high < math.inf:
                raise ValueError(f"{name} = {low} .. {high}: expected two numbers, the lower first")
        if not 0 <= self.overlap[0] <= self.overlap[1] <= 1:
            raise ValueError(f"overlap = {list(self.overlap)}: expected two shares, 0 to 1, the lower first")


class Mixtures:
    """An endless list of mixtures: `self[i]` is `(mixture [M, n], sources [S, n])`, float32, the same every time.

    `example(i)` is the same mixture with what it was made of. With stored rooms all microphones of their array hear
    every mixture; without, one does in the open.
    """

    def __init__(
        self,
        speech: Corpus,
        noise: Corpus | None,
        config: MixConfig,
        sample_rate: int,
        seed: int,
        rooms: Rooms | None = None,
    ) -> None:
        check_corpora(speech, noise, config, sample_rate)
        if rooms is not None and rooms.sample_rate != sample_rate:
            raise DataError(
                f"rooms of {rooms.sample_rate} Hz for mixtures of {sample_rate} Hz; simulate them at that rate"
            )
        self.casting = Casting(speech, noise, config, sample_rate)
        self.speech, self.noise, self.rooms = speech, noise, rooms
        self.config, self.seed, self.sample_rate = config, seed, sample_rate
        self.mics, self.reference = (1, 0) if rooms is None else (rooms.mics, rooms.array.reference)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        example = self.example(index)
        return example.mixture, example.sources

    def example(self, index: int) -> Example:
        """Mixture `index`: what is heard, what is wanted, and what both were made of."""
        config, casting, draws = self.config, self.casting, draws_of(self.seed, index)
        if draws.extra.random() < config.augment.narrow:
            draws.device = (narrow_band(draws.extra, self.sample_rate),)
        faults = draw_faults(config.faults, self.mics, self.reference, casting.samples, self.sample_rate, draws.wear)
        place = self.place(faults.order[self.reference], draws)

        talkers = casting.talkers(draws)
        images, sources = place.talkers(np.stack([signal for signal, _ in talkers]))
        about: dict[str, Any] = {"talkers": [path for _, path in talkers], **place.about()}
        images, sources = self.balanced(images, sources, place.reference, draws, about)
        noise = np.zeros_like(images[0])
        if config.noisy:
            noise = self.noise_for(images.sum(axis=0), place, index, draws, about)
            images, sources, noise = self.some_alone(images, sources, noise, draws, about)

        if faults.any:
            together = captured(np.concatenate([images, noise[None]]), faults)
            images, noise, about["faults"] = together[:-1], together[-1], faults.about()
            sources = target_gain(faults, self.reference) * sources
        mixture = with_clipping(images.sum(axis=0) + noise, faults)
        if draws.extra.random() < config.augment.clip:
            mixture = clipped(mixture, draws.extra.uniform(*config.augment.clip_db))
        gain = self.gain(mixture, draws, about)
        mixture, sources, images = (np.asarray(gain * s, np.float32) for s in (mixture, sources, images))
        return Example(mixture, sources, images, about)

    def place(self, reference: int, draws: Draws) -> Place:
        """Where this mixture is heard, by the microphone that is on the reference's channel among others."""
        if self.rooms is None:
            return Open(self.config.augment, self.sample_rate, draws.extra)
        return InRoom(self.rooms, self.config.spatial, self.config.sources, reference, draws.places)

    def balanced(
        self, images: np.ndarray, sources: np.ndarray, reference: int, draws: Draws, about: dict[str, Any]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Images and targets with each talker but the first so much quieter than that one."""
        heard = images[:, reference]
        below = [draws.rng.uniform(*self.config.between_talkers_db) for _ in heard[1:]]
        if not below:
            return images, sources
        about["between_talkers_db"], about["overlap"] = below, overlap(heard)
        gains = np.array([1.0, *(ratio(heard[0], h, b) for h, b in zip(heard[1:], below, strict=True))], np.float32)
        return gains[:, None, None] * images, gains[:, None] * sources

    def noise_for(
        self, speech: np.ndarray, place: Place, index: int, draws: Draws, about: dict[str, Any]
    ) -> np.ndarray:
        """Noise at every microphone, `[M, n]`, at the ratio drawn for this mixture of talkers `[M, n]`."""
        drawn = self.casting.noises(draws)
        noise = self.casting.coloured(place.noise([signal for signal, _ in drawn]), draws)
        about["noises"] = [name for _, name in drawn]
        about["snr_db"] = draws.rng.uniform(*self.config.curriculum.range_db(index, self.config.snr_db))
        noise = noise * ratio(speech[place.reference], noise[place.reference], about["snr_db"])
        own = place.own_noise(activity_level(speech[place.reference]), noise.shape)
        return noise if own is None else noise + own

    def some_alone(
        self, images: np.ndarray, sources: np.ndarray, noise: np.ndarray, draws: Draws, about: dict[str, Any]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Talkers and noise as they are; by chance silence in the place of either."""
        options, drawn = self.config.augment, draws.extra.random()
        if drawn < options.noise_only:
            for key in OF_TALKERS & set(about):
                del about[key]
            about["talkers"] = []
            return 0 * images, 0 * sources, noise
        if drawn < options.noise_only + options.speech_only:
            del about["snr_db"]
            about["noises"] = []
            return images, sources, 0 * noise
        return images, sources, noise

    def gain(self, mixture: np.ndarray, draws: Draws, about: dict[str, Any]) -> float:
        """What brings the mixture to the level drawn at the reference microphone."""
        level = np.sqrt(np.mean(mixture[self.reference] ** 2))
        gain = 10 ** (draws.rng.uniform(*self.config.level_db) / 20) / (level + 1e-9)
        gain = min(gain, 0.99 / (np.abs(mixture).max() + 1e-9))  # a microphone would clip; we only keep below it
        about["level_db"] = decibels(gain * level)
        return gain


OF_TALKERS = {"talkers", "snr_db", "between_talkers_db", "overlap", "angle_deg", "azimuths_deg", "distances_m"}


def overlap(talkers: np.ndarray) -> float:
    """Share of the time with speech in which more than one of the talkers `[S, n]` is heard."""
    talking = np.sum([activity(talker) for talker in talkers], axis=0)
    return float(np.mean(talking[talking > 0] > 1)) if np.any(talking) else 0.0


def check_corpora(speech: Corpus, noise: Corpus | None, config: MixConfig, sample_rate: int) -> None:
    """`DataError` where there are too few speakers or seconds for such mixtures."""
    if config.noisy and noise is None:
        raise DataError("the recipe mixes noise but names no folder of noise")
    talkers = len(speech.speakers)
    murmur = max(config.babble_talkers, config.augment.most_babble)
    needed = config.sources + (murmur if config.noisy and config.babble > 0 else 0)
    if talkers < needed:
        raise DataError(
            f"{talkers} speakers: mixtures of {config.sources} talkers, and the babble of "
            f"{needed - config.sources}, need as many; add speakers or set babble = 0"
        )
    if config.alike and not speech.genders(config.sources):
        raise DataError(
            f"alike = {config.alike:g}, but {config.sources} speakers of one gender are not known; give manifest.csv "
            "beside the recordings a column gender, or set alike = 0"
        )
    for name, corpus in (("speech", speech), ("noise", noise if config.noisy else None)):
        if corpus is not None and corpus.total < config.seconds * sample_rate:
            raise DataError(
                f"{corpus.total / sample_rate:.3g} s of {name} in all for mixtures of {config.seconds:g} s; "
                "add recordings or mix shorter ones"
            )
