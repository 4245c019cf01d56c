"""The newest samples of every microphone, read as they were a while ago."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
MIN_BLOCKS = 8  # kept beyond the past, so that moving it to the front is rare


class History:
    """The last `most` samples before the newest block, and that block. Before the stream is silence."""

    def __init__(self, mics: int, block: int, most: int) -> None:
        self.block, self._past = block, most
        blocks = max(MIN_BLOCKS, -(-most // block))  # the old and the new place of the past lie apart
        self._samples = np.zeros((mics, most + blocks * block), np.float32)
        self._end = most

    def push(self, x: Samples) -> None:
        """Take samples `[mics, n]`; n up to what the block lacks, so that each block ends with a push."""
        count = x.shape[1]
        if self._end == self._samples.shape[1]:
            self._samples[:, : self._past] = self._samples[:, self._end - self._past :]
            self._end = self._past
        self._samples[:, self._end : self._end + count] = x
        self._end += count

    def read(self, delay: int, samples: int) -> Samples:
        """So many samples, up to the one `delay` before the newest: a view, `[mics, samples]`, until the next push."""
        end = self._end - delay
        return self._samples[:, end - samples : end]

    def reset(self) -> None:
        """Forget everything."""
        self._samples.fill(0)
        self._end = self._past
