"""Baselines do what their theory says: noise is tracked, factors come closer, talkers are found and passed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.evaluation.baselines import arrays, nmf, omlsa
from models.evaluation.beamformers import delay_and_sum, steering_vectors
from models.evaluation.localization import azimuths, directions
from models.evaluation.metrics import assign, si_sdr
from models.evaluation.references import references
from models.evaluation.stft import STFT
from tests.models import free_field
from tests.models.free_field import CIRCLE_M, LINE_M, RATE

AUDIO = Path(__file__).parents[2] / "examples/audio"


@pytest.fixture(scope="module")
def talkers() -> np.ndarray:
    """A woman and a man at equal level, `[2, n]`."""
    speech = [soundfile.read(AUDIO / f"speech-{who}.flac", dtype="float32")[0][: 3 * RATE] for who in ("woman", "man")]
    return np.stack([0.05 * x / np.sqrt(np.mean(x**2)) for x in speech])


def improvement(outputs: np.ndarray, sources: np.ndarray, mixture: np.ndarray) -> float:
    """SI-SDR improvement in dB, outputs matched to sources."""
    before = si_sdr(np.repeat(mixture[:1], len(sources), axis=0), sources)
    return float((si_sdr(outputs[assign(outputs, sources)], sources) - before).mean())


def white(level: float, samples: int, seed: int = 0) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal((1, samples))).astype(np.float32)


def test_omlsa_takes_steady_noise_away(talkers: np.ndarray) -> None:
    clean = talkers[:1]
    for snr_db, least in ((0, 6.0), (10, 3.0)):  # dB
        mixture = clean + white(0.05 * 10 ** (-snr_db / 20), clean.shape[1])
        assert improvement(omlsa.enhance(mixture, RATE), clean, mixture) > least


def test_omlsa_leaves_clean_speech_and_removes_noise_alone(talkers: np.ndarray) -> None:
    assert si_sdr(omlsa.enhance(talkers[:1], RATE), talkers[:1])[0] > 15
    noise = white(0.05, 3 * RATE)
    left = omlsa.enhance(noise, RATE)[:, RATE:]
    assert 10 * np.log10(np.mean(left**2) / np.mean(noise**2)) < -13  # the least gain is -25


def test_omlsa_knows_the_level_of_steady_noise() -> None:
    power = np.abs(STFT().spectra(white(1.0, 4 * RATE)[0])) ** 2
    tracker = omlsa.NoiseTracker(power[8])
    for now in power[8:]:
        prior = np.full(len(now), omlsa.LEAST_SNR)
        tracker.update(now, tracker.speech_probability(now, prior, prior))
    found, true = tracker.power[5:-5].mean(), power[8:-8].mean()
    assert 10 * np.log10(found / true) == pytest.approx(0, abs=2.0)  # minima are a biased guess at a mean


def test_omlsa_gains_do_not_know_the_future_nor_the_level() -> None:
    power = np.random.default_rng(0).exponential(size=(200, 65))
    gains = omlsa.omlsa_gains(power)
    changed = power.copy()
    changed[120:] *= 50
    np.testing.assert_array_equal(omlsa.omlsa_gains(changed)[:120], gains[:120])
    np.testing.assert_allclose(omlsa.omlsa_gains(1e-4 * power), gains, atol=1e-4)  # but for the floor of silence
    assert gains.min() >= omlsa.LEAST_GAIN
    assert gains.max() <= 1


@pytest.mark.parametrize("samples", [1, 100, 5000])
def test_omlsa_takes_silence_and_short_clips(samples: int) -> None:
    for mixture in (np.zeros((1, samples), np.float32), white(0.1, samples)):
        out = omlsa.enhance(mixture, RATE)
        assert out.shape == mixture.shape
        assert np.isfinite(out).all()


def test_factors_come_closer_with_every_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    magnitudes = np.random.default_rng(0).exponential(size=(40, 60))
    distances = []
    for iterations in (1, 2, 5, 10, 30, 100):
        monkeypatch.setattr(nmf, "ITERATIONS", iterations)
        distances.append(nmf.divergence(magnitudes, *nmf.factorize(magnitudes, 6)))
    assert distances == sorted(distances, reverse=True)  # Lee & Seung's theorem


def test_a_product_of_few_factors_is_found() -> None:
    rng = np.random.default_rng(1)
    magnitudes = rng.exponential(size=(40, 3)) @ rng.exponential(size=(3, 60))
    w, h = nmf.factorize(magnitudes, 3)
    assert nmf.divergence(magnitudes, w, h) < 0.002 * magnitudes.sum()
    np.testing.assert_allclose(w.sum(axis=0), 1)


def test_the_pitch_of_a_spectrum_is_found() -> None:
    bin_hz = RATE / 1024
    spectra = np.zeros((513, 3))
    for column, pitch in enumerate((110, 156, 240)):
        for harmonic in range(1, 9):
            spectra[round(harmonic * pitch / bin_hz), column] = 1 / harmonic
    found, harmonic = nmf.pitches(spectra, bin_hz)
    np.testing.assert_allclose(found, [110, 156, 240], rtol=0.06)  # half a bin of 16 Hz at the low ones
    assert harmonic.min() > 0.5


def test_blind_nmf_separates_a_woman_from_a_man_somewhat_and_loses_nothing(talkers: np.ndarray) -> None:
    mixture = talkers.sum(axis=0, keepdims=True)
    outputs = nmf.separate(mixture, RATE, 2)
    assert improvement(outputs, talkers, mixture) > 0.5  # dB; little, for nothing was trained
    np.testing.assert_allclose(outputs.sum(axis=0), mixture[0], atol=1e-5)
    np.testing.assert_array_equal(outputs, nmf.separate(mixture, RATE, 2))
    assert np.isfinite(nmf.separate(np.zeros_like(mixture), RATE, 3)).all()


@pytest.mark.parametrize("truth", [[0.0, 90.0], [-100.0, 35.0], [175.0, -120.0]])
def test_talkers_around_a_circle_are_found(talkers: np.ndarray, truth: list[float]) -> None:
    mixture = free_field.images(talkers, CIRCLE_M, truth).sum(axis=0)
    stft = STFT()
    found = np.rad2deg(azimuths(stft.spectra(mixture), CIRCLE_M, stft.frequencies_hz(RATE), 2))
    wrong = np.abs((found[:, None] - truth + 180) % 360 - 180)
    assert min(wrong[0, 0] + wrong[1, 1], wrong[0, 1] + wrong[1, 0]) <= 10.0  # two talkers, a grid of 5 degrees


def test_talkers_beside_a_line_are_found_on_one_side_of_it(talkers: np.ndarray) -> None:
    truth = [40.0, -120.0]  # the second cannot be told from 120 degrees
    mixture = free_field.images(talkers, LINE_M, truth).sum(axis=0)
    stft = STFT()
    found = np.rad2deg(azimuths(stft.spectra(mixture), LINE_M, stft.frequencies_hz(RATE), 2))
    np.testing.assert_allclose(np.sort(np.abs(found)), [40, 120], atol=5.0)
    assert np.ptp(directions(LINE_M)) == pytest.approx(np.pi)
    assert len(directions(CIRCLE_M)) == 72
    assert np.ptp(directions(LINE_M[:2])) == pytest.approx(np.pi)


def test_what_comes_from_the_direction_passes_undistorted() -> None:
    frequencies = np.array([0.0, 500.0, 3000.0])
    steering = steering_vectors(CIRCLE_M, np.array([0.7]), frequencies)[0]
    np.testing.assert_allclose(np.sum(delay_and_sum(steering).conj() * steering, axis=1), 1, atol=1e-12)


def test_steering_is_the_delay_between_microphones_by_hand() -> None:
    """From along the axis of two microphones 34.3 mm apart, the nearer hears 0.1 ms earlier: at 2.5 kHz a quarter."""
    positions = np.array([[0, 0, 0], [0.0343, 0, 0]])
    phase = steering_vectors(positions, np.array([0.0]), np.array([2500.0]))[0, 0]
    np.testing.assert_allclose(phase, [1, 1j], atol=1e-12)


def test_array_baselines_take_talkers_apart_and_filters_more_so(talkers: np.ndarray) -> None:
    images = free_field.images(talkers, CIRCLE_M, [20.0, 140.0])
    mixture = images.sum(axis=0) + white(1e-3, 4 * images.shape[2]).reshape(4, -1)
    das, mvdr, mwf = (
        improvement(method(mixture, RATE, 2, CIRCLE_M), images[:, 0], mixture)
        for method in (arrays.delay_and_sum, arrays.mvdr, arrays.mwf)
    )
    assert 1 < das < min(mvdr, mwf)  # dB; an array of ten centimetres is small for delay-and-sum
    assert min(mvdr, mwf) > 8


def test_an_array_takes_noise_of_no_direction_from_one_talker(talkers: np.ndarray) -> None:
    clean = free_field.images(talkers[:1], CIRCLE_M, [60.0])[0]
    mixture = clean + white(0.03, clean.size).reshape(clean.shape)
    gain = improvement(arrays.delay_and_sum(mixture, RATE, 1, CIRCLE_M), clean[:1], mixture)
    assert gain == pytest.approx(10 * np.log10(4), abs=0.5)  # four microphones, noise alike in all
    assert improvement(arrays.mvdr(mixture, RATE, 1, CIRCLE_M), clean[:1], mixture) > 3


def test_bins_go_to_the_direction_they_come_from_and_silence_to_all() -> None:
    steering = steering_vectors(CIRCLE_M, np.array([0.0, 2.0]), np.array([1500.0, 2500.0]))  # [2, F, M]
    spectra = steering[1].T[:, None] * np.array([1 + 2j, 3.0])  # one frame from the second direction
    np.testing.assert_allclose(arrays.nearest(spectra, steering)[:, 0], [[0, 0], [1, 1]], atol=1e-3)
    np.testing.assert_allclose(arrays.nearest(0 * spectra, steering), 0.5)


def test_references_are_those_that_apply() -> None:
    masks = {"ideal_binary_mask", "ideal_ratio_mask", "wiener_like_mask", "phase_sensitive_mask"}
    filters = {"ideal_mvdr", "ideal_mwf"}
    assert set(references(1, 1, False)) == {"omlsa"} | masks
    assert set(references(1, 2, False)) == {"nmf"} | masks
    assert set(references(4, 2, True)) == {"nmf", "delay_and_sum", "mvdr", "mwf"} | masks | filters
    assert set(references(4, 2, False)) == {"nmf"} | masks | filters
    kinds = [r.kind for r in references(4, 2, True).values()]
    assert kinds == sorted(kinds)  # baselines first
