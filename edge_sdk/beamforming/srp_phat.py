"""Where sound comes from: steered response power with phase transform, frame by frame.

J. DiBiase, H. Silverman & M. Brandstein, "Robust localization in reverberant rooms", in Microphone Arrays (2001).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.arrays import MicArray
from edge_sdk.beamforming.covariance import checked_forget
from edge_sdk.beamforming.gcc_phat import phat
from edge_sdk.beamforming.grid import Direction, Grid
from edge_sdk.beamforming.signals import Complex, Real
from edge_sdk.beamforming.steering import plane_wave

LOWEST_HZ, HIGHEST_HZ = 200.0, 7_000.0  # below, rooms say nothing of directions; above, there is little speech
FORGOTTEN = 1e-9  # of the weight of one bin: who has been silent for so long is forgotten before numbers get denormal
APART_RAD = np.deg2rad(20.0)  # nearer than this two peaks are one talker


class SrpPhat:
    """Recursive steered response power over the directions of a grid, for all sound or for each of several masks.

    The power of a direction is one where all microphones of all frequencies are in phase, and about zero in noise
    that is different in each. It is summed over pairs of microphones, so that all directions together are one matrix
    product, and the recursion runs over pairs and frequencies, not directions.
    """

    def __init__(
        self,
        array: MicArray,
        grid: Grid,
        frequencies_hz: Real,
        forget: float = 0.9,
        masks: int = 1,
        band_hz: tuple[float, float] = (LOWEST_HZ, HIGHEST_HZ),
    ) -> None:
        if array.mics < 2:
            raise ValueError(f"array {array.name} has {array.mics} microphone: expected at least 2 to tell a direction")
        self.grid, self._forget = grid, checked_forget(forget)
        self._band = bins_within(band_hz, frequencies_hz)
        self._first, self._second = np.triu_indices(array.mics, 1)
        steering = plane_wave(array, frequencies_hz[self._band], *grid.directions())  # [D, F, M]
        aligning = steering[..., self._first].conj() * steering[..., self._second]  # [D, F, P]
        # Float32, for directions are read to degrees; real and imaginary parts side by side make it a real product.
        parts = np.stack([aligning.real, -aligning.imag], axis=-1)
        self._aligning = np.ascontiguousarray(parts.reshape(grid.size, -1).T, np.float32)
        self._cross: Complex = np.zeros((masks, len(self._band), len(self._first)), np.complex128)
        self._weight: Real = np.zeros(masks)

    def update(self, spectra: Complex, masks: NDArray[np.floating] | None = None) -> None:
        """Take a frame `[F, M]`, every bin as important as its mask `[S, F]`; digital silence is passed over."""
        if not spectra.any():
            return
        phases = phat(spectra[self._band])
        pairs = phases[:, self._first] * phases[:, self._second].conj()
        weights = np.ones((1, len(self._band))) if masks is None else np.asarray(masks, np.float64)[:, self._band]
        self._cross *= self._forget
        self._cross += (1 - self._forget) * weights[..., np.newaxis] * pairs
        self._weight *= self._forget
        self._weight += (1 - self._forget) * weights.sum(axis=1) * len(self._first)
        gone = self._weight < FORGOTTEN
        self._cross[gone], self._weight[gone] = 0, 0

    def power(self) -> Real:
        """The power of every direction, `[S, D]`, at most one; 0 where a mask has let nothing through."""
        parts = self._cross.reshape(len(self._cross), -1).view(np.float64).astype(np.float32)
        summed = (parts @ self._aligning).astype(np.float64)
        power: Real = summed / np.maximum(self._weight, np.finfo(np.float32).tiny)[:, np.newaxis]
        return power

    def directions(self, number: int = 1, apart_rad: float = APART_RAD) -> list[list[Direction]]:
        """For every mask up to so many directions, the clearest first; none before anything was heard."""
        return [
            self.grid.peaks(power, number, apart_rad) if weight > 0 else []
            for power, weight in zip(self.power(), self._weight, strict=True)
        ]

    def reset(self) -> None:
        """Forget everything."""
        self._cross.fill(0)
        self._weight.fill(0)


def bins_within(band_hz: tuple[float, float], frequencies_hz: Real) -> NDArray[np.intp]:
    """Which frequencies, by number, lie within a band; `ValueError` where none does."""
    low, high = band_hz
    bins: NDArray[np.intp] = np.flatnonzero((frequencies_hz >= low) & (frequencies_hz <= high))
    if not len(bins):
        raise ValueError(f"band {low:g} to {high:g} Hz: no frequency of {len(frequencies_hz)} in it")
    return bins
