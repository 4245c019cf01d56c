"""Steered filters that find where to look: where the statistics of each talker agree best with plane waves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.arrays import MicArray
from edge_sdk.beamforming.designs import Design, Learned
from edge_sdk.beamforming.gcc_phat import phat
from edge_sdk.beamforming.grid import azimuth_grid
from edge_sdk.beamforming.nulls import Nulls, nulls_for, zone_coherence
from edge_sdk.beamforming.signals import Complex, Real
from edge_sdk.beamforming.srp_phat import HIGHEST_HZ, LOWEST_HZ
from edge_sdk.beamforming.steering import plane_wave
from edge_sdk.beamforming.zones import Zone, listened_to


class Steered(Protocol):
    """Makes a design of steering vectors `[S, F, M]` and of nulls."""

    def __call__(self, steering: Complex, nulls: Nulls | None) -> Design: ...


class Found:
    """A steered design that looks at each talker, whose azimuth is the highest peak of the steered response power with
    phase transform of its covariance, of peaks in the zones to keep and outside of those to null. What the frequencies
    of one turn say is enough: they lie all over the band."""

    learns: ClassVar[bool] = True

    def __init__(
        self,
        array: MicArray,
        frequencies_hz: Real,
        steered: Steered,
        keep: Sequence[Zone] = (),
        null: Sequence[Zone] = (),
    ) -> None:
        self._grid = azimuth_grid(array)
        azimuths = self._grid.azimuths_rad
        allowed = [listened_to(float(azimuth), tuple(keep), tuple(null)) for azimuth in azimuths]
        if not any(allowed):
            raise ValueError("zones to keep and to null leave no azimuth: expected 5 degrees or more to look at")
        self._forbidden = np.flatnonzero(~np.array(allowed))
        self._steered = steered
        self._steering = plane_wave(array, frequencies_hz, azimuths)  # [D, F, M]
        self._nulls = None
        if null:
            self._nulls = nulls_for(self._steering, zone_coherence(array, frequencies_hz, null)[np.newaxis])
        self._first, self._second = np.triu_indices(array.mics, 1)
        in_band = (frequencies_hz >= LOWEST_HZ) & (frequencies_hz <= HIGHEST_HZ)
        pairs = self._steering[..., self._first].conj() * self._steering[..., self._second]
        # [F, P, D], for turns are slices of F; single precision, for a grid is coarser.
        self._aligning = np.ascontiguousarray((pairs * in_band[:, np.newaxis]).transpose(1, 2, 0), np.complex64)

    def weights(self, learned: Learned) -> Complex:
        cross = phat(learned.speech[..., self._first, self._second]).astype(np.complex64)  # [S, F, P]
        aligning = self._aligning[learned.bins]
        power = (cross.reshape(len(cross), -1) @ aligning.reshape(-1, aligning.shape[-1])).real  # [S, D]
        best = self._best(power.astype(np.float64))
        nulls = None if self._nulls is None else self._nulls.of(best)
        return self._steered(self._steering[best], nulls).weights(learned)

    def _best(self, power: Real) -> NDArray[np.intp]:
        """The azimuth of each talker, of powers `[S, D]`: not the slope of a peak outside of the zones, where there is
        a peak within."""
        map_ = power.T
        slope = (map_ < self._grid.shifted(map_, -1, 0)) | (map_ < self._grid.shifted(map_, 1, 0))
        map_ = map_ - slope * (1 + np.ptp(map_))  # below all peaks, and in order among themselves
        map_[self._forbidden] = -np.inf
        best: NDArray[np.intp] = np.argmax(map_, axis=0)
        return best
