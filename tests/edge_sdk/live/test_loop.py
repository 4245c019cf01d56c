"""Time never slips: what is played is what was heard, in its place, and silence where samples were lost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk.live.gaps import FADE_S
from edge_sdk.live.loop import SHORT_GAP_S
from tests.edge_sdk.live.devices import (
    PERIOD,
    RATE,
    Recorder,
    Through,
    VirtualClock,
    VirtualLoudspeaker,
    VirtualMicrophones,
    live,
    played,
    sample,
)

FADE = round(FADE_S * RATE)


def never() -> bool:
    return False


@pytest.mark.parametrize("grain", [1, 32, PERIOD])
@pytest.mark.parametrize("delay", [0, 7, 3 * PERIOD + 1])
@pytest.mark.parametrize("end", [0, 1, 5 * PERIOD, 7 * PERIOD + 3])
def test_a_recording_is_played_whole_and_its_delay_with_it(end: int, delay: int, grain: int) -> None:
    recorder = Recorder(2)
    metrics = live(VirtualMicrophones(VirtualClock(), end=end), Through(2, delay, grain), recorder, never)
    heard = np.stack([sample(np.arange(end), mic) for mic in range(2)])
    y = played(recorder)
    assert y.shape == (2, end + delay) and metrics.played == end + delay
    np.testing.assert_array_equal(y[:, delay:], heard)
    assert not y[:, :delay].any()


@given(st.lists(st.tuples(st.integers(1, 40), st.floats(0.001, 3.0)), max_size=6), st.sampled_from([0, 100]))
@settings(max_examples=60, deadline=None)
def test_samples_lost_at_an_overrun_are_silence_of_equal_length(stalls: list[tuple[int, float]], delay: int) -> None:
    """Every sample that was heard is played at its own number, but for the fades beside a gap; the rest is silence."""
    clock, recorder, chain = VirtualClock(), Recorder(), Through(1, delay)
    end = 60 * PERIOD * (1 + len(stalls)) + round(sum(s for _, s in stalls) * RATE)
    capture = VirtualMicrophones(clock, end=end)
    left = [[after, seconds] for after, seconds in stalls]

    def stop() -> bool:
        if left:
            left[0][0] -= 1
            if left[0][0] < 0:
                clock.sleep(left.pop(0)[1])
        return False

    metrics = live(capture, chain, recorder, stop)
    assert chain.overruns == metrics.overruns == sum(seconds * RATE > 4 * PERIOD for _, seconds in stalls if seconds)
    y = played(recorder)[0, delay:]
    assert chain.watched == metrics.captured == capture.heard, "a monitor sees no silence that stands for lost samples"
    assert metrics.captured + metrics.lost == end == len(y)
    expected = sample(np.arange(end), 0)
    silent = y == 0
    faded = ~silent & (y != expected)
    gaps = sum(1 for _, seconds in stalls if seconds * RATE > 4 * PERIOD)
    assert np.count_nonzero(silent) <= metrics.lost <= np.count_nonzero(silent) + FADE * gaps
    assert np.count_nonzero(faded) <= 2 * FADE * gaps
    assert (metrics.lost == 0) == (gaps == 0)
    np.testing.assert_array_less(np.abs(y), np.abs(expected).max() + 1e-6)


@pytest.mark.parametrize("grain", [32, 80, PERIOD])
def test_a_gap_of_no_whole_grain_moves_the_stream_by_less_than_one(grain: int) -> None:
    """Four gaps, none a multiple of a grain: what waits of one is part of the next, so nothing adds up."""
    clock, recorder = VirtualClock(), Recorder()
    lengths = [0.5001, 0.33337, 0.7, 0.12345]
    stalls = iter([s for length in lengths for s in [0.0] * 20 + [length]] + [0.0] * 60)
    capture = VirtualMicrophones(clock, end=3 * RATE)
    metrics = live(capture, Through(1, 0, grain), recorder, lambda: bool(clock.sleep(next(stalls, 0.0))))
    y = played(recorder)[0]
    early = 3 * RATE - len(y)
    assert metrics.lost % grain == early and 0 < early < grain
    heard = sample(np.arange(3 * RATE), 0)
    np.testing.assert_array_equal(y[-20 * PERIOD :], heard[-20 * PERIOD :])


@pytest.mark.parametrize(("seconds", "anew"), [(0.9 * SHORT_GAP_S, 0), (2.0, 1)])
def test_a_chain_starts_anew_after_a_long_gap(seconds: float, anew: int) -> None:
    clock, chain = VirtualClock(), Through(1, 50)
    stalls = iter([0.0] * 10 + [seconds] + [0.0] * 1000)

    def stop() -> bool:
        clock.sleep(next(stalls))
        return False

    live(VirtualMicrophones(clock, end=5 * RATE), chain, Recorder(), stop)
    assert chain.resets == anew


def test_no_click_where_samples_are_missing() -> None:
    """A loud constant: without fades, a step of its full height at both ends of the gap."""
    clock, recorder = VirtualClock(), Recorder()
    capture = VirtualMicrophones(clock, end=2 * RATE)
    read = capture.read

    def loud() -> tuple[np.ndarray, int]:
        x, lost = read()
        x[...] = 0.5
        return x, lost

    capture.read = loud  # type: ignore[method-assign]
    stalls = iter([0.0] * 20 + [0.5] + [0.0] * 1000)
    live(capture, Through(), recorder, lambda: bool(clock.sleep(next(stalls))))
    y = played(recorder)[0]
    assert y.min() == 0 and y.max() == 0.5
    assert np.abs(np.diff(y)).max() < 0.5 * np.pi / (2 * FADE) * 1.05  # the steepest step of half a cosine


@pytest.mark.parametrize("period", [64, 160, 441, 1024])
def test_a_stop_fades_out_within_a_period(period: int) -> None:
    recorder = Recorder()
    turns = iter(range(1000))
    live(VirtualMicrophones(VirtualClock(), period=period), Through(), recorder, lambda: next(turns) == 9)
    y = played(recorder)[0]
    assert y.shape == (10 * period,)
    np.testing.assert_array_equal(y[: 9 * period], sample(np.arange(9 * period), 0))
    last = y[9 * period :]
    assert abs(last[-1]) < 0.02 and np.abs(last[: min(FADE, period)]).max() > 0.1


def test_a_loudspeaker_is_never_later_than_it_may_be() -> None:
    """A stall leaves its gap, and no delay: the device ran dry, is filled again, and what is late is left out."""
    clock, speaker = VirtualClock(), VirtualLoudspeaker(VirtualClock())
    speaker = VirtualLoudspeaker(clock)
    stalls, queued = iter([0.0] * 50 + [1.0] + [0.0] * 200), []

    def stop() -> bool:
        queued.append(speaker.queued)
        clock.sleep(next(stalls, 0.0))
        return len(queued) == 250

    metrics = live(VirtualMicrophones(clock), Through(), speaker, stop)
    assert metrics.underruns == 1 and metrics.lost == RATE
    assert metrics.played + metrics.dropped == metrics.processed
    assert max(queued) <= 4 * PERIOD
    assert metrics.dropped >= metrics.lost - 4 * PERIOD
