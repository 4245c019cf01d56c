"""The Pareto front: models that no other is at least as good as in size, time and loss, and better in one of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantization.compression.candidates import Candidate, Measured

# Differences that count as none. Times of one model, taken in turn with the reference, repeated within 2 % on a machine
# that trained a network beside (0.78 to 0.80 in six runs); losses are means over few mixtures. Each value goes to the
# nearest point of a grid of this step, so that being as good as another is the same seen from both, and passes on from
# one to the next. Two values on both sides of a grid line still differ, which may leave a point too many on the front.
TIE_KIB, TIE_TIME, TIE_DB = 1.0, 1.05, 0.01


@dataclass(frozen=True)
class Point:
    """A measured candidate among the others.

    time: of a step, as a share of the reference's in the same run. rtf: real-time factor, that share times the median
    of all that the reference had during the search, so that what else the machine did then falls on all alike.
    """

    candidate: Candidate
    kib: float
    time: float
    rtf: float
    loss_db: float
    worst_db: float

    @property
    def label(self) -> str:
        """For people."""
        return self.candidate.label

    @property
    def grid(self) -> tuple[int, int, int]:
        """Size, time and loss in steps of what counts as a difference."""
        time = round(math.log(self.time) / math.log(TIE_TIME))
        return round(self.kib / TIE_KIB), time, round(self.loss_db / TIE_DB)


def points(measured: Sequence[Measured], block_s: float) -> list[Point]:
    """The candidates that there are models of; `block_s` is the time that a step has in seconds."""
    made = [m for m in measured if not m.refused]
    reference_s = float(np.median([m.reference_us for m in made])) / 1e6 if made else 0.0
    found = []
    for m in made:
        time = m.step_us / m.reference_us
        found.append(Point(m.candidate, m.size / 1024, time, time * reference_s / block_s, m.loss_db, m.worst_db))
    return found


def dominates(one: Point, other: Point) -> bool:
    """Whether one is at least as good in everything and better in something."""
    ours, theirs = one.grid, other.grid
    return ours != theirs and all(a <= b for a, b in zip(ours, theirs, strict=True))


def front(found: Sequence[Point]) -> list[Point]:
    """Those that none dominates, the smallest first."""
    staying = [point for point in found if not any(dominates(other, point) for other in found)]
    return sorted(staying, key=lambda point: (point.kib, point.time, point.loss_db))
