"""The high-pass is the textbook filter, cut anywhere, and nothing that comes in stays in it for ever."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk.live.highpass import CUTOFF_HZ, STRETCH, HighPass

RATE = 16_000


def filtered(highpass: HighPass, x: np.ndarray, sizes: tuple[int, ...] = (10**9,)) -> np.ndarray:
    y, at, number = x.copy(), 0, 0
    while at < x.shape[1]:
        size = sizes[number % len(sizes)]
        highpass.filter(y[:, at : at + size])
        at, number = at + size, number + 1
    return y


def noise(samples: int, mics: int = 2, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((mics, samples))).astype(np.float32)


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_it_is_the_butterworth_filter_of_scipy(rate: int) -> None:
    signal = pytest.importorskip("scipy.signal", reason="needs SciPy to compare with: pip install 'edge-sdk[train]'")
    x = noise(3 * rate)
    want = signal.sosfilt(signal.butter(2, CUTOFF_HZ, "highpass", fs=rate, output="sos"), x.astype(np.float64))
    # Half a unit in the last place of float32 samples up to 0.5.
    np.testing.assert_allclose(filtered(HighPass(2, rate), x, (441,)), want, rtol=0, atol=3.1e-8)


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(1, 300), min_size=1, max_size=8))
def test_output_does_not_depend_on_where_the_stream_is_cut(sizes: list[int]) -> None:
    x = noise(3000)
    np.testing.assert_array_equal(filtered(HighPass(2, RATE), x, tuple(sizes)), filtered(HighPass(2, RATE), x))


def test_single_samples_give_what_the_whole_gives() -> None:
    x = noise(5 * STRETCH + 3)
    np.testing.assert_array_equal(filtered(HighPass(2, RATE), x, (1,)), filtered(HighPass(2, RATE), x))


def test_an_offset_goes_and_voices_stay() -> None:
    """Fault: the converter has a DC offset."""
    voice = 0.2 * np.sin(2 * np.pi * 120 / RATE * np.arange(2 * RATE)).astype(np.float32)
    y = filtered(HighPass(1, RATE), voice[np.newaxis] + np.float32(0.3))[0, RATE:]
    assert abs(y.mean()) < 1e-6
    assert y.std() == pytest.approx(voice.std(), rel=0.01)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf, 3e38])
def test_what_is_no_sound_is_silence_and_leaves_no_trace(broken: float) -> None:
    x = noise(1000)
    x[1, 100] = broken
    silent = x.copy()
    silent[1, 100] = 0
    highpass = HighPass(2, RATE)
    np.testing.assert_array_equal(filtered(highpass, x, (100,)), filtered(HighPass(2, RATE), silent, (100,)))
    assert highpass.repaired == 1


def test_after_sound_comes_true_silence() -> None:
    """Fault: arithmetic with numbers below the normal ones, from outside or left in a filter, takes far longer."""
    highpass = HighPass(1, RATE)
    filtered(highpass, noise(RATE, 1))
    y = filtered(highpass, np.zeros((1, 4 * RATE), np.float32))
    assert not y[0, 2 * RATE :].any()
    assert not highpass._rows.any()
    assert not filtered(highpass, np.full((1, RATE), 1e-40, np.float32)).any()


def test_reset_forgets_everything() -> None:
    highpass, x = HighPass(2, RATE), noise(500)
    first = filtered(highpass, x)
    highpass.reset()
    np.testing.assert_array_equal(filtered(highpass, x), first)


@pytest.mark.parametrize("cutoff_hz", [0.0, -1.0, 8000.0, float("nan")])
def test_a_cut_off_must_lie_within_the_band(cutoff_hz: float) -> None:
    with pytest.raises(ValueError, match=r"cutoff_hz = .*expected more than 0 and less than half of 16000 Hz"):
        HighPass(1, RATE, cutoff_hz)
