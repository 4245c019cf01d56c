"""Delay-and-sum that finds its directions: those in which the statistics of each talker agree best with plane waves."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from edge_sdk.audio.arrays import MicArray
from edge_sdk.beamforming.designs import Learned
from edge_sdk.beamforming.fixed import delay_and_sum
from edge_sdk.beamforming.gcc_phat import phat
from edge_sdk.beamforming.grid import Grid, azimuth_grid
from edge_sdk.beamforming.signals import Complex, Real
from edge_sdk.beamforming.srp_phat import HIGHEST_HZ, LOWEST_HZ
from edge_sdk.beamforming.steering import plane_wave


class FoundDelayAndSum:
    """Aligns the microphones towards each talker, whose azimuth is the peak of the steered response power with phase
    transform of its covariance. What the frequencies of one turn say is enough: they lie all over the band."""

    learns: ClassVar[bool] = True

    def __init__(self, array: MicArray, frequencies_hz: Real, grid: Grid | None = None) -> None:
        self._steering = plane_wave(array, frequencies_hz, *(grid or azimuth_grid(array)).directions())  # [D, F, M]
        self._first, self._second = np.triu_indices(array.mics, 1)
        in_band = (frequencies_hz >= LOWEST_HZ) & (frequencies_hz <= HIGHEST_HZ)
        pairs = self._steering[..., self._first].conj() * self._steering[..., self._second]
        # [F, P, D], for turns are slices of F; single precision, for a grid is coarser.
        self._aligning = np.ascontiguousarray((pairs * in_band[:, np.newaxis]).transpose(1, 2, 0), np.complex64)

    def weights(self, learned: Learned) -> Complex:
        cross = phat(learned.speech[..., self._first, self._second]).astype(np.complex64)  # [S, F, P]
        aligning = self._aligning[learned.bins]
        power = (cross.reshape(len(cross), -1) @ aligning.reshape(-1, aligning.shape[-1])).real  # [S, D]
        towards = self._steering[np.argmax(power, axis=1)][:, learned.bins]
        return delay_and_sum(towards * learned.heard)
