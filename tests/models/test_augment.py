"""Varied sounds are what their numbers say: higher, coloured, narrower, reverberant, clipped, made up."""

import numpy as np
import pytest

from models.data.augment import (
    EARLY_S,
    Curve,
    clipped,
    equalizer,
    narrow_band,
    replayed,
    reverberated,
    speed,
    stretched_length,
)
from models.data.decay import reverberation_time
from models.data.synthetic import KINDS, synthetic_noise

RATE = 16_000


def tone(hz: float, samples: int) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(samples) / RATE).astype(np.float32)


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(samples, dtype=np.float32)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.25, 2.0])
def test_a_tone_played_faster_is_higher_by_as_much(factor: float) -> None:
    samples = 16_000
    given = stretched_length(samples, factor)
    assert given == pytest.approx(factor * samples, rel=0.01)
    hz = RATE / samples * 400 * samples / given  # whole periods in what is given, so that nothing leaks
    expected = np.sin(2 * np.pi * hz * (given / samples) * np.arange(samples) / RATE)
    np.testing.assert_allclose(replayed(tone(hz, given), samples, RATE), expected, atol=1e-4)  # float32 of a spectrum


def test_what_does_not_fit_below_half_the_rate_is_gone() -> None:
    assert np.abs(replayed(tone(6000, 32_000), 16_000, RATE)).max() < 1e-3  # 12 kHz would fold down to 4 kHz
    assert replayed(tone(6000, 16_000), 16_000, RATE).std() > 0.7


def test_speeds_are_drawn_within_their_range_and_by_their_chance() -> None:
    rng = np.random.default_rng(1)
    drawn = np.array([speed(rng, 0.5, (0.5, 2.0)) for _ in range(1000)])
    assert drawn.min() >= 0.5 and drawn.max() <= 2.0
    assert np.mean(drawn == 1.0) == pytest.approx(0.5, abs=0.07)  # four deviations
    assert np.median(drawn[drawn != 1.0]) == pytest.approx(1.0, abs=0.15)  # as many octaves up as down


def test_an_equalizer_stays_within_its_gains_and_differs_every_time() -> None:
    curves = [equalizer(np.random.default_rng(seed), 15.0, RATE) for seed in range(50)]
    gains_db = np.array([20 * np.log10(c.gains) for c in curves])
    assert np.abs(gains_db).max() <= 15.0 + 1e-9
    assert np.median(gains_db.max(axis=1) - gains_db.min(axis=1)) > 10.0
    assert len({c.gains.tobytes() for c in curves}) == 50


def test_a_filter_multiplies_the_spectrum_by_its_curve() -> None:
    curve, signal = Curve(np.array([1000.0, 2000.0]), np.array([1.0, 0.25])), noise(16_000)
    given, out = np.fft.rfft(signal), np.fft.rfft(replayed(signal, 16_000, RATE, [curve, curve]))
    np.testing.assert_allclose(out[:1001] / given[:1001], 1.0, atol=1e-3)
    np.testing.assert_allclose(out[1500] / given[1500], 0.625**2, atol=1e-3)
    np.testing.assert_allclose(out[2000:] / given[2000:], 0.0625, atol=1e-3)


def test_a_narrow_band_keeps_the_middle_of_speech_and_nothing_outside() -> None:
    for seed in range(20):
        gains = narrow_band(np.random.default_rng(seed), RATE).at(16_000, RATE)
        assert gains[:50].max() == 0.0 and gains[7950:].max() == 0.0
        assert gains[500:2200].min() == 1.0


@pytest.mark.parametrize(("rt60_s", "direct_db"), [(0.2, 0.0), (0.6, 10.0)])
def test_a_tail_decays_as_asked_and_targets_keep_its_first_part(rt60_s: float, direct_db: float) -> None:
    impulse = np.zeros(2 * RATE, np.float32)
    impulse[0] = 1.0
    whole, early = reverberated(impulse, np.random.default_rng(0), rt60_s, direct_db, RATE)
    late = round(EARLY_S * RATE)
    np.testing.assert_allclose(early[:late], whole[:late], atol=1e-6)
    assert np.abs(early[late:]).max() < 1e-6
    assert whole[0] == pytest.approx(1.0, abs=1e-5)
    assert -10 * np.log10(np.sum(whole[1:] ** 2)) == pytest.approx(direct_db, abs=0.01)
    assert reverberation_time(whole[1:], RATE, lowest_db=-25.0) == pytest.approx(rt60_s, rel=0.1)


def test_a_tail_is_added_to_what_was_said() -> None:
    said = noise(8000)
    whole, _ = reverberated(said, np.random.default_rng(3), 0.1, 3.0, RATE)
    impulse = np.zeros(1601, np.float32)
    impulse[0] = 1.0
    response, _ = reverberated(impulse, np.random.default_rng(3), 0.1, 3.0, RATE)
    np.testing.assert_allclose(whole, np.convolve(said, response)[:8000], atol=1e-4)


def test_clipping_cuts_what_exceeds_its_limit_and_nothing_else() -> None:
    signal = noise(4000)
    limit = np.abs(signal).max() / 2
    out = clipped(signal, 20 * np.log10(0.5))
    assert np.abs(out).max() == pytest.approx(limit, rel=1e-5)
    within = np.abs(signal) < 0.999 * limit
    np.testing.assert_array_equal(out[within], signal[within])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("samples", [4000, 48_000])
def test_made_up_noises_sound_and_no_two_are_alike(kind: object, samples: int) -> None:
    made = [kind(np.random.default_rng(seed), samples, RATE) for seed in range(20)]  # type: ignore[operator]
    for signal in made:
        assert signal.shape == (samples,) and np.all(np.isfinite(signal)) and signal.std() > 0
    correlations = np.abs(np.corrcoef(made) - np.eye(len(made)))
    assert correlations.max() < 0.9


def test_every_kind_of_made_up_noise_is_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = [synthetic_noise(rng, 4000, RATE) for _ in range(100)]
    assert {kind for _, kind in drawn} == {kind.__name__ for kind in KINDS}
    assert {signal.dtype for signal, _ in drawn} == {np.dtype(np.float32)}


def test_hum_is_at_the_mains_and_beeps_stay_below_half_the_rate() -> None:
    hum = next(k for k in KINDS if k.__name__ == "hum")
    found = []
    for seed in range(30):
        spectrum = np.abs(np.fft.rfft(hum(np.random.default_rng(seed), 2 * RATE, RATE) * np.hanning(2 * RATE)))
        found.append(any(spectrum[2 * hz - 1 : 2 * hz + 2].max() > 30 * np.median(spectrum) for hz in (50, 60)))
    assert np.mean(found) > 0.5  # 60 % are, others are motors
