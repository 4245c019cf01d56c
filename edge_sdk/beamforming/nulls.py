"""Nulls: parts of the horizon that a steered filter hears as little of as its microphones afford.

Sound from a zone is added to the noise that a filter is made against, much louder than all else. Where microphones
hardly tell the zone from the look direction, as at low frequencies, a filter would cancel one by differences, and
amplify the microphones' own noise without limit; so the zone is taken to be just as loud there as leaves the
white-noise gain above a least one (Cox, Zeskind & Owen, "Robust adaptive beamforming", 1987).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.arrays import MicArray
from edge_sdk.beamforming.conditioning import only_heard, power
from edge_sdk.beamforming.fixed import LEAST_WHITE_NOISE_GAIN_DB, least_loading
from edge_sdk.beamforming.signals import Complex, Real
from edge_sdk.beamforming.steering import plane_wave
from edge_sdk.beamforming.zones import Zone

LOUDEST = 1e3  # times the noise: nulls 60 dB deep, and a hundredth of the noise is what loading adds then
STEP_RAD = np.deg2rad(2.0)  # between plane waves that stand for a zone


@dataclass(frozen=True)
class Nulls:
    """What sound from the zones of each output is like, coherence `[S, F, M, M]`, or `[1, F, M, M]` for all, and how
    many times louder than all other noise it is taken to be, `[S, F]`."""

    coherence: Complex
    strength: Real

    def louder(self, noise: Complex, bins: slice, heard: NDArray[np.bool_]) -> Complex:
        """Noise `[..., F, M, M]` of some frequencies with that of the zones, `[S, F, M, M]`."""
        level = self.strength[:, bins] * power(noise)
        added: Complex = noise + level[..., np.newaxis, np.newaxis] * only_heard(self.coherence[:, bins], heard)
        return added

    def of(self, looks: NDArray[np.intp]) -> Nulls:
        """Those of some of the look directions, by number, when all have the same zones."""
        return Nulls(self.coherence, self.strength[looks])


def nulls_for(steering: Complex, coherence: Complex) -> Nulls:
    """The deepest nulls that filters for steering vectors `[S, F, M]` afford on sound of a coherence `[S, F, M, M]`, or
    `[1, F, M, M]` for all of them."""
    values, vectors = np.linalg.eigh(coherence)
    turned: Complex = (vectors.conj().swapaxes(-1, -2) @ steering[..., np.newaxis])[..., 0]
    loading = least_loading(turned.real**2 + turned.imag**2, values, LEAST_WHITE_NOISE_GAIN_DB)
    return Nulls(coherence, np.minimum(1 / loading, LOUDEST))


def zone_coherence(array: MicArray, frequencies_hz: Real, zones: Sequence[Zone]) -> Complex:
    """Coherence `[F, M, M]` of sound from zones, from all azimuths of a zone alike, at the height of the array."""
    found: Complex = np.zeros((len(frequencies_hz), array.mics, array.mics), np.complex128)
    for zone in zones:
        azimuths = zone.start_rad + np.linspace(0, zone.width_rad, 1 + int(np.ceil(zone.width_rad / STEP_RAD)))
        waves = plane_wave(array, frequencies_hz, azimuths).transpose(1, 2, 0)  # [F, M, A]
        found += waves @ waves.conj().swapaxes(-1, -2) / (len(azimuths) * len(zones))
    return found
