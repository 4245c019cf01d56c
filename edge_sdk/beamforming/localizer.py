"""A stream of samples in, talkers and their directions out: spectra, where sound comes from, and who is who."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from edge_sdk.audio.arrays import MicArray
from edge_sdk.beamforming.covariance import forgetting
from edge_sdk.beamforming.finders import Finder, Search, SteeredPower, Subspaces
from edge_sdk.beamforming.grid import Direction, Grid, azimuth_grid, sphere_grid, wrapped
from edge_sdk.beamforming.presence import SpeechPresence
from edge_sdk.beamforming.signals import Real, checked_samples
from edge_sdk.beamforming.srp_phat import HIGHEST_HZ, LOWEST_HZ
from edge_sdk.beamforming.stft import Analysis, STFTConfig
from edge_sdk.beamforming.tracking import Track, Tracker, TrackerConfig
from edge_sdk.beamforming.zones import Zone, listened_to

FINDERS: dict[str, type[SteeredPower] | type[Subspaces]] = {"srp-phat": SteeredPower, "music": Subspaces}
SPHERE_STEP_RAD = float(np.deg2rad(10.0))  # parabolas between points give a degree, and finer grids fill the memory
RAISED_RAD = np.deg2rad([0.0, 20.0, 40.0, 60.0])  # where talkers may be above a flat board
OUTSIDE = 2  # talkers outside the zones who may be heard besides those in them
SETTLES = 0.3  # of the way to a new elevation per look: a tenth of a second with the default frames


@dataclass(frozen=True)
class LocalizerConfig:
    """Who is looked for, and how.

    talkers: at most so many. elevation: look above and below, too. every: frames between two looks. memory_s: time
    constant of what is remembered of the sound. keep, null: zones in which alone, or in which nobody, is looked for.
    least_presence: mean probability of speech over the band below which nobody talks. least: strength of a direction
    below which it is noise; least_share: of the clearest one's strength, below which it is an echo or a side lobe.
    """

    talkers: int = 2
    method: str = "srp-phat"
    elevation: bool = False
    sample_rate: int = 16_000
    stft: STFTConfig = field(default_factory=lambda: STFTConfig(512, 256))
    band_hz: tuple[float, float] = (LOWEST_HZ, HIGHEST_HZ)
    every: int = 2
    memory_s: float = 0.15
    # Steady noise comes to 0.08. In rooms of 0.3 and 0.6 s with noise 10 to 30 dB below, directions stronger than 0.2
    # are those of talkers in 88 to 100 of 100 cases, weaker ones in half of them; with one talker, the second peak
    # reaches 0.69 of the first in one of ten.
    least_presence: float = 0.1
    least: float = 0.2
    least_share: float = 0.8
    keep: tuple[Zone, ...] = ()
    null: tuple[Zone, ...] = ()

    def __post_init__(self) -> None:
        if self.method not in FINDERS:
            raise ValueError(f"method = {self.method!r}: expected {' or '.join(FINDERS)}")
        if self.talkers < 1 or self.every < 1:
            raise ValueError(f"talkers {self.talkers}, every {self.every}: expected at least 1 of each")
        low, high = self.band_hz
        if not 0 <= low < high <= self.sample_rate / 2:
            raise ValueError(f"band {low:g} to {high:g} Hz: expected one within 0 to {self.sample_rate / 2:g} Hz")
        for name in ("least_presence", "least", "least_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} = {getattr(self, name)}: expected 0 to 1")

    @property
    def step_s(self) -> float:
        """Time between two looks."""
        return self.every * self.stft.hop / self.sample_rate


@dataclass(frozen=True)
class Talker:
    """Where somebody is, in radians, with the standard deviation of the azimuth. Whoever is not heard at the moment is
    taken to be where the last words came from. No elevation where none was asked for."""

    azimuth_rad: float
    elevation_rad: float | None
    unsure_rad: float
    heard: bool

    def in_degrees(self) -> dict[str, float | bool | None]:
        """The same for people and for JSON."""
        return {
            "azimuth_deg": round(math.degrees(self.azimuth_rad), 2),
            "elevation_deg": None if self.elevation_rad is None else round(math.degrees(self.elevation_rad), 2),
            "unsure_deg": round(math.degrees(self.unsure_rad), 2),
            "heard": self.heard,
        }


@dataclass(frozen=True)
class Moment:
    """Who is where after so much of the stream: a talker, or None, in every slot. A talker keeps the slot."""

    time_s: float
    talkers: tuple[Talker | None, ...]


class Localizer:
    """Talkers of a stream, look by look. However the stream is cut, the moments are the same.

    `ValueError` where the array cannot tell what is asked for: an elevation when it is flat, anything with one
    microphone.
    """

    def __init__(self, array: MicArray, config: LocalizerConfig) -> None:
        c = self.config = config
        self.mics = array.mics
        hz = c.stft.frequencies_hz(c.sample_rate)
        grid = sphere_grid(array, SPHERE_STEP_RAD) if c.elevation else raised_azimuth_grid(array)
        forget = forgetting(c.memory_s, c.stft.hop, c.sample_rate)
        self._finder: Finder = FINDERS[c.method](Search(array, grid, hz, c.band_hz, c.talkers, forget))
        self._grid = grid
        self._band = (hz >= c.band_hz[0]) & (hz <= c.band_hz[1])
        self._analysis = Analysis(c.stft, array.mics)
        self._presence = SpeechPresence(c.stft.frequencies)
        self._tracker = Tracker(TrackerConfig(slots=c.talkers, step_s=c.step_s, least=c.least))
        self._elevations: list[tuple[Track, float] | None] = [None] * c.talkers
        self._frames, self._talking = 0, False

    def process(self, x: ArrayLike) -> Iterator[Moment]:
        """The moments that samples `[M, n]` complete, with any n. Run it to its end: what is left is lost."""
        c = self.config
        for spectra in self._analysis.push(checked_samples(x, self.mics)):
            presence = self._presence.masks(spectra)
            self._finder.update(spectra, presence)
            self._talking |= bool(presence[0, self._band].mean() >= c.least_presence)
            self._frames += 1
            if self._frames % c.every == 0:
                yield self._look()

    def power(self) -> tuple[Real, Real]:
        """How much sound comes from where: azimuths in radians, `[A]`, and powers from 0 to 1, `[A]`, of the elevation
        that has most."""
        power = self._finder.power().reshape(len(self._grid.azimuths_rad), -1).max(axis=1)
        return self._grid.azimuths_rad, np.clip(power, 0.0, 1.0)

    def _look(self) -> Moment:
        c = self.config
        looked_for = c.talkers if not (c.keep or c.null) else c.talkers + OUTSIDE
        found = self._finder.directions(looked_for) if self._talking else []
        found = [d for d in found if d.strength >= c.least_share * found[0].strength]
        found = [d for d in found if listened_to(d.azimuth_rad, c.keep, c.null)][: c.talkers]
        self._talking = False
        slots = self._tracker.update(found)
        heard = [d for d in found if d.strength >= c.least]
        talkers = tuple(None if track is None else self._talker(s, track, heard) for s, track in enumerate(slots))
        return Moment(self._frames * c.stft.hop / c.sample_rate, talkers)

    def _talker(self, slot: int, track: Track, found: list[Direction]) -> Talker:
        now = track.unseen_s == 0
        elevation = self._elevation(slot, track, found if now else []) if self.config.elevation else None
        return Talker(track.azimuth_rad, elevation, track.unsure_rad, now)

    def _elevation(self, slot: int, track: Track, found: list[Direction]) -> float:
        """Of a track, which itself knows only azimuths: smoothed over the directions nearest to it."""
        before = self._elevations[slot]
        elevation = before[1] if before is not None and before[0] is track else None
        if found:
            nearest = min(found, key=lambda d: abs(wrapped(d.azimuth_rad - track.azimuth_rad)))
            seen = nearest.elevation_rad
            elevation = seen if elevation is None else elevation + SETTLES * (seen - elevation)
        self._elevations[slot] = (track, elevation or 0.0)
        return elevation or 0.0


def raised_azimuth_grid(array: MicArray) -> Grid:
    """Azimuths as `azimuth_grid` has them, each at a few elevations: a talker standing over a board that lies on a
    table is in phase with none of those in its plane. A flat board hears above and below alike, a line tells neither.
    """
    flat = azimuth_grid(array)
    if not flat.circular:
        return flat
    heights = np.ptp(np.asarray(array.positions_m)[:, 2])
    return Grid(flat.azimuths_rad, np.unique([-RAISED_RAD, RAISED_RAD]) if heights > 0 else RAISED_RAD, circular=True)
