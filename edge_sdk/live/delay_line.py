"""Samples a fixed time later, however the stream is cut."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


class DelayLine:
    """Puts out what came `delay` samples ago; before the stream is silence."""

    def __init__(self, channels: int, delay: int) -> None:
        if delay < 0:
            raise ValueError(f"delay = {delay}: expected 0 samples or more")
        self.delay = delay
        self._ring = np.zeros((channels, delay), np.float32)
        self._at = 0

    def push(self, x: Samples, out: Samples) -> None:
        """Take samples `[channels, n]`, any n; as many go to `out`, which is other memory."""
        if not self.delay:
            out[...] = x
            return
        begin, samples = 0, x.shape[1]
        while begin < samples:
            count = min(samples - begin, self.delay - self._at)
            piece = self._ring[:, self._at : self._at + count]
            out[:, begin : begin + count] = piece
            piece[...] = x[:, begin : begin + count]
            begin, self._at = begin + count, (self._at + count) % self.delay

    def reset(self) -> None:
        """Forget everything."""
        self._ring.fill(0)
