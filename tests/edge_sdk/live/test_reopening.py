"""Devices that go away and come back: what they cost is counted, and time goes on."""

import numpy as np
import pytest

from edge_sdk.audio.pcm import Capture, DeviceGone
from edge_sdk.errors import AudioError
from edge_sdk.live.feed import Feed
from edge_sdk.live.gaps import FADE_S
from edge_sdk.live.loop import Loop
from edge_sdk.live.metrics import Metrics
from edge_sdk.live.reopening import LONGEST_S, ReopeningCapture, ReopeningPlayback
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


def test_an_unplugged_array_is_silence_until_it_is_back_and_time_goes_on() -> None:
    """Gone for three seconds, of which every sample is counted; back within a second of being there again."""
    clock, recorder = VirtualClock(), Recorder()
    opened: list[VirtualMicrophones] = []

    def away(now_s: float) -> bool:
        return 2.0 <= now_s < 5.0

    def open_it(name: str | None) -> Capture:
        if away(clock()):
            raise AudioError("virtual: no such device; plug it in")
        opened.append(VirtualMicrophones(clock))
        opened[-1].away = away
        return opened[-1]

    capture = ReopeningCapture(open_it, clock, clock.sleep)
    metrics = live(capture, Through(), recorder, lambda: clock() >= 10.0)
    y = played(recorder)[0]
    assert capture.reopened == 1 and len(opened) == 2
    assert metrics.captured == sum(device.heard for device in opened)
    assert 3 * RATE <= metrics.lost <= (3 + LONGEST_S) * RATE + PERIOD
    expected = sample(np.arange(len(y)), 0)
    heard = y == expected
    assert heard[: 2 * RATE].all()
    assert heard[round((5 + LONGEST_S) * RATE) + FADE + PERIOD : -PERIOD].all(), "in its place to the sample"
    assert not y[2 * RATE + FADE : 5 * RATE].any()


def test_a_loudspeaker_that_goes_away_costs_what_it_would_have_played() -> None:
    clock = VirtualClock()
    opened: list[VirtualLoudspeaker] = []

    def away(now_s: float) -> bool:
        return 1.0 <= now_s < 2.0

    def open_it(name: str | None) -> VirtualLoudspeaker:
        if away(clock()):
            raise AudioError("speaker: no such device; plug it in")
        opened.append(VirtualLoudspeaker(clock))
        opened[-1].away = away
        return opened[-1]

    playback = ReopeningPlayback(open_it, clock)
    metrics = Metrics(2, 1, RATE, PERIOD)
    Loop(VirtualMicrophones(clock), Through(), Feed(playback, metrics, 4 * PERIOD), metrics).run(lambda: clock() >= 4)
    assert playback.reopened == 1
    assert RATE <= metrics.dropped <= (1 + LONGEST_S) * RATE + PERIOD
    assert sum(y.shape[1] for device in opened for y in device.heard) == metrics.played
    assert metrics.played + metrics.dropped == metrics.processed


def test_a_device_that_is_not_there_at_first_is_refused() -> None:
    def open_it(name: str | None) -> Capture:
        raise AudioError("hw:9: no such device; edge-sdk devices lists those there are")

    with pytest.raises(AudioError, match="hw:9"):
        ReopeningCapture(open_it)


def test_a_card_that_comes_back_is_looked_for_by_the_name_that_it_gave_itself() -> None:
    """Asked for by a number, found by its id: under the number there may be another card by now."""
    clock, asked = VirtualClock(), []

    def open_it(name: str | None) -> Capture:
        asked.append(name)
        device = VirtualMicrophones(clock)
        device.device = "hw:CARD=Array,DEV=0"
        device.away = lambda now_s: len(asked) < 2 and now_s >= 1
        return device

    live(ReopeningCapture(open_it, clock, clock.sleep), Through(), Recorder(), lambda: clock() >= 3)
    assert asked == [None, "hw:CARD=Array,DEV=0"]


def test_a_device_that_breaks_again_at_once_is_not_opened_in_a_circle() -> None:
    """Ten seconds of a card that opens and then gives nothing: tried every now and then, not as fast as it goes."""
    clock, opened = VirtualClock(), []

    class Broken(VirtualMicrophones):
        def read(self) -> tuple[np.ndarray, int]:
            raise DeviceGone("virtual: input/output error")

    def open_it(name: str | None) -> Capture:
        opened.append(clock())
        return Broken(clock)

    metrics = live(ReopeningCapture(open_it, clock, clock.sleep), Through(), Recorder(), lambda: clock() >= 10)
    assert abs(metrics.lost - 10 * RATE) <= 2 * PERIOD
    assert len(opened) <= 2 + 10 / LONGEST_S + 3


@pytest.mark.parametrize("hours", [1, pytest.param(24, marks=pytest.mark.slow)])
def test_a_day_with_a_fault_every_half_minute_loses_no_sample_uncounted(hours: int) -> None:
    """Overruns of up to two seconds and unplugging, in turn: `in == out + counted_lost`, per channel."""
    clock, seed = VirtualClock(), np.random.default_rng(hours)
    mics, period, end_s = 2, 1600, 3600.0 * hours
    opened: list[VirtualMicrophones] = []
    gone_until, next_fault, faults = 0.0, 30.0, 0

    def open_it(name: str | None) -> Capture:
        if clock() < gone_until:
            raise AudioError("virtual: no such device")
        opened.append(VirtualMicrophones(clock, mics, period))
        opened[-1].away = lambda now_s: now_s < gone_until
        return opened[-1]

    class Counter(Recorder):
        """Counts instead of keeping: heard is what is in its place, silent what is 0, the rest is faded."""

        number, right, silent = 0, 0, 0

        def write(self, samples: np.ndarray) -> int:
            count = samples.shape[1]
            numbers = np.arange(self.number, self.number + count)
            expected = np.stack([sample(numbers, mic) for mic in range(mics)])
            same, none = (samples == expected).all(axis=0), (samples == 0).all(axis=0)
            self.number += count
            self.right += int(np.count_nonzero(same))
            self.silent += int(np.count_nonzero(none))
            return 0

    def stop() -> bool:
        nonlocal gone_until, next_fault, faults
        if clock() >= next_fault:
            next_fault += 30
            faults += 1
            if faults % 2:
                clock.sleep(float(seed.uniform(0.5, 2)))
            else:
                gone_until = clock() + float(seed.uniform(0.1, 5))
        return clock() >= end_s

    capture, counter = ReopeningCapture(open_it, clock, clock.sleep), Counter(mics)
    metrics = live(capture, Through(mics), counter, stop)
    heard = sum(device.heard for device in opened)
    assert faults >= 120 * hours - 1 and metrics.captured == heard
    assert counter.number == metrics.captured + metrics.lost == round(clock() * RATE)
    assert heard - counter.right <= faults * FADE + period, "only what is faded in, and the last period, differs"
    assert metrics.lost - counter.silent <= faults * FADE
    assert counter.right + counter.silent <= counter.number
