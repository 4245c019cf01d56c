"""What fixed beams of an array are worth, band by band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_sdk.audio.arrays import MicArray
from edge_sdk.beamforming.fixed import delay_and_sum, superdirective
from edge_sdk.beamforming.measures import beam_pattern_db, directivity_index_db, white_noise_gain_db
from edge_sdk.beamforming.signals import Real
from edge_sdk.beamforming.steering import diffuse_coherence, plane_wave

OCTAVES_HZ = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
BEAMS = ("delay-and-sum", "superdirective")


@dataclass(frozen=True)
class Beam:
    """One beam at one frequency: gain over the noise of the microphones, gain over sound from everywhere alike, and
    gain towards azimuths, `[A]`, relative to the look direction."""

    design: str
    hz: float
    white_noise_gain_db: float
    directivity_index_db: float
    pattern_db: Real


def beams(array: MicArray, look_rad: float, azimuths_rad: Real, bands_hz: Sequence[float] = OCTAVES_HZ) -> list[Beam]:
    """Every design at every band, looking at an azimuth in the plane of x and y; patterns in the same plane."""
    hz = np.asarray(bands_hz, np.float64)
    steering, coherence = plane_wave(array, hz, look_rad), diffuse_coherence(array, hz)
    around = plane_wave(array, hz, azimuths_rad)
    found: list[Beam] = []
    for design, weights in zip(BEAMS, (delay_and_sum(steering), superdirective(steering, coherence)), strict=True):
        noise = white_noise_gain_db(weights, steering)
        diffuse = directivity_index_db(weights, steering, coherence)
        patterns = beam_pattern_db(weights, around)
        found += [Beam(design, float(f), float(noise[n]), float(diffuse[n]), patterns[:, n]) for n, f in enumerate(hz)]
    return found
