"""Between models and ears: whatever an engine does, sound goes on, as late as always and without a click."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge_sdk.live.engine import Outcome
from edge_sdk.live.history import History
from edge_sdk.live.ladder import Ladder
from edge_sdk.live.metrics import Metrics
from edge_sdk.live.transition import Transition

Samples = NDArray[np.float32]
BUDGET = 0.75  # of the duration of a block; the rest is for the sound card and everything around the engine


class Guard:
    """As many samples of every source as there came of the microphones, `delay` samples behind, whatever n.

    With a healthy engine they are the engine's, to the bit. Where its block is late, not finite, or its process died,
    the reference microphone leaves instead, as late as the engine's output would; on the way there the difference dies
    away within milliseconds, on the way back the two cross-fade. The ladder decides which engine is asked.

    period: every n is a multiple of it; 1 allows any n. Where periods are not whole blocks, the output waits for what a
    block may lack at most. budget_s: what an engine may take for a block.
    """

    _filled: int  # samples of the block that is not complete
    _half: int  # of what is ready, where the next block goes
    _read: int  # of what is ready, what leaves next
    _fallen: bool  # whether the last block was the microphone's

    def __init__(
        self,
        ladder: Ladder,
        metrics: Metrics,
        rate_hz: int,
        period: int = 1,
        reference: int = 0,
        budget_s: float | None = None,
    ) -> None:
        if period < 1:
            raise ValueError(f"period = {period}: expected at least 1 sample")
        if not 0 <= reference < ladder.mics:
            raise ValueError(f"reference = {reference}: expected a microphone, 0 to {ladder.mics - 1}")
        self.ladder, self.metrics, self.block = ladder, metrics, ladder.block
        self.budget_s = BUDGET * self.block / rate_hz if budget_s is None else budget_s
        self._reference = reference
        self._common = math.gcd(self.block, period)
        self._wait = self.block - self._common
        self.delay = ladder.delay + self._wait
        self._history = History(ladder.mics, self.block, ladder.delay + 2)
        self._transition = Transition(ladder.sources, self.block, rate_hz)
        self._ready: Samples = np.zeros((ladder.sources, 2 * self.block), np.float32)  # two blocks, written in turn
        self._last: Samples = np.zeros((ladder.sources, 2), np.float32)  # of the block before
        self.forget()

    def process(self, x: Samples, out: Samples) -> None:
        """Take samples `[mics, n]`; as many go to `out`, `[sources, n]`."""
        samples = x.shape[1]
        if samples % self._common:
            raise ValueError(f"{samples} samples: expected a multiple of {self._common}, as the period is")
        begin = 0
        while begin < samples:
            count = min(samples - begin, self.block - self._filled)
            self._history.push(x[:, begin : begin + count])
            self._filled += count
            if self._filled == self.block:
                self._filled = 0
                self._step()
            self._give(out[:, begin : begin + count])
            begin += count

    def overrun(self) -> None:
        """The sound card lost samples or ran dry: after too much of that, a quicker engine has its turn."""
        self.ladder.overrun()
        self.metrics.rung = self.ladder.rung

    def forget(self) -> None:
        """The stream begins anew, with the engine that is in use."""
        self.ladder.forget()
        self._history.reset()
        self._ready.fill(0)
        self._last.fill(0)
        self._filled = self._half = 0
        self._read = -self._wait % self._ready.shape[1]
        self._fallen = False

    def close(self) -> None:
        """End what runs beside."""
        self.ladder.close()

    def _step(self) -> None:
        """Make the next block of output."""
        out = self._ready[:, self._half : self._half + self.block]
        self._half = self.block - self._half
        past = self._history.read(self.ladder.delay, self.block + 2)[self._reference]
        microphone = past[2:]
        outcome = self.ladder.step(self._history, self.budget_s)
        if outcome is Outcome.GOOD:
            out[...] = self.ladder.out
            if self._fallen:
                self._transition.cross(microphone, out)
            elif self.ladder.before is not None:
                self._transition.cross(self.ladder.before, out)
        else:
            out[...] = microphone
            if not self._fallen:
                self._transition.land(self._last, past[:2], out)
            self.metrics.fallbacks[outcome.value] += 1
        self._fallen = outcome is not Outcome.GOOD
        self._last[...] = out[:, -2:]
        self.metrics.blocks += 1
        self.metrics.observe_step(self.ladder.seconds)
        self.metrics.rung, self.metrics.rungs = self.ladder.rung, self.ladder.names
        if self.metrics.swaps != self.ladder.swaps:
            self.metrics.swap(self.ladder.swaps)

    def _give(self, out: Samples) -> None:
        """The next samples that are ready, `[sources, n]`, n up to a block."""
        count, size = out.shape[1], self._ready.shape[1]
        first = min(count, size - self._read)
        out[:, :first] = self._ready[:, self._read : self._read + first]
        out[:, first:] = self._ready[:, : count - first]
        self._read = (self._read + count) % size
