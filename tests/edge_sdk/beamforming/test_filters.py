"""Every filter is the solution of the problem that names it."""

from itertools import pairwise

import numpy as np
import pytest

from edge_sdk.beamforming.fixed import delay_and_sum
from edge_sdk.beamforming.gev import gev, most_snr, relative_transfer
from edge_sdk.beamforming.lcmv import lcmv
from edge_sdk.beamforming.measures import beam_pattern_db
from edge_sdk.beamforming.mvdr import inverse_mvdr, souden_mvdr, steered_mvdr
from edge_sdk.beamforming.steering import plane_wave, point_source
from edge_sdk.beamforming.wiener import MOST_MU, mu_of, rank_one_mwf, sdw_mwf
from models.evaluation import beamformers as offline
from tests.edge_sdk.beamforming.scenes import CIRCLE, complex_noise, gain, outer, random_covariance

FREQUENCIES, MICS, REFERENCE = 7, 4, 2
HZ = np.linspace(0, 8000, 33)


def scene(talkers: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Transfers of point-like talkers relative to the reference `[S, F, M]`, their covariances and one of noise."""
    transfer = complex_noise(talkers, FREQUENCIES, MICS, seed=1)
    transfer /= transfer[..., REFERENCE, None]
    powers = np.random.default_rng(2).uniform(0.5, 2, (talkers, FREQUENCIES, 1, 1))
    return transfer, powers * outer(transfer), random_covariance(FREQUENCIES, mics=MICS)


def variance(weights: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    return np.einsum("...m,...mn,...n->...", weights.conj(), covariance, weights).real


def test_the_forms_of_mvdr_are_the_closed_form_and_do_not_distort() -> None:
    (d,), (speech,), noise = scene()
    inverse = np.linalg.inv(noise)
    closed = (inverse @ d[..., None])[..., 0] / gain(d, (inverse @ d[..., None])[..., 0])[..., None]
    for weights in (
        souden_mvdr(speech, noise, REFERENCE, loading=0.0),
        steered_mvdr(noise, d, loading=0.0),
        inverse_mvdr(inverse, d),
    ):
        np.testing.assert_allclose(weights, closed, rtol=1e-9)
        np.testing.assert_allclose(gain(weights, d), 1, rtol=1e-9)


def test_loading_does_not_distort_either() -> None:
    (d,), (speech,), noise = scene()
    for loading in (1e-5, 1e-1, 1e3):
        np.testing.assert_allclose(gain(steered_mvdr(noise, d, loading), d), 1, rtol=1e-9)
        np.testing.assert_allclose(gain(souden_mvdr(speech, noise, REFERENCE, loading), d), 1, rtol=1e-9)


def test_much_loading_makes_mvdr_delay_and_sum() -> None:
    (d,), _, noise = scene()
    np.testing.assert_allclose(steered_mvdr(noise, d, 1e9), delay_and_sum(d), rtol=1e-6)


def test_mvdr_and_mwf_are_those_of_the_offline_baseline() -> None:
    _, (speech,), noise = scene()
    np.testing.assert_allclose(souden_mvdr(speech, noise), offline.mvdr(speech, noise), rtol=1e-8)
    np.testing.assert_allclose(sdw_mwf(speech, noise), offline.mwf(speech, noise), rtol=1e-8)


@pytest.mark.parametrize("mu", [1e-6, 0.3, 1.0, 7.0])
def test_for_a_point_both_wiener_filters_are_one_and_span_from_mvdr_to_mwf(mu: float) -> None:
    (d,), (speech,), noise = scene()
    general = sdw_mwf(speech, noise, mu, REFERENCE, loading=0.0)
    np.testing.assert_allclose(rank_one_mwf(speech, noise, mu, REFERENCE, 0.0), general, rtol=1e-7)
    if mu < 1e-5:
        np.testing.assert_allclose(general, steered_mvdr(noise, d, 0.0), rtol=1e-4)  # of the order of mu
    if mu == 1:
        np.testing.assert_allclose(general, np.linalg.solve(speech + noise, speech)[..., REFERENCE], rtol=1e-9)


@pytest.mark.parametrize("suppression", [0.1, 0.5, 0.8])
def test_the_control_weighs_distortion_against_noise(suppression: float) -> None:
    """No other filter has less of `(1 - s) distortion + s noise`."""
    speech, noise = random_covariance(FREQUENCIES, mics=MICS, seed=3), random_covariance(FREQUENCIES, mics=MICS)
    best = sdw_mwf(speech, noise, mu_of(suppression), REFERENCE, loading=0.0)
    unit = np.eye(MICS)[REFERENCE]

    def cost(w: np.ndarray) -> np.ndarray:
        return (1 - suppression) * variance(unit - w, speech) + suppression * variance(w, noise)

    for seed in range(20):
        assert (cost(best + 1e-3 * complex_noise(FREQUENCIES, MICS, seed=seed)) > cost(best)).all()


def test_the_control_runs_from_mvdr_over_mwf_to_its_end() -> None:
    curve = [mu_of(s) for s in np.linspace(0, 1, 101)]
    assert (curve[0], curve[50], curve[75], curve[-1]) == (0, 1, pytest.approx(3), MOST_MU)
    assert all(a <= b for a, b in pairwise(curve))
    (d,), (speech,), noise = scene()
    gains = [np.abs(gain(rank_one_mwf(speech, noise, mu, REFERENCE), d)) for mu in curve[::10]]
    assert all((a >= b).all() for a, b in pairwise(gains))
    for bad in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="expected 0"):
            mu_of(bad)


def test_without_distortion_the_general_wiener_filter_is_the_reference_where_speech_is_no_point() -> None:
    speech, noise = random_covariance(FREQUENCIES, mics=MICS, seed=3), random_covariance(FREQUENCIES, mics=MICS)
    weights = sdw_mwf(speech, noise, 1e-9, REFERENCE, 0.0)
    np.testing.assert_allclose(weights, np.broadcast_to(np.eye(MICS)[REFERENCE], weights.shape), atol=1e-6)


def test_gev_has_the_largest_generalized_eigenvalue() -> None:
    speech, noise = random_covariance(FREQUENCIES, mics=MICS, seed=3), random_covariance(FREQUENCIES, mics=MICS)
    largest = np.linalg.eigvals(np.linalg.solve(noise, speech)).real.max(axis=-1)
    for weights in (most_snr(speech, noise, 0.0)[0], gev(speech, noise, REFERENCE, 0.0)):
        np.testing.assert_allclose(variance(weights, speech) / variance(weights, noise), largest, rtol=1e-9)


def test_blind_normalization_is_that_of_the_paper_and_in_phase_with_the_talker() -> None:
    (d,), (speech,), noise = scene()
    weights = gev(speech, noise, REFERENCE, 0.0)
    assert np.abs(np.angle(gain(weights, d))).max() < 1e-9
    raw = most_snr(speech, noise, 0.0)[0]
    factor = np.sqrt(variance(raw, noise @ noise) / MICS) / variance(raw, noise)
    np.testing.assert_allclose(np.abs(weights), np.abs(raw) * factor[:, None], rtol=1e-9)
    # In noise of equal power in every microphone, each its own, the gain is that of a filter that does not distort,
    # for a talker who is equally loud everywhere.
    flat = d / np.abs(d)
    plain = gev(outer(flat), np.broadcast_to(np.eye(MICS), noise.shape), REFERENCE)
    np.testing.assert_allclose(gain(plain, flat), 1, rtol=1e-4)


def test_the_transfer_of_a_point_is_found_in_any_noise() -> None:
    (d,), (speech,), noise = scene()
    np.testing.assert_allclose(relative_transfer(speech, noise, REFERENCE, 0.0), d, rtol=1e-8)
    np.testing.assert_allclose(relative_transfer(speech + 3 * noise, noise, REFERENCE, 0.0), d, rtol=1e-8)


def test_lcmv_lets_one_talker_through_and_cancels_the_others_with_least_noise() -> None:
    transfer, _, noise = scene(3)
    weights = lcmv(noise, transfer)
    responses = np.einsum("sfm,tfm->stf", weights.conj(), transfer)
    np.testing.assert_allclose(responses, np.broadcast_to(np.eye(3)[..., None], responses.shape), atol=1e-6)
    for seed in range(20):  # directions that change no constraint
        other = complex_noise(FREQUENCIES, MICS, seed=seed)
        other -= project(np.moveaxis(transfer, 0, -1), other)
        assert (variance(weights[0] + 1e-3 * other, noise) > variance(weights[0], noise) * (1 - 1e-9)).all()
    np.testing.assert_allclose(lcmv(noise, transfer[:1])[0], steered_mvdr(noise, transfer[0]), rtol=1e-7)


def project(columns: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """The part of vectors `[F, M]` within the span of columns `[F, M, K]`."""
    return (columns @ np.linalg.pinv(columns) @ vectors[..., None])[..., 0]


def test_a_null_on_one_interferer_is_deep() -> None:
    towards, away = plane_wave(CIRCLE, HZ[4:], np.deg2rad([20.0, 110.0]))  # from 1 kHz
    noise = outer(away) + 1e-4 * np.eye(4)
    weights = steered_mvdr(noise, towards)
    assert beam_pattern_db(weights, away[None]).max() < -30
    assert np.abs(beam_pattern_db(weights, towards[None])).max() < 0.01
    exact = lcmv(np.broadcast_to(np.eye(4, dtype=complex), noise.shape), np.stack([towards, away]))[0]
    assert beam_pattern_db(exact, away[None]).max() < -80


FILTERS = {
    "souden": souden_mvdr,
    "rank one": lambda s, n: rank_one_mwf(s, n, 1.0),
    "general": sdw_mwf,
    "gev": gev,
    "transfer": relative_transfer,
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters_stay_finite_whatever_is_silent(name: str) -> None:
    """The talker, the noise, a microphone, or all; and at powers from far below to far above what is heard."""
    _, (speech,), noise = scene()
    dead = np.ones((MICS, MICS))
    dead[1], dead[:, 1] = 0, 0
    nothing = np.zeros_like(noise)
    for s, n in [(nothing, noise), (speech, nothing), (nothing, nothing), (speech * dead, noise * dead)]:
        for scale in (1e-30, 1e-12, 1.0, 1e12):
            weights = FILTERS[name](scale * s, scale * n)
            assert np.isfinite(weights).all()
            assert np.abs(weights).max() < 1e6
            if s is nothing:
                np.testing.assert_array_equal(weights, 0)


def test_a_dead_microphone_gets_no_weight() -> None:
    _, (speech,), noise = scene()
    dead = np.ones((MICS, MICS))
    dead[1], dead[:, 1] = 0, 0
    rest = [0, 2, 3]
    for name in ("souden", "rank one", "general", "transfer"):
        weights = FILTERS[name](speech * dead, noise * dead)
        np.testing.assert_allclose(weights[:, 1], 0, atol=1e-12)
        want = FILTERS[name](*(c[:, rest][..., rest] for c in (speech, noise)))
        np.testing.assert_allclose(weights[:, rest], want, rtol=1e-4)  # loading is of the mean of all four


def test_what_cannot_be_filtered_is_refused() -> None:
    transfer, _, noise = scene(5)
    with pytest.raises(ValueError, match="5 talkers and 4 microphones"):
        lcmv(noise, transfer)
    with pytest.raises(ValueError, match="look direction"):
        plane_wave(CIRCLE, HZ, 0.0, 2.0)
    with pytest.raises(ValueError, match="look direction"):
        plane_wave(CIRCLE, HZ, float("nan"))
    with pytest.raises(ValueError, match="from a microphone"):
        point_source(CIRCLE, HZ, CIRCLE.positions_m[1])
    with pytest.raises(ValueError, match="expected finite x, y, z"):
        point_source(CIRCLE, HZ, [1.0, 2.0])
