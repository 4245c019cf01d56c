"""Ways of looking for talkers in a stream of spectra, behind one face: steered power, and subspaces."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from edge_sdk.audio.arrays import MicArray
from edge_sdk.beamforming.conditioning import FLOOR
from edge_sdk.beamforming.covariance import Covariance
from edge_sdk.beamforming.grid import Direction, Grid
from edge_sdk.beamforming.music import music
from edge_sdk.beamforming.signals import Complex, Real
from edge_sdk.beamforming.srp_phat import APART_RAD, SrpPhat
from edge_sdk.beamforming.steering import plane_wave


class Finder(Protocol):
    """Remembers what it hears for a while and says where that came from. The strength of a direction is one where all
    microphones are in phase for it at all frequencies, and about zero in noise that is different in each."""

    def update(self, spectra: Complex, presence: Real) -> None:
        """Take the spectra `[F, M]` of a frame, every bin as important as speech is likely in it, `[1, F]`."""
        ...

    def directions(self, number: int) -> list[Direction]:
        """At most so many directions, the clearest first; none before anything was heard."""
        ...


class SteeredPower:
    """SRP-PHAT over a grid."""

    def __init__(
        self,
        array: MicArray,
        grid: Grid,
        frequencies_hz: Real,
        band_hz: tuple[float, float],
        talkers: int,
        forget: float,
    ) -> None:
        self._srp = SrpPhat(array, grid, frequencies_hz, forget, band_hz=band_hz)

    def update(self, spectra: Complex, presence: Real) -> None:
        self._srp.update(spectra, presence)

    def directions(self, number: int) -> list[Direction]:
        return self._srp.directions(number)[0]


class Subspaces:
    """MUSIC over a grid, for so many talkers. Its own peaks say nothing of strength, for their height depends on how
    exactly a direction is met; so strength is taken from the coherence of the microphones instead."""

    def __init__(
        self,
        array: MicArray,
        grid: Grid,
        frequencies_hz: Real,
        band_hz: tuple[float, float],
        talkers: int,
        forget: float,
    ) -> None:
        if not talkers < array.mics:
            raise ValueError(
                f"{talkers} talkers and the {array.mics} microphones of {array.name}: MUSIC needs at least one "
                "microphone more than talkers; look for fewer, or take srp-phat"
            )
        self._band = np.flatnonzero((frequencies_hz >= band_hz[0]) & (frequencies_hz <= band_hz[1]))
        if not len(self._band):
            raise ValueError(f"band {band_hz[0]:g} to {band_hz[1]:g} Hz: no frequency of {len(frequencies_hz)} in it")
        self._array, self._grid, self._talkers = array, grid, talkers
        self._hz: Real = frequencies_hz[self._band]
        self._steering = plane_wave(array, self._hz, *grid.directions())
        self._covariance = Covariance(1, len(self._band), array.mics, forget)

    def update(self, spectra: Complex, presence: Real) -> None:
        self._covariance.update(spectra[self._band], presence[:, self._band])

    def directions(self, number: int) -> list[Direction]:
        covariance = self._covariance.values[0]
        spectrum = music(covariance, self._steering, self._talkers, normalize=True)
        found = self._grid.peaks(spectrum, number, APART_RAD)
        if not found:
            return []
        places = [d.azimuth_rad for d in found], [d.elevation_rad for d in found]
        strengths = steered_coherence(covariance, plane_wave(self._array, self._hz, *places))
        measured = [Direction(d.azimuth_rad, d.elevation_rad, float(s)) for d, s in zip(found, strengths, strict=True)]
        return sorted(measured, key=lambda d: -d.strength)


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
