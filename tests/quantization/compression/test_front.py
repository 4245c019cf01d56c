"""The front: nothing on it is beaten, everything off it is; and what counts as within a budget, and near one."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantization.compression.budget import Budget
from quantization.compression.candidates import REFERENCE, Candidate, Measured, Origin
from quantization.compression.choice import choose
from quantization.compression.front import TIE_DB, TIE_KIB, TIE_TIME, Point, dominates, front, points


def point(kib: float, time: float, loss_db: float) -> Point:
    return Point(REFERENCE, kib, time, 0.1 * time, loss_db, loss_db)


POINTS = st.lists(st.builds(point, st.floats(1, 50), st.floats(0.2, 3), st.floats(-0.05, 0.3)), min_size=1, max_size=30)


@given(POINTS)
def test_nothing_on_the_front_is_dominated_and_every_other_is_by_one_of_it(found: list[Point]) -> None:
    best = front(found)
    assert best
    assert not any(dominates(other, p) for p in best for other in found)
    assert all(any(dominates(p, other) for p in best) for other in found if other not in best)


@given(POINTS)
def test_the_front_depends_neither_on_the_order_nor_on_what_is_off_it(found: list[Point]) -> None:
    best = front(found)
    grids = sorted(p.grid for p in best)
    assert sorted(p.grid for p in front(found[::-1])) == grids == sorted(p.grid for p in front(best))


@given(POINTS, st.floats(2, 5))
def test_what_is_clearly_worse_in_everything_is_never_on_the_front(found: list[Point], steps: float) -> None:
    first = found[0]
    worse = point(first.kib + steps * TIE_KIB, first.time * TIE_TIME**steps, first.loss_db + steps * TIE_DB)
    assert worse not in front([*found, worse])


@given(POINTS, st.floats(0.01, 0.2), st.floats(0, 0.1))
def test_the_first_of_the_front_that_keeps_the_budget_on_the_whole_set_is_chosen(
    found: list[Point], loss_db: float, more_db: float
) -> None:
    budget, asked = Budget(loss_db), list[Point]()

    def confirm(p: Point) -> Point:
        asked.append(p)
        return replace(p, loss_db=p.loss_db + more_db)

    choice = choose(budget, found, confirm)
    keep = [p for p in front([p for p in found if budget.keeps(p)]) if p.loss_db + more_db <= loss_db]
    assert bool(choice.chosen) == bool(keep)
    assert len(asked) == len(set(asked)) == len(choice.confirmed)
    if keep:
        smallest, fastest = choice.chosen["smallest"], choice.chosen.get("fastest", choice.chosen["smallest"])
        assert smallest.kib == min(p.kib for p in keep)
        assert fastest.grid[1] == min(p.grid[1] for p in keep)
        assert all(budget.keeps(p) for p in choice.chosen.values())


def test_what_ruins_one_mixture_does_not_stand_in_the_way_of_what_does_not() -> None:
    ruinous, larger = replace(point(100, 1.0, 0.1), worst_db=2.0), replace(point(200, 1.1, 0.1), worst_db=0.3)
    assert choose(Budget(0.3), [ruinous, larger], lambda p: p).chosen == {"smallest": ruinous}
    assert choose(Budget(0.3, worst_db=0.5), [ruinous, larger], lambda p: p).chosen == {"smallest": larger}


def test_differences_that_no_measurement_shows_are_ties() -> None:
    half, whole = point(100, 1.0, 0.001), point(200, 0.99, 0.0)
    assert front([whole, half]) == [half]


def test_real_time_factors_are_shares_of_the_references_median() -> None:
    small = Candidate(Origin(0, 0.5), "dynamic_int8")
    found = points(
        [
            Measured(REFERENCE, 2048, 200.0, 200.0),
            Measured(small, 1024, 150.0, 300.0, 0.1, 0.2),  # while the machine was busy
            Measured(Candidate(Origin(), "float16"), refused="no kernel"),
        ],
        block_s=0.004,
    )
    assert [(p.kib, p.time) for p in found] == [(2.0, 1.0), (1.0, 0.5)]
    assert [p.rtf for p in found] == pytest.approx([0.25e-3 / 4e-3, 0.125e-3 / 4e-3])


@given(POINTS, st.floats(0.01, 0.3), st.floats(1, 50), st.floats(0.01, 0.3))
def test_a_budget_is_kept_where_nothing_exceeds_it(found: list[Point], loss_db: float, kib: float, rtf: float) -> None:
    budget = Budget(loss_db, kib, rtf)
    for p in found:
        assert budget.keeps(p) == (p.loss_db <= loss_db and p.kib <= kib and p.rtf <= rtf) == (budget.excess(p) <= 1)


def test_the_nearest_says_what_limits_it() -> None:
    said = Budget(0.3, kib=100).shortfall([point(110, 1, 0.2), point(50, 1, 2.0)])
    assert said == "the nearest is network float32: size 110 KiB where 100 KiB may be"
    said = Budget(0.3, kib=100, rtf=0.05).shortfall([point(110, 1, 0.5)])
    assert said.split(": ")[1] == (
        "loss 0.50 dB where 0.30 dB may be, size 110 KiB where 100 KiB may be, "
        "time 0.1000 of real time where 0.0500 of real time may be"
    )


@pytest.mark.parametrize("limits", [(0.0,), (-1.0,), (math.nan,), (0.3, 0.0), (0.3, 100, -0.1), (0.3, 100, 0.1, 0.0)])
def test_a_limit_is_above_zero(limits: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="expected a limit above 0"):
        Budget(*limits)
