"""From samples to overlapping frames and back, one block at a time: the NumPy twin of `models/framing.py`.

A block is `frames` new hops. Nothing here allocates per block: every view is made once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Samples = NDArray[np.float32]
MIN_BLOCKS = 8  # blocks kept before the past is moved to the front: makes the move rare where the past is short


class FrameBuffer:
    """Collects samples and gives, for each complete block, the frames that end in it; before the stream is silence.

    mics: channels; length, hop: of a frame, in samples; frames: in a block.
    """

    def __init__(self, mics: int, length: int, hop: int, frames: int) -> None:
        self.block = hop * frames
        self._past = length - hop
        # As many blocks as keep the old and the new place of the past apart.
        self._blocks = max(MIN_BLOCKS, -(-self._past // self.block))
        self._samples = np.zeros((mics, self._past + self._blocks * self.block), np.float32)
        windows = sliding_window_view(self._samples, length, axis=1)[:, ::hop]  # [mics, hops, length]
        self._windows = [windows[:, i * frames : (i + 1) * frames] for i in range(self._blocks)]
        self._end = self._past

    @property
    def pending(self) -> int:
        """Samples of the block that is not complete yet."""
        return (self._end - self._past) % self.block

    def push(self, x: Samples) -> Iterator[Samples]:
        """Take samples `[mics, n]`; the frames `[mics, frames, length]` of every block that they complete.

        What it gives is a view that holds until the next one is asked for. Run it to its end: what is left is lost.
        """
        taken, samples = 0, x.shape[1]
        while taken < samples:
            number, filled = divmod(self._end - self._past, self.block)
            if number == self._blocks:
                self._samples[:, : self._past] = self._samples[:, self._end - self._past :]
                self._end, number = self._past, 0
            count = min(samples - taken, self.block - filled)
            self._samples[:, self._end : self._end + count] = x[:, taken : taken + count]
            self._end += count
            taken += count
            if filled + count == self.block:
                yield self._windows[number]

    def reset(self) -> None:
        """Forget everything."""
        self._samples.fill(0)
        self._end = self._past


class OverlapAdd:
    """The sum of overlapping frames, `window - hop` samples behind their ends.

    sources: channels; window, hop: of a frame, in samples; frames: in a block.
    """

    def __init__(self, sources: int, window: int, hop: int, frames: int) -> None:
        overlap, self._window = window // hop, window
        # Two sums, used in turn: what is not complete in one is where the other begins.
        sums = np.zeros((2, sources, frames + overlap - 1, hop), np.float32)
        self._turns: list[tuple[Any, ...]] = []
        for this, following in ((sums[0], sums[1]), (sums[1], sums[0])):
            # One row per frame: for a sum over larger, scattered parts NumPy allocates buffers every time.
            samples = this.reshape(sources, -1)
            landings = [samples[s, t * hop : t * hop + window] for s in range(sources) for t in range(frames)][::-1]
            left, begin, rest = this[:, frames:], following[:, : overlap - 1], following[:, overlap - 1 :]
            self._turns.append((landings, this[:, :frames], left, begin, rest))
        self._sums, self._turn = sums, 0
        self._halves, self._left = (frames, overlap) == (1, 2), sums[0, :, 0]
        self._bound, self._newer, self._older = sums[:0], sums[:0], sums[:0]

    def add(self, windows: Samples, out: Samples) -> None:
        """Add the frames `[sources, frames, window]` of a block; what is complete goes to `out`, `[sources, block]`."""
        if self._halves:
            self._add_halves(windows, out)
            return
        landings, complete, left, begin, rest = self._turns[self._turn]
        self._turn = 1 - self._turn
        rows = windows.reshape(-1, self._window)[::-1]  # the newest first: the order of the network's own sums
        for landing, frame in zip(landings, rows, strict=True):
            landing += frame
        out.reshape(complete.shape)[...] = complete
        begin[...] = left
        rest[...] = 0

    def _add_halves(self, windows: Samples, out: Samples) -> None:
        """The same for one frame that overlaps half of the next, the shape of most live streams: half as many calls
        into NumPy, whose code other blocks' weights have driven out of the caches. Views are kept while the frames
        come in the same memory."""
        if windows is not self._bound:
            hop = self._left.shape[1]
            self._bound, self._newer, self._older = windows, windows[:, 0, :hop], windows[:, 0, hop:]
        np.add(self._newer, self._left, out=out)
        self._left[...] = self._older

    def reset(self) -> None:
        """Forget everything."""
        self._sums.fill(0)
