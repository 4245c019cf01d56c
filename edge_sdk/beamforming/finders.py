"""Ways of looking for talkers in a stream of spectra, behind one face: steered power, and subspaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edge_sdk.audio.arrays import MicArray
from edge_sdk.beamforming.conditioning import FLOOR
from edge_sdk.beamforming.covariance import Covariance
from edge_sdk.beamforming.grid import Direction, Grid
from edge_sdk.beamforming.music import music
from edge_sdk.beamforming.signals import Complex, Real
from edge_sdk.beamforming.srp_phat import APART_RAD, SrpPhat, bins_within
from edge_sdk.beamforming.steering import plane_wave


@dataclass(frozen=True)
class Search:
    """Where a finder looks with an array, for how many talkers, and by which of the frequencies `[F]` of its spectra.

    forget: what is left after a frame of what was heard.
    """

    array: MicArray
    grid: Grid
    frequencies_hz: Real
    band_hz: tuple[float, float]
    talkers: int
    forget: float


class Finder(Protocol):
    """Remembers what it hears for a while and says where that came from. The strength of a direction is one where all
    microphones are in phase for it at all frequencies, and about zero in noise that is different in each."""

    def update(self, spectra: Complex, presence: Real) -> None:
        """Take the spectra `[F, M]` of a frame, every bin as important as speech is likely in it, `[1, F]`."""
        ...

    def directions(self, number: int) -> list[Direction]:
        """At most so many directions, the clearest first; none before anything was heard."""
        ...

    def power(self) -> Real:
        """What the peaks are those of: a number of at most one for each point of the grid, `[D]`; zero in silence."""
        ...


class SteeredPower:
    """SRP-PHAT over a grid."""

    def __init__(self, search: Search) -> None:
        self._srp = SrpPhat(search.array, search.grid, search.frequencies_hz, search.forget, band_hz=search.band_hz)

    def update(self, spectra: Complex, presence: Real) -> None:
        self._srp.update(spectra, presence)

    def directions(self, number: int) -> list[Direction]:
        return self._srp.directions(number)[0]

    def power(self) -> Real:
        power: Real = self._srp.power()[0]
        return power


class Subspaces:
    """MUSIC over a grid, for so many talkers. Its own peaks say nothing of strength, for their height depends on how
    exactly a direction is met; so strength is taken from the coherence of the microphones instead."""

    def __init__(self, search: Search) -> None:
        array, self._search = search.array, search
        if not search.talkers < array.mics:
            raise ValueError(
                f"{search.talkers} talkers and the {array.mics} microphones of {array.name}: MUSIC needs at least one "
                "microphone more than talkers; look for fewer, or take srp-phat"
            )
        self._band = bins_within(search.band_hz, search.frequencies_hz)
        self._hz: Real = search.frequencies_hz[self._band]
        self._steering = plane_wave(array, self._hz, *search.grid.directions())
        self._covariance = Covariance(1, len(self._band), array.mics, search.forget)

    def update(self, spectra: Complex, presence: Real) -> None:
        self._covariance.update(spectra[self._band], presence[:, self._band])

    def directions(self, number: int) -> list[Direction]:
        found = self._search.grid.peaks(self.power(), number, APART_RAD)
        if not found:
            return []
        places = [d.azimuth_rad for d in found], [d.elevation_rad for d in found]
        towards = plane_wave(self._search.array, self._hz, *places)
        strengths = steered_coherence(self._covariance.values[0], towards)
        measured = [Direction(d.azimuth_rad, d.elevation_rad, float(s)) for d, s in zip(found, strengths, strict=True)]
        return sorted(measured, key=lambda d: -d.strength)

    def power(self) -> Real:
        return music(self._covariance.values[0], self._steering, self._search.talkers, normalize=True)


def steered_coherence(covariance: Complex, steering: Complex) -> Real:
    """The mean coherence of all pairs of microphones, turned into phase for directions, `[D]`: at most one; for
    covariances `[F, M, M]` and steering vectors `[D, F, M]`."""
    mics = covariance.shape[-1]
    levels = np.sqrt(np.einsum("fmm->fm", covariance).real)
    products = levels[:, :, np.newaxis] * levels[:, np.newaxis]
    coherence = np.divide(covariance, products, out=np.zeros_like(covariance), where=products > FLOOR)
    np.einsum("fmm->fm", coherence)[...] = 0  # a microphone with itself
    turned = steering.conj() * np.einsum("fmn,dfn->dfm", coherence, steering)
    mean: Real = turned.real.sum(axis=-1).mean(axis=-1) / (mics * (mics - 1))
    return mean
