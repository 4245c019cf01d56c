"""How sound from one place reaches the microphones: delays, steering vectors, and the coherence of noise.

Azimuth counts from x towards y, elevation from their plane towards z, as in `edge_sdk.audio.arrays`. Steering vectors
are relative to the reference microphone of the array, which hears everything with a factor of one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from edge_sdk.audio.arrays import SPEED_OF_SOUND, MicArray
from edge_sdk.beamforming.signals import Complex, Real

NEAREST_M = 0.01  # a source nearer to a microphone than this is inside it


def unit_vectors(azimuths_rad: ArrayLike, elevations_rad: ArrayLike = 0.0) -> Real:
    """Directions as vectors of length one, `[..., 3]`; angles broadcast against each other."""
    azimuth, elevation = np.broadcast_arrays(
        np.asarray(azimuths_rad, np.float64), np.asarray(elevations_rad, np.float64)
    )
    if not (np.isfinite(azimuth).all() and np.isfinite(elevation).all() and np.all(np.abs(elevation) <= np.pi / 2)):
        raise ValueError("look direction: expected finite angles in radians, the elevation from -pi/2 to pi/2")
    across = np.cos(elevation)
    return np.stack([across * np.cos(azimuth), across * np.sin(azimuth), np.sin(elevation)], axis=-1)


def lead_s(array: MicArray, azimuths_rad: ArrayLike, elevations_rad: ArrayLike = 0.0) -> Real:
    """Seconds by which each microphone hears a plane wave earlier than the reference does, `[..., M]`."""
    positions = np.asarray(array.positions_m)
    offsets = positions - positions[array.reference]
    lead: Real = unit_vectors(azimuths_rad, elevations_rad) @ offsets.T / SPEED_OF_SOUND
    return lead


def plane_wave(
    array: MicArray, frequencies_hz: ArrayLike, azimuths_rad: ArrayLike, elevations_rad: ArrayLike = 0.0
) -> Complex:
    """Steering vectors of sources far away, `[..., F, M]`: phases alone."""
    lead = lead_s(array, azimuths_rad, elevations_rad)[..., np.newaxis, :]
    steering: Complex = np.exp(2j * np.pi * np.asarray(frequencies_hz, np.float64)[:, np.newaxis] * lead)
    return steering


def point_source(array: MicArray, frequencies_hz: ArrayLike, places_m: ArrayLike) -> Complex:
    """Steering vectors of sources at places `[..., 3]` in the array's axes, `[..., F, M]`: phases, and levels that fall
    with distance."""
    places = np.asarray(places_m, np.float64)
    if places.shape[-1:] != (3,) or not np.isfinite(places).all():
        raise ValueError(f"places of shape {list(places.shape)}: expected finite x, y, z in metres on the last axis")
    apart_m = np.linalg.norm(places[..., np.newaxis, :] - np.asarray(array.positions_m), axis=-1)  # [..., M]
    if apart_m.min() < NEAREST_M:
        raise ValueError(f"a source {apart_m.min():g} m from a microphone: expected at least {NEAREST_M:g} m")
    reference_m = apart_m[..., array.reference, np.newaxis]
    later_s = ((apart_m - reference_m) / SPEED_OF_SOUND)[..., np.newaxis, :]
    phases: Complex = np.exp(-2j * np.pi * np.asarray(frequencies_hz, np.float64)[:, np.newaxis] * later_s)
    steering: Complex = (reference_m / apart_m)[..., np.newaxis, :] * phases
    return steering


def diffuse_coherence(array: MicArray, frequencies_hz: ArrayLike) -> Real:
    """Coherence between microphones in sound from everywhere alike, `[F, M, M]`: sin(kd) / kd (Cook et al., 1955)."""
    positions = np.asarray(array.positions_m)
    apart_m = np.linalg.norm(positions[:, np.newaxis] - positions, axis=-1)
    wavelengths = np.asarray(frequencies_hz, np.float64)[:, np.newaxis, np.newaxis] * apart_m / SPEED_OF_SOUND
    coherence: Real = np.sinc(2 * wavelengths)
    return coherence
