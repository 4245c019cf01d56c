"""Feedback is stopped in a closed loop; nothing else is touched."""

from collections.abc import Callable

import numpy as np
import pytest

from edge_sdk.live.howl import Howl, HowlConfig
from edge_sdk.live.limiter import Limiter
from tests.edge_sdk.live.engines import noise

RATE, BLOCK, CEILING = 16_000, 64, 0.5


def closed_loop(loop_gain: float, delay: int, seconds: float, howl: Howl | None, hz: float = 1700) -> np.ndarray:
    """What a loudspeaker plays of faint noise, its microphone `delay` samples away, by a path that favours a tone."""
    samples, taps = round(seconds * RATE), 64
    path = np.hanning(taps + 2)[1:-1] * np.cos(2 * np.pi * hz / RATE * (np.arange(taps) - taps / 2))
    path *= loop_gain / np.abs(np.fft.rfft(path, 8192)).max()
    heard, played = noise(samples)[0] * 0.03, np.zeros(samples, np.float32)
    limiter = Limiter(1, RATE)
    for begin in range(0, samples - BLOCK + 1, BLOCK):
        block = heard[np.newaxis, begin : begin + BLOCK].copy()
        first = begin - delay - taps + 1
        if first >= 0:
            block += np.convolve(played[first : begin - delay + BLOCK], path, "valid").astype(np.float32)
        if howl is not None:
            howl.suppress(block)
        limiter.limit(block)
        played[begin : begin + BLOCK] = block
    return played


def level_db(x: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(x.astype(np.float64) ** 2))))


@pytest.mark.parametrize("delay", [128, 400])
@pytest.mark.parametrize("loop_gain", [1.1, 1.5, 3.0])
@pytest.mark.parametrize("hz", [400, 1700, 5000])
def test_a_closed_loop_stops_howling(loop_gain: float, delay: int, hz: float) -> None:
    """Fault: the loudspeaker is heard by the microphones."""
    howls = closed_loop(loop_gain, delay, 4.0, None, hz)
    assert level_db(howls[-RATE:]) > -12  # the limiter alone holds it at the ceiling
    howl = Howl(RATE, CEILING)
    stopped = closed_loop(loop_gain, delay, 4.0, howl, hz)
    assert howl.detected > 0
    assert level_db(stopped[-RATE:]) < -25


def test_a_stable_loop_is_left_alone() -> None:
    howl = Howl(RATE, CEILING)
    np.testing.assert_array_equal(closed_loop(0.7, 200, 4.0, howl), closed_loop(0.7, 200, 4.0, None))
    assert howl.detected == 0


def whistle(t: np.ndarray) -> np.ndarray:
    """A tone that comes quickly, stays, and comes again louder."""
    return np.clip(t / 0.05, 0, 1) * (0.1 + 0.2 * (t > 1.5)) * np.sin(2 * np.pi * 1500 * t)


def vowels(t: np.ndarray) -> np.ndarray:
    """Harmonics of a wavering voice, four syllables a second."""
    phase = 2 * np.pi * (140 * t - 6 * np.cos(2 * np.pi * 2.3 * t))
    return np.abs(np.sin(np.pi * 4 * t)) * sum(0.2 / k * np.sin(k * phase) for k in range(1, 12))


def swelling_noise(t: np.ndarray) -> np.ndarray:
    return noise(t.size)[0] * np.exp(t)


@pytest.mark.parametrize("sound", [whistle, vowels, swelling_noise, np.zeros_like])
def test_other_sounds_pass_to_the_bit(sound: Callable[[np.ndarray], np.ndarray]) -> None:
    x = np.stack([sound(np.arange(4 * RATE) / RATE)] * 2).astype(np.float32)
    howl, y = Howl(RATE, CEILING), x.copy()
    howl.suppress(y)
    assert howl.detected == 0
    np.testing.assert_array_equal(y, x)


def growing(seconds: float = 1.0) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    return (1e-3 * 10 ** (30 * t / 20) * np.sin(2 * np.pi * 900 * t)).astype(np.float32)[np.newaxis]


def test_the_gain_is_held_and_then_comes_back() -> None:
    howl = Howl(RATE, CEILING, HowlConfig(hold_s=1.0, up_db_per_s=4.0))
    howl.suppress(growing())
    assert howl.detected == 3  # 30 dB in a second, and a frame begins, six grow by a dB each
    gain = howl.gain_db
    assert gain == -18
    quiet = np.zeros((1, RATE // 2), np.float32)
    howl.suppress(quiet.copy())
    assert howl.gain_db == gain
    for _ in range(12):
        howl.suppress(quiet.copy())
    assert howl.gain_db == 0


def test_the_gain_changes_without_a_step_and_the_same_wherever_the_stream_is_cut() -> None:
    x, outs = growing(), []
    for size in (7, 160, 441, RATE):
        howl, y = Howl(RATE, CEILING), x.copy()
        for begin in range(0, RATE, size):
            howl.suppress(y[:, begin : begin + size])
        outs.append(y)
    for y in outs[1:]:
        np.testing.assert_array_equal(y, outs[0])
    loud = np.abs(x) > 0.5 * np.abs(x).max()
    gains = outs[0][loud] / x[loud]
    assert np.abs(np.diff(gains)).max() < 0.01


def test_what_is_not_finite_is_no_feedback() -> None:
    howl = Howl(RATE, CEILING)
    howl.suppress(np.full((1, RATE), np.nan, np.float32))
    assert howl.detected == 0 and howl.gain_db == 0


@pytest.mark.parametrize("setting", [{"tonal": 1.0}, {"frames": 1}, {"down_db": 0.0}, {"lowest_db": 3.0}])
def test_configurations_that_make_no_sense_are_refused(setting: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        HowlConfig(**setting)
