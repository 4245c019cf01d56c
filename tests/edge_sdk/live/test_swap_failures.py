"""An engine that fails, is late or is not followed while it is to take over is not heard, and the stream goes on."""

import threading
import time

import numpy as np
import pytest

from edge_sdk.live.engine import Outcome
from edge_sdk.live.swap import FailedError, SwapError
from tests.edge_sdk.live.engines import Clock, Scripted, at
from tests.edge_sdk.live.stage import BLOCK, BUDGET, MEMORY, PATIENCE_S, Stage, bundle_of


@pytest.mark.parametrize(("outcome", "said"), [(Outcome.BAD, "a block was bad"), (Outcome.DEAD, "a block was dead")])
def test_a_model_that_fails_while_it_is_warmed_is_not_heard(outcome: Outcome, said: str) -> None:
    stage, new = Stage(Scripted("old")), Scripted("new", gain=0.5, fails=at([3], outcome))
    answer = stage.load(new)
    assert said in str(answer) and isinstance(answer, FailedError)
    stage.play(5)
    end = stage.blocks * BLOCK
    np.testing.assert_array_equal(stage.y[:, :end], stage.x[:, :end])
    assert new.closed and stage.metrics.rungs == ("old", "bypass") and stage.metrics.swaps == 0


@pytest.mark.parametrize("outcome", [Outcome.BAD, Outcome.DEAD])
def test_a_model_that_fails_when_it_is_its_turn_is_not_heard(outcome: Outcome) -> None:
    warm = MEMORY // BLOCK + 1
    stage, new = Stage(Scripted("old")), Scripted("new", gain=0.5, fails=at(range(warm, 4000), outcome))
    assert isinstance(stage.load(new), FailedError)
    stage.play(5)
    end = stage.blocks * BLOCK
    np.testing.assert_array_equal(stage.y[:, :end], stage.x[:, :end])


def test_a_model_that_is_always_late_beside_the_other_is_not_heard() -> None:
    """Fault: it keeps up when nobody waits for it, but not with the blocks. The sound is the old model's throughout."""
    clock = Clock()
    stage = Stage(Scripted("old", clock=clock), clock=clock)
    slow = Scripted("new", gain=0.5, clock=clock, takes=lambda number: 1.1 * BUDGET)
    assert "beside the engine that plays its blocks were late" in str(stage.load(slow))
    stage.play(5)
    end = stage.blocks * BLOCK
    np.testing.assert_array_equal(stage.y[:, :end], stage.x[:, :end])


def test_one_late_block_beside_the_other_only_puts_it_off() -> None:
    clock = Clock()
    stage = Stage(Scripted("old", clock=clock), clock=clock)
    # Its blocks before the seventh are warm-up: five that it remembers, and one more.
    new = Scripted("new", gain=0.5, clock=clock, takes=lambda number: 1.1 * BUDGET if number in (6, 7) else 0.0)
    assert stage.load(new) == 1
    stage.play(5)
    assert stage.metrics.rungs[0] == "new" and not any(stage.metrics.fallbacks.values())


def test_a_helper_that_does_not_follow_costs_the_stream_nothing() -> None:
    """Fault: the machine has no time for it. Blocks are played faster than it hears them until there is no room."""
    held, new = threading.Event(), Scripted("new", gain=0.5)
    stage = Stage(Scripted("old"))

    def hold(number: int) -> Outcome:
        held.wait(PATIENCE_S)
        return Outcome.GOOD

    new.fails = hold
    answers: list[str] = []

    def ask() -> None:
        with pytest.raises(SwapError) as refused:
            stage.swap.load(bundle_of(new, MEMORY))
        answers.append(str(refused.value))

    thread = threading.Thread(target=ask)
    thread.start()
    end = time.monotonic() + PATIENCE_S
    while stage.ladder.newcomer is None and time.monotonic() < end:
        time.sleep(0.001)
    stage.play(300)
    held.set()
    thread.join(PATIENCE_S)
    assert "too slow beside the engine that plays" in answers[0]
    np.testing.assert_array_equal(stage.y[:, : 300 * BLOCK], stage.x[:, : 300 * BLOCK])
