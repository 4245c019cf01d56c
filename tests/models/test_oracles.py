"""Ideal masks and filters: by hand where that can be done, and in the order that theory gives them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.evaluation.beamformers import covariance, loaded, mvdr, mwf
from models.evaluation.metrics import assign, si_sdr
from models.evaluation.oracles import FILTERS, MASKS, filtered, masked, parts_of
from models.evaluation.stft import STFT
from tests.models import free_field

AUDIO = Path(__file__).parents[2] / "examples/audio"
RATE = 16_000


@pytest.mark.parametrize("samples", [1, 511, 4096, 10_001])
@pytest.mark.parametrize("stft", [STFT(), STFT(512, 256), STFT(300, 50)])
def test_the_transform_and_back_is_the_signal(stft: STFT, samples: int) -> None:
    x = np.random.default_rng(0).standard_normal((2, samples)).astype(np.float32)
    np.testing.assert_allclose(stft.signal(stft.spectra(x), samples), x, atol=1e-6)  # float32


def test_a_tone_is_in_its_bin_and_a_frame_ends_where_it_says() -> None:
    stft = STFT(512, 128)
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    magnitudes = np.abs(stft.spectra(tone))
    assert stft.frequencies_hz(RATE)[magnitudes[50].argmax()] == 1000
    impulse = np.zeros(RATE)
    impulse[1000] = 1
    heard = np.flatnonzero(np.abs(stft.spectra(impulse)).sum(axis=1) > 1e-9)
    assert heard[0] == 1000 // 128  # frame t ends at (t + 1) * hop
    assert len(heard) == 4


@pytest.mark.parametrize(("window", "hop"), [(512, 0), (512, 100), (512, 512)])
def test_windows_that_are_not_whole_hops_are_refused(window: int, hop: int) -> None:
    with pytest.raises(ValueError, match=f"window {window}, hop {hop}: expected"):
        STFT(window, hop)


def test_masks_of_one_bin_are_those_computed_by_hand() -> None:
    """Two sources and noise: 3, 4i and 1, so the mixture is 4 + 4i."""
    parts = np.array([3, 4j, 1])[:, None, None]
    by_hand = {
        "ibm": [0, 1],  # 4 is the loudest of 3, 4, 1
        "irm": [3 / 8, 4 / 8],
        "wiener": [9 / 26, 16 / 26],
        "psm": [12 / 32, 16 / 32],  # Re(3 (4 - 4i)) = 12, Re(4i (4 - 4i)) = 16, |4 + 4i|^2 = 32
    }
    for name, expected in by_hand.items():
        np.testing.assert_allclose(MASKS[name](parts)[:, 0, 0], expected, atol=1e-12)


def test_the_phase_sensitive_mask_is_cut_to_what_a_mask_can_be() -> None:
    parts = np.array([5, -4, 0])[:, None, None]  # the mixture is 1: the best real factors are 5 and -4
    np.testing.assert_array_equal(MASKS["psm"](parts)[:, 0, 0], [1, 0])


def test_masks_of_silence_are_finite_and_nothing() -> None:
    for mask in MASKS.values():
        assert not mask(np.zeros((3, 2, 2), complex)).any()


def test_masks_applied_by_hand_and_by_the_function_agree() -> None:
    rng = np.random.default_rng(0)
    sources = rng.standard_normal((2, 4000)).astype(np.float32)
    mixture = sources.sum(axis=0, keepdims=True)
    stft = STFT(512, 128)
    s, x = stft.spectra(sources), stft.spectra(mixture[0])
    expected = stft.signal(np.abs(s) / np.abs(s).sum(axis=0) * x, 4000)
    np.testing.assert_allclose(masked(mixture, sources, RATE, "irm"), expected, atol=1e-5)


@pytest.mark.parametrize("mask", list(MASKS))
def test_talkers_without_a_common_frequency_are_taken_apart(mask: str) -> None:
    time = np.arange(RATE) / RATE
    sources = np.stack([np.sin(2 * np.pi * f * time) for f in (500, 3000)]).astype(np.float32)
    outputs = masked(sources.sum(axis=0, keepdims=True), sources, RATE, mask)
    assert si_sdr(outputs, sources).min() > 40


def test_masks_reach_what_the_literature_reports_and_in_its_order() -> None:
    """Two talkers at equal level, 16 kHz: 12 to 15 dB with 32 ms windows (Luo & Mesgarani, 2019, table IV)."""
    sources = np.stack(
        [soundfile.read(AUDIO / f"speech-{who}.flac", dtype="float32")[0][: 4 * RATE] for who in ("woman", "man")]
    )
    sources /= np.sqrt(np.mean(sources**2, axis=1, keepdims=True))
    mixture = sources.sum(axis=0, keepdims=True)
    before = si_sdr(np.repeat(mixture, 2, axis=0), sources).mean()
    gains = {mask: si_sdr(masked(mixture, sources, RATE, mask), sources).mean() - before for mask in MASKS}
    assert 10 < gains["irm"] < gains["wiener"] < gains["psm"] < 18
    assert 10 < gains["ibm"] < gains["psm"]


def test_the_parts_of_a_mixture_sum_to_it() -> None:
    rng = np.random.default_rng(0)
    mixture, sources = rng.standard_normal(100), rng.standard_normal((2, 100))
    np.testing.assert_allclose(parts_of(mixture, sources).sum(axis=0), mixture, atol=1e-12)


def scene(mics: int = 4, bins: int = 5, frames: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spectra of a talker and of noise at some microphones, `[M, T, F]`, and where the talker is, `[F, M]`."""
    rng = np.random.default_rng(0)
    steering = rng.standard_normal((bins, mics)) + 1j * rng.standard_normal((bins, mics))
    steering /= steering[:, :1]
    talker = rng.standard_normal((frames, bins)) + 1j * rng.standard_normal((frames, bins))
    noise = rng.standard_normal((mics, frames, bins)) + 1j * rng.standard_normal((mics, frames, bins))
    return steering.T[:, None] * talker, noise, steering


def capon(noise: np.ndarray, steering: np.ndarray) -> np.ndarray:
    """MVDR for a known direction, `[F, M]`, as Capon (1969) writes it."""
    solved = np.linalg.solve(loaded(noise), steering[..., None])[..., 0]
    return solved / np.sum(steering.conj() * solved, axis=1, keepdims=True).real


def test_mvdr_from_covariances_is_capons_for_the_direction_and_distorts_nothing() -> None:
    wanted, noise, steering = scene()
    weights = mvdr(covariance(wanted), covariance(noise))
    np.testing.assert_allclose(weights, capon(covariance(noise), steering), rtol=1e-6)  # float64, inverted twice
    np.testing.assert_allclose(np.sum(weights.conj() * steering, axis=1), 1, atol=1e-6)


def test_mvdr_leaves_the_least_noise_of_all_filters_that_distort_nothing() -> None:
    wanted, noise, steering = scene()
    phi = loaded(covariance(noise))

    def power(weights: np.ndarray) -> np.ndarray:
        return np.einsum("fm,fmn,fn->f", weights.conj(), phi, weights).real

    best = power(mvdr(covariance(wanted), covariance(noise)))
    rng = np.random.default_rng(1)
    for _ in range(20):
        other = rng.standard_normal(steering.shape) + 1j * rng.standard_normal(steering.shape)
        other /= np.sum(other.conj() * steering, axis=1, keepdims=True).conj()
        np.testing.assert_allclose(np.sum(other.conj() * steering, axis=1), 1, atol=1e-9)
        assert np.all(best <= power(other) * (1 + 1e-6))


def test_the_wiener_filter_is_the_least_squares_solution() -> None:
    wanted, noise, _ = scene(frames=20_000)
    mixture = wanted + noise
    # What the filter assumes: talker and noise that have nothing to do with one another, which is so only on average.
    weights = mwf(covariance(wanted), covariance(noise))
    for f in range(mixture.shape[2]):
        solved = np.linalg.lstsq(mixture[:, :, f].T.conj(), wanted[0, :, f].conj(), rcond=None)[0]
        np.testing.assert_allclose(weights[f], solved, atol=0.03)  # 1 / sqrt(20,000), a few times over


@pytest.mark.parametrize("filter", list(FILTERS))
def test_ideal_filters_take_talkers_of_two_directions_apart(filter: str) -> None:
    sources = np.stack(
        [soundfile.read(AUDIO / f"speech-{who}.flac", dtype="float32")[0][: 3 * RATE] for who in ("woman", "man")]
    )
    heard = free_field.images(sources, free_field.CIRCLE_M, [20.0, 130.0])
    rng = np.random.default_rng(0)
    mixture = heard.sum(axis=0) + 1e-3 * rng.standard_normal(heard[0].shape).astype(np.float32)
    outputs = filtered(mixture, heard[:, 0], RATE, filter)
    before = si_sdr(np.repeat(mixture[:1], 2, axis=0), heard[:, 0]).mean()
    assert si_sdr(outputs, heard[:, 0]).mean() - before > 10
    np.testing.assert_array_equal(assign(outputs, heard[:, 0]), [0, 1])
