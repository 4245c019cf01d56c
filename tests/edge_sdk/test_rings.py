"""Rings hold exactly the past that a plain list of all rows would."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk.contract import DelayLine, DelayLines
from edge_sdk.rings import Rings, whole_rows

WIDTH = 3
lines = st.lists(st.builds(DelayLine, st.integers(2, 5), st.integers(1, 9)), min_size=1, max_size=4).map(tuple)


class ListOfRows:
    """Every row there ever was, taken as `DelayLine.past` says."""

    def __init__(self, group: DelayLines, frames: int) -> None:
        self.group, self.frames = group, frames
        self.rows: list[list[np.ndarray]] = [[] for _ in group.lines]

    def taps(self) -> np.ndarray:
        nothing = np.zeros(self.group.width, np.float32)
        taken = []
        for line, rows in zip(self.group.lines, self.rows, strict=True):
            taken += [rows[len(rows) + at] if len(rows) + at >= 0 else nothing for at in line.past(self.frames)]
        return np.array(taken)

    def write(self, rows: np.ndarray) -> None:
        for number, kept in enumerate(self.rows):
            kept.extend(rows[number * self.frames : (number + 1) * self.frames].copy())


def group_of(lines: tuple[DelayLine, ...]) -> DelayLines:
    return DelayLines("taps", "rows", WIDTH, lines)


@given(lines=lines, frames=st.integers(1, 12), steps=st.integers(1, 30))
@settings(deadline=None)
def test_taps_are_those_of_a_list_of_all_rows(lines: tuple[DelayLine, ...], frames: int, steps: int) -> None:
    rings, naive = Rings(group_of(lines), frames), ListOfRows(group_of(lines), frames)
    taps = np.full((rings.taps, WIDTH), np.nan, np.float32)
    for step in range(steps):
        rings.read(whole_rows(taps))
        np.testing.assert_array_equal(taps, naive.taps())
        rows = step + np.random.default_rng(step).random((rings.new_rows, WIDTH), np.float32)
        rings.write(whole_rows(rows))
        naive.write(rows)


@given(lines=lines, frames=st.integers(1, 12))
@settings(deadline=None)
def test_places_come_back_to_where_they_began(lines: tuple[DelayLine, ...], frames: int) -> None:
    """So a day of steps is no different from the first ones: nothing counts, nothing can overflow."""
    rings = Rings(group_of(lines), frames)
    begin, rows = rings._places.copy(), np.zeros((rings.new_rows, WIDTH), np.float32)
    period = int(np.lcm.reduce([max(line.depth, frames) for line in lines]))
    for _ in range(period):
        rings.write(whole_rows(rows))
        assert (rings._places >= 0).all() and (rings._places < len(rings._rows)).all()
    np.testing.assert_array_equal(rings._places, begin)


def test_a_reset_ring_is_silent() -> None:
    rings = Rings(group_of((DelayLine(3, 4),)), 2)
    rings.write(whole_rows(np.ones((rings.new_rows, WIDTH), np.float32)))
    rings.reset()
    taps = np.ones((rings.taps, WIDTH), np.float32)
    for _ in range(8):
        rings.read(whole_rows(taps))
        assert not taps.any()
        rings.write(whole_rows(np.zeros((rings.new_rows, WIDTH), np.float32)))


@pytest.mark.parametrize(("frames", "rows"), [(1, 2), (4, 8), (16, 24)])
def test_only_the_rows_that_are_needed_move(frames: int, rows: int) -> None:
    """A line of dilation 8 keeps 16 rows; a step over few frames takes two for each of them."""
    assert Rings(group_of((DelayLine(3, 8),)), frames).taps == rows
