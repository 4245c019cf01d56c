"""What an artifact may cost, and how near one comes that costs more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from quantization.compression.front import Point


@dataclass(frozen=True)
class Budget:
    """Limits: loss in dB of the SI-SDR improvement on the mean, size in KiB, real-time factor of the median step, and
    loss of the mixture that loses most."""

    loss_db: float
    kib: float = math.inf
    rtf: float = math.inf
    worst_db: float = math.inf

    def __post_init__(self) -> None:
        for name, limit in (
            *(("loss_db", self.loss_db), ("kib", self.kib)),
            *(("rtf", self.rtf), ("worst_db", self.worst_db)),
        ):
            if not limit > 0:  # written so that NaN fails too
                raise ValueError(f"{name} = {limit:g}: expected a limit above 0")

    def keeps(self, point: Point) -> bool:
        """Whether a point is within all limits."""
        return all(used <= limit for _, used, limit, _ in self.used(point))

    def used(self, point: Point) -> tuple[tuple[str, float, float, str], ...]:
        """What is limited, what a point has of it, what it may have, and how both are written."""
        return (
            ("loss", point.loss_db, self.loss_db, ".2f} dB"),
            ("size", point.kib, self.kib, ".0f} KiB"),
            ("time", point.rtf, self.rtf, ".4f} of real time"),
            ("loss of the worst mixture", point.worst_db, self.worst_db, ".2f} dB"),
        )

    def excess(self, point: Point) -> float:
        """How many times the limit that it is furthest beyond; 1 or less keeps the budget."""
        return max(used / limit for _, used, limit, _ in self.used(point))

    def shortfall(self, points: Sequence[Point]) -> str:
        """How near the nearest point comes, and what limits it, in one line."""
        nearest = min(points, key=self.excess)
        beyond = [
            f"{name} {('{:' + form).format(used)} where {('{:' + form).format(limit)} may be"
            for name, used, limit, form in self.used(nearest)
            if used > limit
        ]
        return f"the nearest is {nearest.label}: {', '.join(beyond)}"
