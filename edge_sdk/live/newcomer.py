"""An engine that hears a stream in which another one plays, until it is as warm as if it had played from the start.

Two threads have their part. A helper lets the engine compute what it missed; the audio thread only copies blocks for
it, and has it once it has caught up. It belongs to the helper while `ready` is False and to the audio thread while it
is True: nobody waits for anybody.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_sdk.contract import Manifest
from edge_sdk.live.engine import Outcome
from edge_sdk.live.history import History
from edge_sdk.live.rung import Rung

Samples = NDArray[np.float32]
BACKLOG = 16_384  # samples that a helper may be behind, and 8 blocks at least
RECURRENT_S = 5.0  # what the memory of a recurrent layer, which never ends, is taken to hold
PATIENCE_S = 10.0  # for a block that nobody waits for


def memory_of(m: Manifest) -> int:
    """Samples after which the output of a model does not depend on what came before; of a recurrent one, hardly."""
    frames = sum(line.depth for group in m.delays for line in group.lines)
    exact = frames * m.hop + m.context + m.window
    return max(exact, round(RECURRENT_S * m.sample_rate)) if m.carries else exact


class Newcomer:
    """A rung that is to be the first of a ladder.

    warm: blocks that it has to hear before. back: it was replaced before, and what replaced it goes. met: the ladder
    knows of it; unwanted: why the helper gave it up. After `over`, `refused` says why it did not get there, None where
    it did; `failed`, whether it is broken; and `left` has the rungs that made room for it.
    """

    def __init__(self, rung: Rung, warm: int, back: bool = False) -> None:
        self.rung, self.back = rung, back
        self.met = self.ready = self.over = self.failed = False
        self.unwanted: str | None = None
        self.refused: str | None = None
        self.left: list[Rung] = []
        self.late = 0  # blocks in which both ran and it was not in time
        self._warm = warm
        room = max(8, BACKLOG // rung.engine.block)
        self._blocks = np.zeros((room, rung.engine.mics, rung.engine.block), np.float32)
        self._copied = self._heard = 0  # blocks

    @property
    def in_step(self) -> bool:
        """Whether it has heard every block but the present one, and is the audio thread's."""
        return self.ready and self._heard == self._copied

    def copy(self, history: History) -> bool:
        """In the audio thread: keep the present block for it; whether there was room."""
        self.ready = False
        if self._copied - self._heard == len(self._blocks):
            return False
        self._blocks[self._copied % len(self._blocks)] = self.rung.heard(history)
        self._copied += 1
        return True

    def skip(self) -> None:
        """In the audio thread: it has heard the present block, but goes on beside."""
        self._heard += 1
        self._copied += 1
        self.ready = False

    def refuse(self, why: str) -> None:
        """In the audio thread: it does not get there."""
        self.refused, self.over = why, True

    def catch_up(self) -> Outcome:
        """In the helper: compute what was copied; `ready` once there is no more of it."""
        rung = self.rung
        while not self.ready and not self.over:
            if self._heard == self._copied:
                self.ready = self._heard >= self._warm
                break
            outcome = rung.engine.process(self._blocks[self._heard % len(self._blocks)], rung.out, PATIENCE_S)
            if outcome is not Outcome.GOOD:
                return outcome
            self._heard += 1
        return Outcome.GOOD
