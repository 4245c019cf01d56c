"""Recursive covariances are the sums that they stand for, and kept inverses are inverses."""

import numpy as np
import pytest

from edge_sdk.beamforming.conditioning import LOADING, loaded
from edge_sdk.beamforming.covariance import Covariance, HeardMics, forgetting
from edge_sdk.beamforming.inverse import InverseCovariance
from tests.edge_sdk.beamforming.scenes import complex_noise, outer

FRAMES, FREQUENCIES, MICS = 150, 9, 4
FORGET = 0.97


def frames(count: int = FRAMES) -> tuple[np.ndarray, np.ndarray]:
    """Spectra `[T, F, M]` and masks of three talkers that sum to one, `[T, 3, F]`."""
    masks = np.random.default_rng(0).dirichlet([0.3, 0.3, 0.3], (count, FREQUENCIES))
    return complex_noise(count, FREQUENCIES, MICS), masks.transpose(0, 2, 1)


def test_the_recursion_is_a_weighted_sum() -> None:
    spectra, masks = frames()
    covariance = Covariance(3, FREQUENCIES, MICS, FORGET)
    for y, m in zip(spectra, masks, strict=True):
        covariance.update(y, m)
    age = (1 - FORGET) * FORGET ** np.arange(FRAMES)[::-1]
    want = np.einsum("t,tsf,tfmn->sfmn", age, masks, outer(spectra))
    np.testing.assert_allclose(covariance.values, want, rtol=1e-11, atol=1e-13)  # order of summation


def test_covariances_of_masks_that_sum_to_one_sum_to_that_of_the_mixture() -> None:
    spectra, masks = frames()
    parts, whole = Covariance(3, FREQUENCIES, MICS, FORGET), Covariance(1, FREQUENCIES, MICS, FORGET)
    for y, m in zip(spectra, masks, strict=True):
        parts.update(y, m)
        whole.update(y)
    np.testing.assert_allclose(parts.values.sum(axis=0), whole.values[0], rtol=1e-11, atol=1e-13)


def test_silence_changes_nothing() -> None:
    spectra, masks = frames(20)
    covariance, inverse = Covariance(3, FREQUENCIES, MICS, FORGET), InverseCovariance(3, FREQUENCIES, MICS, FORGET)
    for y, m in zip(spectra, masks, strict=True):
        covariance.update(y, m)
        inverse.update(y, m)
    before = covariance.values.copy(), inverse.values.copy()
    for _ in range(1000):
        covariance.update(np.zeros((FREQUENCIES, MICS), complex), masks[0])
        inverse.update(np.zeros((FREQUENCIES, MICS), complex), masks[0])
    np.testing.assert_array_equal(covariance.values, before[0])
    np.testing.assert_array_equal(inverse.values, before[1])


def test_a_microphone_that_is_forgotten_begins_anew_and_the_others_go_on() -> None:
    frames = complex_noise(20, 3, 4)
    dead = np.array([False, True, False, False])
    got, want = (Covariance(1, 3, 4, 0.9) for _ in range(2))
    for frame in frames[:10]:
        got.update(frame)
        want.update(frame * ~dead)
    got.forget(dead)
    for frame in frames[10:]:
        got.update(frame)
        want.update(frame)
    np.testing.assert_allclose(got.values, want.values, rtol=1e-12)


def test_a_talker_who_stays_silent_for_ever_leaves_zeros_and_no_denormal_numbers() -> None:
    covariance = Covariance(1, FREQUENCIES, MICS, 0.5)
    covariance.update(complex_noise(FREQUENCIES, MICS))
    for _ in range(400):
        covariance.update(complex_noise(FREQUENCIES, MICS), 0.0)
        parts = np.abs(covariance.values.view(float))
        assert not ((parts > 0) & (parts < np.finfo(float).tiny)).any()
    assert not covariance.values.any()


@pytest.mark.parametrize("refresh", [64, 16, 1])
def test_the_kept_inverse_is_the_inverse(refresh: int) -> None:
    """With loading it is that of a covariance whose loading has faded since the last inversion."""
    spectra, masks = frames(600)
    inverse = InverseCovariance(3, FREQUENCIES, MICS, FORGET, refresh=refresh)
    for y, m in zip(spectra, masks, strict=True):
        inverse.update(y, m)
    direct = np.linalg.inv(inverse.covariance.values)
    # LOADING against the smallest eigenvalue, that of a tenth of the mean power.
    np.testing.assert_allclose(inverse.values, direct, rtol=0, atol=30 * LOADING * np.abs(direct).max())


def test_without_loading_rank_one_updates_are_exact() -> None:
    spectra, masks = frames(400)
    inverse = InverseCovariance(3, FREQUENCIES, MICS, FORGET, loading=0.0, refresh=10_000)
    for y, m in zip(spectra[:100], masks[:100], strict=True):
        inverse.covariance.update(y, m)
    inverse.values[...] = np.linalg.inv(inverse.covariance.values)
    for y, m in zip(spectra[100:], masks[100:], strict=True):
        inverse.update(y, m)
    direct = np.linalg.inv(inverse.covariance.values)
    # 300 updates, each of which amplifies rounding by 1 / l.
    np.testing.assert_allclose(inverse.values, direct, rtol=0, atol=1e-9 * np.abs(direct).max())


def test_the_inverse_survives_an_onset_of_160_db_and_sound_from_one_direction_alone() -> None:
    """Covariances of rank one are singular but for the loading, which must neither vanish nor grow."""
    inverse = InverseCovariance(1, FREQUENCIES, MICS, 0.9, refresh=8)
    one_direction = complex_noise(FREQUENCIES, MICS)
    for level in (1e-6, 1e2):
        for t in range(200):
            inverse.update(level * complex_noise(1, seed=t)[0] * one_direction)
        direct = np.linalg.inv(loaded(inverse.covariance.values, LOADING))
        grown = np.linalg.norm(inverse.values, axis=(-2, -1)) / np.linalg.norm(direct, axis=(-2, -1))
        # Loading fades by 0.9**8, and is that of the sound of up to 8 frames ago.
        assert grown.min() > 0.2 and grown.max() < 5


def test_a_dead_microphone_is_missed_within_a_second_and_welcomed_back() -> None:
    mics = HeardMics(MICS)
    dead = np.array([1, 1, 0, 1])
    for t in range(20):
        mics.update(complex_noise(FREQUENCIES, MICS, seed=t))
    assert mics.heard.all()
    for t in range(125):  # one second of hops of 8 ms
        mics.update(dead * complex_noise(FREQUENCIES, MICS, seed=t))
    np.testing.assert_array_equal(mics.heard, dead == 1)
    mics.update(np.zeros((FREQUENCIES, MICS), complex))  # silence of all tells nothing
    np.testing.assert_array_equal(mics.heard, dead == 1)
    mics.update(complex_noise(FREQUENCIES, MICS))
    assert mics.heard.all()


def test_time_constants() -> None:
    assert forgetting(0.5, 128, 16_000) ** (0.5 * 16_000 / 128) == pytest.approx(np.exp(-1))
    with pytest.raises(ValueError, match="expected a positive one"):
        forgetting(0.0, 128, 16_000)
    with pytest.raises(ValueError, match="forget = 1"):
        Covariance(1, 2, 3, 1.0)
