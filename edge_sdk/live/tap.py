"""The last seconds of a stream for those who listen in: the audio thread writes, never waits, and knows nobody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = 32767


class Tap:
    """A ring of 16-bit samples, `[channels, capacity]`. One thread writes, overwriting the oldest; any number read.

    A reader that falls behind loses what was overwritten, and sees by the position that it did. No lock: `_claimed`
    runs ahead of a write and `_written` behind it, so that a reader knows what may have changed under its hands.
    """

    def __init__(self, channels: int, capacity: int) -> None:
        self.channels, self.capacity = channels, capacity
        self._ring = np.zeros((channels, capacity), np.int16)
        self._scaled = np.zeros((channels, min(capacity, 4096)), np.float32)
        self._odd = np.zeros(self._scaled.shape, np.bool_)
        self._claimed = self._written = 0

    @property
    def position(self) -> int:
        """Samples written since the beginning."""
        return self._written

    def write(self, x: NDArray[np.float32]) -> None:
        """Keep samples, `[channels, n]`, any n. For the audio thread: allocates nothing that stays."""
        samples, most, begin = x.shape[1], self._scaled.shape[1], 0
        while begin < samples:
            at = self._written % self.capacity
            count = min(samples - begin, most, self.capacity - at)
            scaled, odd = self._scaled[:, :count], self._odd[:, :count]
            np.multiply(x[:, begin : begin + count], FULL_SCALE, out=scaled)
            np.isnan(scaled, out=odd)
            np.copyto(scaled, 0, where=odd)
            np.clip(np.rint(scaled, out=scaled), -FULL_SCALE, FULL_SCALE, out=scaled)
            self._claimed = self._written + count
            np.copyto(self._ring[:, at : at + count], scaled, casting="unsafe")
            self._written = self._claimed
            begin += count

    def read(self, channel: int, since: int) -> tuple[int, NDArray[np.int16]]:
        """Position and samples of a channel from `since` on, or from the oldest that is left, up to the newest."""
        return self._copy(channel, since)

    def read_all(self, since: int) -> tuple[int, NDArray[np.int16]]:
        """The same of all channels, `[channels, n]`."""
        return self._copy(slice(None), since)

    def _copy(self, channels: int | slice, since: int) -> tuple[int, NDArray[np.int16]]:
        end = self._written
        begin = min(max(since, end - self.capacity, 0), end)
        samples = self._ring[channels, np.arange(begin, end) % self.capacity]
        lost = max(0, self._claimed - self.capacity - begin)  # written over meanwhile
        return min(begin + lost, end), samples[..., lost:]
