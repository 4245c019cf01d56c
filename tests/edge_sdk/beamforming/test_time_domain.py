"""Fixed filters in the time domain are exact convolutions, as short and as exact as they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk.beamforming.fixed import superdirective
from edge_sdk.beamforming.fractional import HALF, delay_error_db, fractional_delay
from edge_sdk.beamforming.steering import diffuse_coherence, lead_s, plane_wave
from edge_sdk.beamforming.time_domain import STRETCH, FixedFilters, delay_and_sum_filters, filters_from_weights
from tests.edge_sdk.beamforming.scenes import CIRCLE, RATE, heard, white

AZIMUTHS = [20.0, 135.0]
LEAD = lead_s(CIRCLE, np.deg2rad(AZIMUTHS))


def test_fractional_delays_keep_the_error_they_state() -> None:
    delays = HALF + np.linspace(-1, 1, 41)
    filters = fractional_delay(delays, 2 * HALF + 1)
    for share, least_db in [(0.8, -65), (0.9, -25)]:
        assert delay_error_db(filters, delays, np.linspace(0, share / 2, 200)).max() < least_db
    np.testing.assert_allclose(fractional_delay(HALF, 2 * HALF + 1), np.eye(2 * HALF + 1)[HALF], atol=1e-15)


def test_filter_and_sum_is_a_sum_of_convolutions() -> None:
    rng = np.random.default_rng(0)
    taps, x = rng.standard_normal((2, 3, 21)), rng.standard_normal((3, 2 * STRETCH + 77)).astype(np.float32)
    y = FixedFilters(taps, 10).process(x)
    want = [sum(np.convolve(x[m], t[m])[: x.shape[1]] for m in range(3)) for t in taps]
    np.testing.assert_allclose(y, want, rtol=0, atol=1e-4)  # float32 sums of 63 products of order one


@given(cuts=st.lists(st.integers(0, 2000), max_size=20))
@settings(deadline=None, max_examples=20)
def test_any_cut_of_the_stream_gives_the_same_samples(cuts: list[int]) -> None:
    x = white(2000 / RATE, 4).astype(np.float32)
    stream, whole = delay_and_sum_filters(LEAD, RATE), delay_and_sum_filters(LEAD, RATE)
    pieces = [stream.process(piece) for piece in np.split(x, sorted(cuts), axis=1)]
    # Blocks of other sizes are other matrix products: float32 summation order.
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), whole.process(x), rtol=0, atol=1e-6)


def test_a_beam_gives_its_talker_as_late_as_declared_and_later_than_a_block_never() -> None:
    rng, sounds = np.random.default_rng(1), np.zeros((2, 4096))
    spectrum = np.fft.rfft(rng.standard_normal((2, 4096)))
    spectrum[:, int(0.8 * 2049) :] = 0  # where the filters are exact
    sounds = 0.1 * np.fft.irfft(spectrum, 4096)
    images = heard(sounds, AZIMUTHS)
    beams = delay_and_sum_filters(LEAD, RATE)
    assert beams.latency == beams.delay < 32
    for beam, image in enumerate(images):
        y = beams.process(image)[beam]
        beams.reset()
        error = y[2 * HALF + beams.delay :] - image[0, 2 * HALF : len(y) - beams.delay]
        assert 10 * np.log10(np.mean(error**2) / np.mean(image[0] ** 2)) < -60


@pytest.mark.parametrize("mics", [2, 4, 6])
def test_delay_and_sum_lets_one_part_in_m_of_white_noise_through(mics: int) -> None:
    beams = delay_and_sum_filters(np.zeros((1, mics)), RATE)
    x = white(4.0, mics, seed=2).astype(np.float32)
    gain_db = 10 * np.log10(np.mean(x[0] ** 2) / np.mean(beams.process(x)[0] ** 2))
    assert gain_db == pytest.approx(10 * np.log10(mics), abs=0.1)  # 64,000 samples: 0.05 dB


def test_designs_of_spectra_become_short_filters() -> None:
    """Where a design varies slowly, 64 taps answer towards every direction as the weights say."""
    hz = np.fft.rfftfreq(256, 1 / RATE)
    steering = plane_wave(CIRCLE, hz, np.deg2rad([30.0]))
    weights = superdirective(steering, diffuse_coherence(CIRCLE, hz), 0.0)
    beam = filters_from_weights(weights, 64)
    impulses = np.zeros((4, 64), np.float32)
    answers = []
    for mic in range(4):
        impulses[:] = 0
        impulses[mic, 0] = 1
        answers.append(beam.process(impulses)[0])
        beam.reset()
    around = plane_wave(CIRCLE, hz, np.deg2rad(np.arange(0, 360, 30)))
    response = np.fft.rfft(answers, 256).T * np.exp(2j * np.pi * hz / RATE * beam.delay)[:, None]
    band = slice(8, 112)  # 500 Hz to 7 kHz
    got = np.einsum("fm,dfm->df", response, around)[:, band]
    want = np.einsum("fm,dfm->df", weights[0].conj(), around)[:, band]
    assert np.abs(got - want).max() < 0.1 and np.abs(got - want).mean() < 0.02


def test_what_cannot_be_filtered_is_refused() -> None:
    with pytest.raises(ValueError, match="expected finite"):
        FixedFilters(np.full((1, 2, 3), np.nan), 0)
    with pytest.raises(ValueError, match="delay = 3"):
        FixedFilters(np.ones((1, 2, 3)), 3)
    with pytest.raises(ValueError, match=r"expected \[4, n\]"):
        delay_and_sum_filters(LEAD, RATE).process(np.zeros((2, 10), np.float32))
    with pytest.raises(ValueError, match="taps hold"):
        fractional_delay(2.5, 33)
    with pytest.raises(ValueError, match="300 taps"):
        filters_from_weights(np.ones((1, 129, 2), complex), 300)
