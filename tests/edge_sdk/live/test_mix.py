"""Sources and the microphone of the same moment, as loud as asked, and no click when that changes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk.live.delay_line import DelayLine
from edge_sdk.live.mix import Mix, MixConfig
from tests.edge_sdk.live.engines import noise, tones

RATE = 16_000


def mixed(mix: Mix, channels: int, microphone: np.ndarray, sources: np.ndarray, size: int = 160) -> np.ndarray:
    out = np.full((channels, len(microphone)), np.nan, np.float32)
    for begin in range(0, len(microphone), size):
        part = slice(begin, begin + size)
        mix.mix(microphone[part], sources[:, part], out[:, part])
    return out


@settings(max_examples=50, deadline=None)
@given(delay=st.integers(0, 300), sizes=st.lists(st.integers(1, 400), min_size=1, max_size=6))
def test_a_delay_line_delays(delay: int, sizes: list[int]) -> None:
    x, line, at, number = noise(1500, 2), DelayLine(2, delay), 0, 0
    y = np.full_like(x, np.nan)
    while at < 1500:
        size = sizes[number % len(sizes)]
        line.push(x[:, at : at + size], y[:, at : at + size])
        at, number = at + size, number + 1
    np.testing.assert_array_equal(y, np.concatenate([np.zeros((2, delay), np.float32), x], axis=1)[:, :1500])
    line.reset()
    line.push(x[:, :1], y[:, :1])
    assert delay == 0 or not y[:, 0].any()


def test_sources_alone_pass_to_the_bit() -> None:
    microphone, sources = noise(3000)[0], noise(3000, 2, seed=1)
    np.testing.assert_array_equal(mixed(Mix(2, 2, RATE, 100), 2, microphone, sources), sources)


def test_the_microphone_alone_is_late_by_the_delay() -> None:
    microphone, sources = noise(3000)[0], noise(3000, 1, seed=1)
    out = mixed(Mix(1, 2, RATE, 100, MixConfig(wet=0)), 2, microphone, sources)
    np.testing.assert_array_equal(out[:, 100:], np.stack([microphone[:-100]] * 2))


@pytest.mark.parametrize("size", [1, 64, 441, 3000])
def test_a_mix_is_the_sum_of_both(size: int) -> None:
    microphone, sources = noise(3000)[0], noise(3000, 2, seed=1)
    mix = Mix(2, 2, RATE, 0, MixConfig(wet=0.75, gain_db=6.0))
    want = 10 ** (6 / 20) * (0.75 * sources + 0.25 * microphone)
    np.testing.assert_allclose(mixed(mix, 2, microphone, sources, size), want, rtol=0, atol=1e-7)  # float32


def test_routes_say_who_plays_what() -> None:
    microphone, sources = noise(500)[0], noise(500, 3, seed=1)
    mix = Mix(3, 3, RATE, 0, MixConfig(wet=0.5, routes=((2,), (), (0, 1))))
    out = mixed(mix, 3, microphone, sources)
    np.testing.assert_allclose(out[0], 0.5 * (sources[2] + microphone), rtol=0, atol=1e-7)
    assert not out[1].any()
    np.testing.assert_allclose(out[2], 0.5 * (sources[0] + sources[1] + microphone), rtol=0, atol=1e-7)


@pytest.mark.parametrize("size", [16, 64, 512])
def test_a_change_ramps_and_does_not_click(size: int) -> None:
    x = tones(8192)
    mix, out = Mix(1, 1, RATE, 0), np.empty_like(x)
    changes = {2048: -20.0, 2560: 3.0, 2576: -40.0, 4096: -60.0, 6144: 0.0}
    for begin in range(0, 8192, size):
        if begin in changes:
            mix.gain_db = changes[begin]
        mix.mix(x[0, begin : begin + size], x[:, begin : begin + size], out[:, begin : begin + size])
    # A ramp of 10 ms adds a 160th of the signal to a difference; without one a change shows ten times as much.
    assert np.abs(np.diff(out, 2)).max() <= 1.1 * 10 ** (3 / 20) * np.abs(np.diff(x, 2)).max()
    np.testing.assert_array_equal(out[0, -1000:], x[0, -1000:])


def test_a_change_takes_the_same_samples_wherever_the_stream_is_cut() -> None:
    ones, outs = np.ones((1, 1000), np.float32), []
    for size in (7, 160, 1000):
        mix = Mix(1, 1, RATE, 0)
        mix.wet = 0.25
        outs.append(mixed(mix, 1, np.zeros(1000, np.float32), ones, size))
        assert outs[0][0, 159] == outs[0][0, -1] == 0.25
        assert outs[0][0, 0] == pytest.approx(1 - 0.75 / 160, abs=1e-6)
    np.testing.assert_array_equal(outs[0], outs[1])
    np.testing.assert_array_equal(outs[0], outs[2])


def test_settings_out_of_range_are_refused() -> None:
    for setting, told in [
        ({"wet": 1.1}, "wet = 1.1: expected 0 to 1"),
        ({"wet": float("nan")}, "wet = nan"),
        ({"gain_db": 41.0}, "gain_db = 41.0: expected -60 to 40 dB"),
    ]:
        with pytest.raises(ValueError, match=told):
            MixConfig(**setting)
    mix = Mix(1, 1, RATE, 0)
    with pytest.raises(ValueError, match="wet = -1"):
        mix.wet = -1
    assert mix.wet == 1
    for routes in (((0,),), ((0,), (1,))):
        with pytest.raises(ValueError, match="expected sources 0 to 0 for 2 channels"):
            Mix(1, 2, RATE, 0, MixConfig(routes=routes))
    with pytest.raises(ValueError, match="delay = -1"):
        DelayLine(1, -1)
