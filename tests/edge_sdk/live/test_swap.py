"""Another engine takes over while a stream plays: when it may, when it must not, and the way back."""

from dataclasses import replace

import numpy as np
import pytest

from edge_sdk.contract import read_bundle
from edge_sdk.library import find_model
from edge_sdk.live.engine import Outcome
from edge_sdk.live.ladder import Ladder
from edge_sdk.live.local import Bypass
from edge_sdk.live.newcomer import memory_of
from edge_sdk.live.swap import SwapError, require_fit
from tests.edge_sdk.live.engines import Scripted, at
from tests.edge_sdk.live.stage import BLOCK, MEMORY, QUICK, Stage, delayed


def changed(y: np.ndarray, before: np.ndarray, after: np.ndarray) -> tuple[int, int]:
    """Where one signal ends to the bit, and where the other begins to."""
    same_before, same_after = (y == before).all(axis=0), (y == after).all(axis=0)
    last = int(np.argmin(same_before)) if not same_before.all() else y.shape[1]
    first = y.shape[1] - int(np.argmin(same_after[::-1])) if not same_after.all() else 0
    return last, first


@pytest.mark.parametrize("delay", [0, 32, 64])
def test_the_new_model_is_heard_from_one_block_to_the_next(delay: int) -> None:
    """Whatever its delay, up to that of the one before: they come out together."""
    stage = Stage(Scripted("old", delay=64))
    stage.play(20)
    assert stage.load(Scripted("new", delay=delay, gain=0.5)) == 1
    stage.play(20)
    x, end = delayed(stage.x, 64), stage.blocks * BLOCK
    last, first = changed(stage.y[:, :end], x[:, :end], np.float32(0.5) * x[:, :end])
    assert last >= 20 * BLOCK and last // BLOCK == (first - 1) // BLOCK, "one block, in which they cross"
    assert stage.metrics.rungs == ("new", "old", "bypass") and stage.metrics.swaps == 1
    assert not any(stage.metrics.fallbacks.values())


def test_it_has_heard_what_it_remembers_before_it_is_heard() -> None:
    stage, new = Stage(Scripted("old")), Scripted("new", gain=0.5)
    stage.play(3)
    assert stage.load(new, memory=40 * BLOCK) == 1
    assert new.number >= 40 and stage.blocks >= 43


def test_the_one_before_comes_back_and_the_other_is_closed() -> None:
    old, new = Scripted("old"), Scripted("new", gain=0.5)
    stage = Stage(old)
    assert stage.load(new) == 1
    stage.play(10)
    assert stage.bring(stage.swap.back) == 2
    stage.play(10)
    assert new.closed and not old.closed and list(stage.open) == [old]
    assert stage.metrics.rungs == ("old", "bypass")
    end = stage.blocks * BLOCK
    np.testing.assert_array_equal(stage.y[:, end - 5 * BLOCK : end], stage.x[:, end - 5 * BLOCK : end])
    assert "there is none to go back to" in str(stage.bring(stage.swap.back))


def test_strikes_bring_the_one_before_back_and_asking_for_it_changes_nothing_that_is_heard() -> None:
    """Fault: the new model is not finite, again and again."""
    old, new = Scripted("old"), Scripted("new", gain=0.5)
    stage = Stage(old)
    assert stage.load(new) == 1
    new.fails = lambda number: Outcome.BAD
    stage.play(QUICK.bad + 1)
    assert stage.metrics.rungs[stage.metrics.rung] == "old" and stage.metrics.fallbacks["bad"] == QUICK.bad
    stage.play(5)
    begin = stage.blocks * BLOCK
    assert stage.bring(stage.swap.back) == 2
    stage.play(10)
    end = stage.blocks * BLOCK
    np.testing.assert_array_equal(stage.y[:, begin:end], stage.x[:, begin:end])
    assert new.closed and stage.metrics.rungs == ("old", "bypass") and stage.metrics.rung == 0


def test_of_many_models_two_stay_loaded() -> None:
    engines = [Scripted(f"model-{number}", gain=1 / (number + 1)) for number in range(4)]
    stage = Stage(engines[0])
    for number in (1, 2, 3):
        assert stage.load(engines[number]) == number
        stage.play(10)
    assert [engine.closed for engine in engines] == [True, True, False, False]
    assert stage.metrics.rungs == ("model-3", "model-2", "bypass") and list(stage.open) == engines[2:]


def test_what_failed_is_not_kept_as_the_way_back() -> None:
    old, bad, good = Scripted("old"), Scripted("bad"), Scripted("good", gain=0.5)
    stage = Stage(old)
    stage.load(bad)
    bad.fails = lambda number: Outcome.DEAD
    stage.play(QUICK.bad + 1)
    assert stage.load(good) == 2
    assert stage.metrics.rungs == ("good", "old", "bypass") and bad.closed


def test_two_versions_of_a_model_have_different_names() -> None:
    stage = Stage(Scripted("same"))
    assert stage.load(Scripted("same", gain=0.5)) == 1
    stage.play(1)
    assert stage.metrics.rungs == ("same", "same (before)", "bypass")


def test_counts_begin_anew_with_a_model() -> None:
    """So that nobody holds the faults of the one before against it."""
    stage = Stage(Scripted("old", fails=at([2, 9], Outcome.BAD)))
    stage.play(15)
    assert stage.metrics.fallbacks["bad"] == 2
    assert stage.load(Scripted("new", gain=0.5)) == 1
    stage.play(4)
    warm = MEMORY // BLOCK + 1
    assert stage.metrics.fallbacks["bad"] == 0 and 4 <= stage.metrics.snapshot().steps <= stage.blocks - 15 - warm


def test_a_stream_that_begins_anew_meanwhile_warms_the_model_anew() -> None:
    stage, new = Stage(Scripted("old")), Scripted("new", gain=0.5)
    stage.play(5)
    forgot = []

    def fails(number: int) -> Outcome:
        if number == 4 and not forgot:
            forgot.append(stage.blocks)
            stage.guard.forget()
        return Outcome.GOOD

    new.fails = fails
    assert stage.load(new) == 1
    assert forgot and stage.metrics.rungs[0] == "new"


def test_models_that_do_not_fit_are_refused_with_what_to_do() -> None:
    m = read_bundle(find_model("enhance-mono")).manifest
    ladder = Ladder([Scripted(delay=m.delay, block=m.block), Bypass(1, 1, m.block)], QUICK)
    require_fit(m, ladder, m.sample_rate)
    other = Ladder([Scripted(delay=m.delay, block=m.block // 2)], QUICK)
    early = Ladder([Scripted(delay=m.delay - 1, block=m.block)], QUICK)
    two = Ladder([Scripted(sources=2, delay=m.delay, block=m.block)], QUICK)
    for unfit, rate_hz, said in (
        (other, m.sample_rate, f"the stream has blocks of {m.block // 2}"),
        (early, m.sample_rate, f"is {m.delay - 1} late"),
        (two, m.sample_rate, "the stream 2 of 1"),
        (ladder, 48_000, "at 48000"),
    ):
        with pytest.raises(SwapError, match=said) as refused:
            require_fit(m, unfit, rate_hz)
        assert "\n" not in str(refused.value) and "start the stream anew" in str(refused.value)


def test_a_recurrent_model_hears_some_seconds() -> None:
    from edge_sdk.contract import Carry

    m = read_bundle(find_model("separate-2spk")).manifest  # it has delay lines alone
    lines = sum(2 * 2**layer for layer in range(6)) * 3
    assert memory_of(m) == lines * m.hop + m.context + m.window
    assert memory_of(replace(m, carries=(Carry("h", "h_out", (1, 8)),))) == 5 * m.sample_rate
