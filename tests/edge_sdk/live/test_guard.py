"""Whatever an engine does, as many samples leave as came, in time with each other, and without a click."""

from collections.abc import Callable

import numpy as np
import pytest

from edge_sdk import Separator
from edge_sdk.live.engine import Engine, Outcome
from edge_sdk.live.guard import Guard
from edge_sdk.live.ladder import Ladder
from edge_sdk.live.local import Bypass, model_engine
from tests.edge_sdk.live.devices import RATE
from tests.edge_sdk.live.engines import Clock, Scripted, at, metrics, noise, tones
from tests.edge_sdk.live.guards import guarded, run
from tests.edge_sdk.live.stage import BLOCK, QUICK, delayed

PERIODS = [64, 128, 160, 256, 441, 1024]


def sharpest(x: np.ndarray) -> float:
    """The largest second difference: a click is a large one."""
    return float(np.abs(np.diff(x, 2)).max())


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("known", [True, False], ids=["known", "any"])
def test_a_healthy_engine_passes_to_the_bit(period: int, known: bool) -> None:
    engine = Scripted(delay=100, gain=0.5)
    guard = guarded([engine, Bypass(1, 1, BLOCK)], period if known else 1)
    x = noise(period * (20_000 // period))
    np.testing.assert_array_equal(run(guard, x, period), delayed(np.float32(0.5) * x, guard.delay))
    waits = BLOCK - (np.gcd(BLOCK, period) if known else 1)
    assert guard.delay == 100 + waits
    assert not sum(guard.metrics.fallbacks.values())
    assert guard.metrics.blocks == x.shape[1] // BLOCK == guard.metrics.step_bins.sum()


def test_blocks_that_are_whole_periods_wait_for_nothing() -> None:
    assert guarded([Scripted()], period=128).delay == 0
    assert guarded([Scripted()], period=32).delay == 32
    assert guarded([Scripted()], period=441).delay == 63


@pytest.mark.parametrize("name", ["enhance-mono", "enhance-hearing-aid"])
@pytest.mark.parametrize("period", PERIODS)
def test_a_real_model_gives_what_it_gives_for_the_recording(name: str, period: int) -> None:
    separator = Separator.open(name)
    block = 64
    ladder = Ladder([model_engine(separator, mics=2, block=block, reference=1), Bypass(2, 1, block, 1)], QUICK, Clock())
    guard = Guard(ladder, metrics(2, 1, block), RATE, period, reference=1)
    x = noise(period * (10_000 // period), mics=2)
    y = run(guard, x, period)
    want = Separator.open(name).separate(x[1:])
    np.testing.assert_array_equal(y[:, guard.delay :], want[:, : x.shape[1] - guard.delay])
    assert not sum(guard.metrics.fallbacks.values())


@pytest.mark.parametrize("outcome", [Outcome.LATE, Outcome.BAD, Outcome.DEAD])
@pytest.mark.parametrize("period", [64, 160, 441])
def test_a_block_that_failed_leaves_as_the_microphone_of_that_moment(outcome: Outcome, period: int) -> None:
    """Faults: NaN, late, dead. Whole blocks of the microphone, as late as the model, then the model again."""
    engine = Scripted(delay=BLOCK, gain=0.5, fails=at([10, 30], outcome))
    guard = guarded([engine, Bypass(1, 1, BLOCK)])
    x = tones(60 * BLOCK)
    y, microphone = run(guard, x, period), delayed(x, guard.delay)
    lost = [10, 30] if outcome is Outcome.LATE else [10, 11, 30, 31]  # a reset engine needs its delay again
    wait = guard.delay - BLOCK
    for number in range(1, 58):
        # After the 5 ms of the change the signal is one of the two to the bit: the second half of a block may differ
        # where the change takes all of it, so changes are looked at apart.
        place = slice(wait + number * BLOCK, wait + (number + 1) * BLOCK)
        changes = {*lost, *(block + 1 for block in lost)}
        if number not in changes:
            np.testing.assert_array_equal(y[:, place], 0.5 * microphone[:, place])
    for number in lost:
        last = wait + (number + 1) * BLOCK - 1
        np.testing.assert_allclose(y[:, last], microphone[:, last], rtol=0, atol=1e-6)  # the change has ended
    assert guard.metrics.fallbacks == {"late": 0, "bad": 0, "dead": 0, outcome.value: len(lost)}


@pytest.mark.parametrize("gain", [0.0, 0.3, -1.0])
@pytest.mark.parametrize("block", [32, 64, 160, 512])
def test_neither_a_failure_nor_the_way_back_clicks(gain: float, block: int) -> None:
    failures = at([9, 11, 12, 13, 20, 33], Outcome.LATE)
    guard = guarded([Scripted(block=block, gain=gain, fails=failures)])
    x = tones(60 * block)
    y = run(guard, x)
    assert sharpest(y) <= 1.1 * sharpest(x)
    cut = x.copy()
    cut[:, 20 * block :] *= -1
    assert sharpest(cut) > 4 * sharpest(x)  # the measure sees a click


def test_steps_between_engines_do_not_click() -> None:
    big = Scripted(gain=0.2, delay=30, fails=at([40, 41, 42], Outcome.DEAD))
    guard = guarded([big, Scripted(gain=-0.7)])
    x = tones(250 * BLOCK)
    y = run(guard, x)
    assert guard.metrics.rung == 0
    assert sharpest(y) <= 1.1 * sharpest(x)
    np.testing.assert_array_equal(y[:, -50 * BLOCK :], np.float32(0.2) * delayed(x, guard.delay)[:, -50 * BLOCK :])


def test_two_sources_fall_back_together_and_each_without_a_click() -> None:
    class Two(Scripted):
        def process(self, x: np.ndarray, out: np.ndarray, budget_s: float) -> Outcome:
            outcome = super().process(x, out, budget_s)
            out[1] *= -2
            return outcome

    guard = guarded([Two(mics=2, sources=2, fails=at([10], Outcome.DEAD))])
    x = np.repeat(tones(30 * BLOCK), 2, axis=0)
    y = run(guard, x)
    assert sharpest(y) <= 2 * 1.1 * sharpest(x)
    assert guard.metrics.fallbacks["dead"] == 1


def test_overruns_of_the_sound_card_step_down() -> None:
    """Fault: a storm of overruns."""
    guard = guarded([Scripted(), Bypass(1, 1, BLOCK)])
    x = noise(BLOCK)
    for _ in range(4):
        guard.overrun()
        run(guard, x)
    assert guard.metrics.rung == 1


def test_forgetting_begins_a_new_stream() -> None:
    guard = guarded([model_engine(Separator.open("enhance-mono"), 1)])
    x = noise(5000)
    first = run(guard, x, 441)
    guard.forget()
    np.testing.assert_array_equal(run(guard, x, 441), first)


def test_a_stream_that_begins_anew_keeps_the_engine_that_can_keep_up() -> None:
    """Fault: a board so slow that samples are lost for longer than a model remembers. Each such gap begins the stream
    anew; were the slow engine back each time, it would lose samples for ever."""
    guard = guarded([Scripted(), Scripted(name="smaller")])
    for _ in range(50):
        guard.overrun()
        guard.forget()
    assert guard.metrics.rung == guard.ladder.rung == 1


def test_what_does_not_fit_is_refused() -> None:
    guard = guarded([Scripted()], period=32)
    with pytest.raises(ValueError, match="33 samples: expected a multiple of 32"):
        guard.process(noise(33), np.empty((1, 33), np.float32))
    with pytest.raises(ValueError, match="period = 0"):
        guarded([Scripted()], period=0)
    ladder = Ladder([Scripted()])
    with pytest.raises(ValueError, match="reference = 1: expected a microphone, 0 to 0"):
        Guard(ladder, metrics(), RATE, reference=1)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (
            lambda: model_engine(Separator.open("enhance-mono"), 2, reference=2),
            "reference = 2: expected a microphone, 0 to 1",
        ),
        (lambda: model_engine(Separator.open("enhance-mono"), 2, block=96), "block = 96: expected a multiple of 64"),
        (lambda: Bypass(2, 1, 64, -1), "reference = -1"),
    ],
)
def test_engines_that_cannot_be_are_refused(make: Callable[[], Engine], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make()
