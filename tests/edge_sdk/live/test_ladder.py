"""Which engine is in use follows from faults, and from how long there were none; block by block, without a clock."""

from collections.abc import Sequence

import numpy as np
import pytest

from edge_sdk.live.engine import Outcome
from edge_sdk.live.history import History
from edge_sdk.live.ladder import Ladder
from edge_sdk.live.ladder_config import LadderConfig
from edge_sdk.live.local import Bypass
from tests.edge_sdk.live.engines import Clock, Scripted, at, noise

BLOCK, BUDGET = 64, 0.003
QUICK = LadderConfig(bad=3, late=4, overruns=4, window=50, calm=100, calm_limit=800, trial=5)


def run(ladder: Ladder, blocks: int, x: np.ndarray | None = None) -> list[int]:
    """The rung in use after each of so many blocks."""
    history, rungs = History(ladder.mics, ladder.block, ladder.delay + 2), []
    for number in range(blocks):
        history.push(
            np.zeros((ladder.mics, ladder.block), np.float32)
            if x is None
            else x[:, number * ladder.block : (number + 1) * ladder.block]
        )
        ladder.step(history, BUDGET)
        rungs.append(ladder.rung)
    return rungs


def changes(rungs: Sequence[int]) -> list[tuple[int, int]]:
    """Number of the block and rung of every change."""
    return [(number, rung) for number, rung in enumerate(rungs) if rung != ([0, *rungs][number])]


def test_a_healthy_engine_stays_in_use() -> None:
    assert set(run(Ladder([Scripted(), Scripted()], QUICK, Clock()), 2000)) == {0}


@pytest.mark.parametrize(("outcome", "strikes"), [(Outcome.BAD, 3), (Outcome.DEAD, 3), (Outcome.LATE, 4)])
def test_strikes_within_the_window_step_down(outcome: Outcome, strikes: int) -> None:
    blocks = [10 + 7 * strike for strike in range(strikes)]
    ladder = Ladder([Scripted(fails=at(blocks, outcome)), Scripted(name="smaller")], QUICK, Clock())
    assert changes(run(ladder, 60)) == [(blocks[-1], 1)]


@pytest.mark.parametrize("outcome", [Outcome.BAD, Outcome.DEAD, Outcome.LATE])
def test_faults_now_and_then_do_not(outcome: Outcome) -> None:
    ladder = Ladder([Scripted(fails=at(range(0, 3000, 26), outcome)), Scripted()], QUICK, Clock())
    assert set(run(ladder, 3000)) == {0}


def test_an_engine_that_was_not_finite_is_reset_and_goes_on() -> None:
    """Fault: the model puts out NaN once."""
    engine = Scripted(fails=at([10], Outcome.BAD))
    assert set(run(Ladder([engine, Scripted()], QUICK, Clock()), 50)) == {0}
    assert engine.resets == 1


def test_a_slow_engine_makes_way_although_its_output_is_good() -> None:
    """Fault: the board is hot and its clock low. The engine is late by the clock, block after block."""
    clock = Clock()
    slow = Scripted(clock=clock, takes=lambda number: 1.1 * BUDGET)
    ladder = Ladder([slow, Scripted(clock=clock, takes=lambda number: 0.4 * BUDGET)], QUICK, clock)
    assert changes(run(ladder, 90)) == [(3, 1)]


def test_it_climbs_after_a_calm_time_and_a_trial() -> None:
    """Fault: slow for a while. All three rungs, and back up."""
    clock = Clock()
    hot = range(20, 100)  # blocks of the ladder
    blocks = 0

    def takes(share: float) -> float:
        return share * BUDGET * (3 if blocks in hot else 1)

    big = Scripted("big", clock=clock, takes=lambda number: takes(0.6))
    small = Scripted("small", clock=clock, takes=lambda number: takes(0.4))
    ladder = Ladder([big, small, Bypass(1, 1, BLOCK)], QUICK, clock)
    rungs = []
    history = History(1, BLOCK, 2)
    for blocks in range(500):  # noqa: B007
        history.push(np.zeros((1, BLOCK), np.float32))
        ladder.step(history, BUDGET)
        rungs.append(ladder.rung)
    down = changes(rungs)
    assert [rung for _, rung in down] == [1, 2, 1, 0]
    assert down[0][0] == 23 and down[1][0] == 27
    # Calm for 100 blocks and a trial of 5, twice.
    assert down[2][0] == pytest.approx(27 + 105, abs=3)
    assert down[3][0] == pytest.approx(down[2][0] + 105, abs=3)


def test_each_step_up_that_fails_doubles_the_calm_time_up_to_a_limit() -> None:
    engine = Scripted(fails=lambda number: Outcome.BAD)
    run(ladder := Ladder([engine, Scripted()], QUICK, Clock()), 100 + 200 + 400 + 3 * 800 + 50)
    assert engine.number == 3 + 6  # the strikes, and one block of each trial
    assert ladder.rung == 1


def test_a_step_up_that_does_not_last_counts_as_failed() -> None:
    """An engine that is good for a trial and fails soon after."""
    engine = Scripted(fails=lambda number: Outcome.GOOD if 3 <= number < 8 or 11 <= number < 16 else Outcome.BAD)
    rungs = run(Ladder([engine, Scripted()], QUICK, Clock()), 500)
    first_down, first_up, second_down, second_up = (number for number, _ in changes(rungs)[:4])
    assert first_up - first_down == pytest.approx(100, abs=8)
    assert second_up - second_down == pytest.approx(200, abs=8)


def test_a_rung_that_is_gone_for_good_does_not_bar_the_way_up() -> None:
    """The process of the smaller model is quarantined; the chosen model is well again."""
    chosen = Scripted("chosen", fails=at(range(3), Outcome.DEAD))
    gone = Scripted("smaller", fails=lambda number: Outcome.DEAD)
    rungs = run(Ladder([chosen, gone, Bypass(1, 1, BLOCK)], QUICK, Clock()), 400)
    assert rungs[10] == 2
    assert rungs[-1] == 0


def test_during_a_trial_the_output_stays_that_of_the_engine_in_use() -> None:
    upper, lower = Scripted(gain=2.0, fails=at(range(3), Outcome.BAD)), Scripted(gain=1.0)
    ladder, history = Ladder([upper, lower], QUICK, Clock()), History(1, BLOCK, 2)
    x = np.full((1, BLOCK), 0.5, np.float32)
    for _ in range(150):
        history.push(x)
        outcome = ladder.step(history, BUDGET)
        if outcome is Outcome.GOOD:
            assert ladder.out[0, -1] == (1.0, 0.5)[ladder.rung]
        if ladder.before is not None:
            assert (ladder.before == 0.5).all() and (ladder.out == 1.0).all()
            break
    else:
        pytest.fail("it never climbed")


def test_rungs_of_different_delay_come_out_together() -> None:
    """Samples of both engines are those of the same moment, on every rung."""
    x = noise(BLOCK * 300)
    upper = Scripted(delay=150, fails=at(range(40, 43), Outcome.DEAD))
    ladder = Ladder([upper, Scripted(delay=37), Bypass(1, 1, BLOCK)], QUICK, Clock())
    history, late = History(1, BLOCK, ladder.delay + 2), np.concatenate([np.zeros((1, 150), np.float32), x], axis=1)
    seen, good = set(), 0
    for number in range(300):
        history.push(x[:, number * BLOCK : (number + 1) * BLOCK])
        if ladder.step(history, BUDGET) is Outcome.GOOD:
            np.testing.assert_array_equal(ladder.out, late[:, number * BLOCK : (number + 1) * BLOCK])
            seen.add(ladder.rung)
            good += 1
    assert seen == {0, 1}
    assert good == 300 - 3 - 1  # three faults, and one block more in which the lower engine warms up


def test_an_engine_is_not_believed_until_it_is_warm() -> None:
    """After a reset the first `delay` samples are of a past that it has forgotten."""
    engine = Scripted(delay=150, fails=at([20], Outcome.BAD))
    ladder, history = Ladder([engine], QUICK, Clock()), History(1, BLOCK, 152)
    told = []
    for _ in range(40):
        history.push(np.ones((1, BLOCK), np.float32))
        told.append(ladder.step(history, BUDGET))
        if told[-1] is Outcome.GOOD and len(told) > 4:
            assert (ladder.out == 1).all()
    assert [number for number, outcome in enumerate(told) if outcome is Outcome.BAD] == [20, 21, 22, 23]


def test_a_storm_of_overruns_ends_on_the_last_rung_and_stays_there() -> None:
    """Fault: overrun after overrun; no stepping up and down while it lasts."""
    ladder, history = Ladder([Scripted(), Scripted(), Bypass(1, 1, BLOCK)], QUICK, Clock()), History(1, BLOCK, 2)
    rungs = []
    for number in range(1500):
        history.push(np.zeros((1, BLOCK), np.float32))
        if number < 1000 and number % 10 == 0:
            ladder.overrun()
        ladder.step(history, BUDGET)
        rungs.append(ladder.rung)
    assert changes(rungs[:1000]) == [(30, 1), (70, 2)]
    assert rungs[-1] == 0


def test_the_same_faults_give_the_same_steps() -> None:
    def steps() -> list[int]:
        rng = np.random.default_rng(5)
        faults = [Outcome.GOOD] * 18 + [Outcome.BAD, Outcome.LATE]
        engines = [Scripted(fails=lambda number: faults[rng.integers(20)]) for _ in range(2)]
        return run(Ladder([*engines, Bypass(1, 1, BLOCK)], QUICK, Clock()), 5000)

    first = steps()
    assert first == steps()
    assert set(first) == {0, 1, 2}


def test_forgetting_keeps_the_rung_and_close_ends_every_engine() -> None:
    engines = [Scripted(fails=at(range(3), Outcome.BAD)), Scripted()]
    ladder = Ladder(engines, QUICK, Clock())
    assert run(ladder, 5)[-1] == 1
    ladder.forget()
    assert ladder.rung == 1 and all(engine.resets for engine in engines)
    ladder.close()
    assert all(engine.closed for engine in engines)


@pytest.mark.parametrize(
    "other", [Scripted("other", mics=2), Scripted("other", sources=2), Scripted("other", block=32)]
)
def test_engines_must_fit_each_other(other: Scripted) -> None:
    with pytest.raises(ValueError, match="other turns .*: expected 1, 1 and 64, as scripted does"):
        Ladder([Scripted(), other])


def test_configurations_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="no engines"):
        Ladder([])
    with pytest.raises(ValueError, match="at least 1 of each"):
        LadderConfig(bad=0)
    with pytest.raises(ValueError, match="calm_limit = 5: expected at least calm = 10"):
        LadderConfig(calm=10, calm_limit=5)


def test_times_follow_the_block() -> None:
    config = LadderConfig.for_blocks(160, 16_000)
    assert (config.window, config.late, config.calm, config.calm_limit, config.trial) == (1000, 50, 1000, 60_000, 20)
