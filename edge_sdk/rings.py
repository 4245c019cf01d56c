"""The past of a model's delay lines, kept by the host.

Only the rows that a step needs go into the graph and only its new rows come out: with whole contexts going in and out a
step of a large network takes much longer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.contract import DelayLines

Rows = NDArray[np.void]
Run = tuple[int, int, int, int]  # the first row of a ring, its depth, where in it the run begins, and its rows


class Rings:
    """One ring per delay line of a group, all in one array, `[sum of depths, width]`.

    There is no clock: the next step reads and writes at row numbers, and each row knows the one that takes its place a
    step later. They turn for ever without counting, so that the millionth hour is like the first.

    memory: all rows. reads, writes: the runs of rows that the first step takes and gives, in the order of `taps` and of
    the new rows.
    """

    def __init__(self, group: DelayLines, frames: int) -> None:
        reads: list[Run] = []
        writes: list[Run] = []
        following: list[NDArray[np.intp]] = []
        end = 0
        for line in group.lines:
            depth = max(line.depth, frames)
            ages = range(line.depth, 0, -line.dilation)  # those of `DelayLine.past`
            reads += [(end, depth, -age % depth, min(frames, age)) for age in ages]
            writes.append((end, depth, 0, frames))
            following.append(end + (np.arange(depth, dtype=np.intp) + frames) % depth)
            end += depth
        self.reads, self.writes = tuple(reads), tuple(writes)
        self.memory = np.zeros((end, group.width), np.float32)
        self._rows = whole_rows(self.memory)
        read, written = rows_of(self.reads), rows_of(self.writes)
        self._places = np.array(read + written, np.intp)
        self._reads, self._writes = self._places[: len(read)], self._places[len(read) :]
        self._following = np.concatenate(following)

    @property
    def taps(self) -> int:
        """Rows of the past that a step needs."""
        return len(self._reads)

    @property
    def new_rows(self) -> int:
        """Rows that a step gives."""
        return len(self._writes)

    def read(self, taps: Rows) -> None:
        """Fill `taps`, `whole_rows` of `[rows needed, width]`, for the next step."""
        self._rows.take(self._reads, 0, taps, "clip")  # the other modes copy through a buffer

    def write(self, rows: Rows) -> None:
        """Keep the new rows of the step, `whole_rows` of `[lines * T, width]`, and move on by its frames."""
        self._rows[self._writes] = rows
        self._following.take(self._places, 0, self._places, "clip")

    def reset(self) -> None:
        """Forget everything; where an empty ring begins does not matter."""
        self.memory.fill(0)


def rows_of(runs: Iterable[Run]) -> list[int]:
    """The numbers of all rows, run after run."""
    return [begin + (at + row) % depth for begin, depth, at, count in runs for row in range(count)]


def whole_rows(array: NDArray[np.float32]) -> Rows:
    """The same memory with every row as one item, `[rows, width]` to `[rows]`.

    NumPy moves those by number faster than rows of floats.
    """
    _, width = array.shape
    rows: NDArray[Any] = array.view(np.dtype((np.void, width * array.itemsize)))
    return rows[:, 0]
