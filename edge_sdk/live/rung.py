"""A rung of the ladder: an engine, how it does, and when it has failed too often."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge_sdk.live.engine import Engine, Outcome
from edge_sdk.live.history import History

Samples = NDArray[np.float32]


class Strikes:
    """Faults within a window of blocks."""

    def __init__(self, limit: int, window: int) -> None:
        self._window = window
        self._blocks: deque[int] = deque(maxlen=limit)

    def out(self, block: int) -> bool:
        """Count one; whether that makes as many as there may be."""
        self._blocks.append(block)
        return len(self._blocks) == self._blocks.maxlen and block - self._blocks[0] < self._window

    def clear(self) -> None:
        self._blocks.clear()


class Rung:
    """An engine that hears the microphones so late that all rungs come out together.

    out: the block that it made; seconds: what that took.
    """

    def __init__(self, engine: Engine, delay: int) -> None:
        self.engine = engine
        self.out: Samples = np.zeros((engine.sources, engine.block), np.float32)
        self.seconds = 0.0
        self._lag = delay - engine.delay
        # Blocks after a reset that hold samples of before it, which the engine has forgotten.
        self._warm_up = -(-engine.delay // engine.block)
        self._cold = 0
        self._reason = Outcome.LATE

    def heard(self, history: History) -> Samples:
        """The block that is the engine's turn now, `[mics, block]`, a view until the next push."""
        return history.read(self._lag, self.engine.block)

    def run(self, history: History, budget_s: float, clock: Callable[[], float]) -> tuple[Outcome, Outcome]:
        """What to tell of this block, and how it went now: they differ while the engine warms up after a fault."""
        begin = clock()
        outcome = self.engine.process(self.heard(history), self.out, budget_s)
        self.seconds = clock() - begin
        if outcome in (Outcome.BAD, Outcome.DEAD):
            self.restart(outcome)
            return outcome, outcome
        told: Outcome = outcome
        if self._cold:
            self._cold -= 1
            told = self._reason
        late = self.seconds > budget_s or outcome is Outcome.LATE
        return told, Outcome.LATE if late else Outcome.GOOD

    def restart(self, reason: Outcome) -> None:
        """Begin anew in the midst of the stream: until the engine is warm its blocks count as lost, for this reason."""
        self.engine.reset()
        self._cold, self._reason = self._warm_up, reason

    def begin(self) -> None:
        """Begin a stream: before it was silence, which is what a new engine remembers."""
        self.engine.reset()
        self._cold = 0
