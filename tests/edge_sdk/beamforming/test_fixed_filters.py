"""Filters of the array alone, which need to hear nothing, have the gains of the textbook."""

import numpy as np
import pytest

from edge_sdk.audio.arrays import MicArray, load_array
from edge_sdk.beamforming.fixed import delay_and_sum, superdirective
from edge_sdk.beamforming.measures import directivity_index_db, white_noise_gain_db
from edge_sdk.beamforming.mvdr import steered_mvdr
from edge_sdk.beamforming.steering import diffuse_coherence, plane_wave, point_source, unit_vectors
from models.evaluation import beamformers as offline
from tests.edge_sdk.beamforming.scenes import CIRCLE, gain

HZ = np.linspace(0, 8000, 33)


@pytest.mark.parametrize("name", ["respeaker-2mic", "respeaker-4mic", "respeaker-6mic", "minidsp-uma8"])
def test_delay_and_sum_gains_the_number_of_microphones_in_white_noise(name: str) -> None:
    array = load_array(name)
    d = plane_wave(array, HZ, np.deg2rad([0.0, 75.0]))
    weights = delay_and_sum(d)
    np.testing.assert_allclose(gain(weights, d), 1, rtol=1e-12)
    np.testing.assert_allclose(white_noise_gain_db(weights, d), 10 * np.log10(array.mics), atol=1e-9)


def test_directivity_of_a_line_is_that_of_the_textbook() -> None:
    """Endfire arrays of M microphones with vanishing spacing reach M^2, delay-and-sum broadside of half wavelengths M
    (Elko, "Superdirectional microphone arrays", 2000)."""
    line = MicArray("line", "", "", tuple((0.01 * i, 0.0, 0.0) for i in range(3)), (0, 1, 2), 3)
    hz = np.array([300.0])
    weights = superdirective(plane_wave(line, hz, 0.0), diffuse_coherence(line, hz), -np.inf)
    index = directivity_index_db(weights, plane_wave(line, hz, 0.0), diffuse_coherence(line, hz))
    np.testing.assert_allclose(index, 10 * np.log10(9), atol=0.02)
    half = np.array([line.aliasing_hz()])
    broadside = plane_wave(line, half, np.pi / 2)
    index = directivity_index_db(delay_and_sum(broadside), broadside, diffuse_coherence(line, half))
    np.testing.assert_allclose(index, 10 * np.log10(3), atol=1e-9)


@pytest.mark.parametrize(("mics", "factor"), [(3, 4.0), (5, 7.75)])
def test_directivity_of_a_circle_is_that_of_the_textbook(mics: int, factor: float) -> None:
    """Circles of 2 N + 1 microphones with vanishing radius reach all patterns up to order N in their plane, which add
    1, 3, 3.75 to the directivity factor in spherically diffuse noise (Ma, Yang, He & Dong, "Theoretical and practical
    solutions for high-order superdirectivity of circular sensor arrays", 2013)."""
    angles = 2 * np.pi * np.arange(mics) / mics
    places = tuple((0.01 * float(np.cos(a)), 0.01 * float(np.sin(a)), 0.0) for a in angles)
    circle, hz = MicArray("circle", "", "", places, tuple(range(mics)), mics), np.array([300.0])
    towards, coherence = plane_wave(circle, hz, 0.0), diffuse_coherence(circle, hz)
    index = directivity_index_db(steered_mvdr(coherence + 0j, towards, 1e-13), towards, coherence)
    np.testing.assert_allclose(index, 10 * np.log10(factor), atol=0.02)  # 1 cm is 1/114 of a wavelength


@pytest.mark.parametrize("least_db", [-20.0, -10.0, 0.0, 5.9])
def test_superdirective_filters_keep_the_least_white_noise_gain_and_do_not_distort(least_db: float) -> None:
    d, coherence = plane_wave(CIRCLE, HZ, np.deg2rad([0.0, 33.0])), diffuse_coherence(CIRCLE, HZ)
    weights = superdirective(d, coherence, least_db)
    np.testing.assert_allclose(gain(weights, d), 1, rtol=1e-9)
    assert white_noise_gain_db(weights, d).min() > least_db - 0.01
    plain = directivity_index_db(delay_and_sum(d), d, coherence)
    better = directivity_index_db(weights, d, coherence) - plain
    assert better.min() > -1e-6
    if least_db <= -10:
        assert better[:, 2].min() > 2  # at 500 Hz, where delay-and-sum hears all around


def test_superdirective_without_a_bound_is_mvdr_in_diffuse_noise() -> None:
    d, coherence = plane_wave(CIRCLE, HZ[12:], 0.3), diffuse_coherence(CIRCLE, HZ[12:])
    np.testing.assert_allclose(superdirective(d, coherence, -np.inf), steered_mvdr(coherence + 0j, d, 0.0), rtol=1e-4)


def test_superdirective_filters_leave_dead_microphones_out() -> None:
    heard = np.array([True, True, False, True])
    d, coherence = plane_wave(CIRCLE, HZ, 0.3), diffuse_coherence(CIRCLE, HZ)
    weights = superdirective(d, coherence, -10.0, heard)
    np.testing.assert_allclose(weights[:, ~heard], 0, atol=1e-12)
    rest = superdirective(d[:, heard], coherence[:, heard][:, :, heard], -10.0)
    np.testing.assert_allclose(weights[:, heard], rest, rtol=0, atol=1e-5)  # at 0 Hz the problem is nearly singular


def test_steering_vectors_are_those_of_the_offline_baseline() -> None:
    azimuths = np.deg2rad([-170.0, 0.0, 41.0])
    want = offline.steering_vectors(np.asarray(CIRCLE.positions_m), azimuths, HZ)
    np.testing.assert_allclose(plane_wave(CIRCLE, HZ, azimuths), want, atol=1e-12)


def test_a_point_far_away_sends_plane_waves() -> None:
    towards = unit_vectors(0.7, 0.4)
    far = point_source(CIRCLE, HZ, 1e4 * towards)
    np.testing.assert_allclose(far, plane_wave(CIRCLE, HZ, 0.7, 0.4), atol=2e-5)  # the aperture over the distance
    near = point_source(CIRCLE, HZ, [-0.5, 0.0, 0.0])
    distances = np.linalg.norm(np.asarray(CIRCLE.positions_m) - np.array([-0.5, 0, 0]), axis=1)
    np.testing.assert_allclose(np.abs(near), np.broadcast_to(distances[0] / distances, near.shape), rtol=1e-12)
