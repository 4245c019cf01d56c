"""The artifacts that a search ends in: the smallest and the fastest that keep the budget, on the whole set too.

Candidates are compared on some mixtures, and the one that just keeps the budget there is often one that those mixtures
flatter. So those on the front are scored again on all mixtures of the set, the best first, until one keeps the budget.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quantization.compression.budget import Budget
from quantization.compression.front import Point, front

Confirm = Callable[[Point], Point]  # the point with its losses on all mixtures


@dataclass(frozen=True)
class Choice:
    """What was chosen by what it is, `smallest` and `fastest` where that is another; and all that were confirmed."""

    chosen: dict[str, Point]
    confirmed: tuple[Point, ...]


def choose(budget: Budget, found: Sequence[Point], confirm: Confirm) -> Choice:
    """The smallest and, where it is clearly faster, the fastest of the front that keep the budget on all mixtures.

    The front is that of what keeps the budget: the worst mixture counts there, and not in what dominates.
    """
    within, confirmed = front([point for point in found if budget.keeps(point)]), dict[Point, Point]()

    def first(ordered: Sequence[Point]) -> Point | None:
        for point in ordered:
            if point not in confirmed:
                confirmed[point] = confirm(point)
            if budget.keeps(confirmed[point]):
                return confirmed[point]
        return None

    chosen = dict[str, Point]()
    if smallest := first(sorted(within, key=lambda point: (point.kib, point.loss_db))):
        chosen["smallest"] = smallest
        faster = [point for point in within if point.grid[1] < smallest.grid[1]]
        if fastest := first(sorted(faster, key=lambda point: (point.grid[1], point.kib, point.loss_db))):
            chosen["fastest"] = fastest
    return Choice(chosen, tuple(confirmed.values()))
