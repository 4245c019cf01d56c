"""What turns a block of microphone samples into a block of sources, and how that went."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


class Outcome(Enum):
    """How a block went. Only `GOOD` says that the block's output holds anything."""

    GOOD = "good"
    LATE = "late"  # the output was not there in time
    BAD = "bad"  # it is not finite
    DEAD = "dead"  # whoever computes it died or raised an error


class Engine(Protocol):
    """A stream of blocks. The output runs `delay` samples behind the input and has as many samples."""

    name: str
    mics: int
    sources: int
    block: int
    delay: int

    def process(self, x: Samples, out: Samples, budget_s: float) -> Outcome:
        """Take a block `[mics, block]`, and write one, `[sources, block]`, to `out`, within so many seconds.

        Raises nothing: an error is an outcome, and logs a line. Keeps no reference to either array.
        """
        ...

    def reset(self) -> None:
        """Be as newly made."""
        ...

    def close(self) -> None:
        """End what runs beside; a second time does nothing."""
        ...
