"""Blocks between two processes: a ring in memory that both see, and an event counter for each direction.

The memory has no name in any file system: it is gone with the last process that holds it, however that ends.
"""

from __future__ import annotations

import mmap
import os

import numpy as np
from numpy.typing import NDArray

from edge_sdk.live.engine import Outcome

Samples = NDArray[np.float32]
SLOTS = 16  # blocks that a worker may be behind before it counts as hung
COUNTERS = 8  # int64 at the front; the first two are in use, the rest keeps the slots apart from them
SENT, DONE = 0, 1
OUTCOMES = tuple(Outcome)


def shared_memory(size: int, name: str) -> int:
    """A descriptor of so many bytes of anonymous memory, zero; processes that inherit it may map it."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    os.ftruncate(descriptor, size)
    return descriptor


class Exchange:
    """The ring as one of both sides sees it. Block n lies in slot n % SLOTS until block n + SLOTS takes its place.

    One side puts blocks and takes results, the other runs from `done` to `sent`; each writes its own counter only.
    """

    def __init__(self, descriptor: int, mics: int, sources: int, block: int) -> None:
        self._memory = mmap.mmap(descriptor, self.size(mics, sources, block))
        self._counters = np.frombuffer(self._memory, np.int64, COUNTERS)
        self._notes = np.frombuffer(self._memory, np.int64, 2 * SLOTS, self._counters.nbytes).reshape(2, SLOTS)
        begin = self._counters.nbytes + self._notes.nbytes
        samples = np.frombuffer(self._memory, np.float32, offset=begin)
        self.inputs = samples[: SLOTS * mics * block].reshape(SLOTS, mics, block)
        self.outputs = samples[SLOTS * mics * block :].reshape(SLOTS, sources, block)
        self.forget, self._outcomes = self._notes

    @staticmethod
    def size(mics: int, sources: int, block: int) -> int:
        """Bytes that it needs."""
        return 8 * (COUNTERS + 2 * SLOTS) + 4 * SLOTS * (mics + sources) * block

    @property
    def sent(self) -> int:
        """Blocks put."""
        return int(self._counters[SENT])

    @property
    def done(self) -> int:
        """Blocks whose result is there."""
        return int(self._counters[DONE])

    def put(self, x: Samples, forget: bool) -> None:
        """The next block, before which the engine may have to forget everything."""
        slot = self.sent % SLOTS
        self.inputs[slot] = x
        self.forget[slot] = forget
        self._counters[SENT] += 1

    def finish(self, outcome: Outcome) -> None:
        """The oldest block that was not done is."""
        self._outcomes[self.done % SLOTS] = OUTCOMES.index(outcome)
        self._counters[DONE] += 1

    def take(self, number: int, out: Samples) -> Outcome:
        """The result of a block that is done."""
        slot = number % SLOTS
        out[...] = self.outputs[slot]
        return OUTCOMES[int(self._outcomes[slot])]
