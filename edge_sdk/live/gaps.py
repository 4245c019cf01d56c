"""Where samples were lost: silence of equal length, without a click at either end."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
FADE_S = 0.005


class Gaps:
    """Fills the gaps in a stream of `mics` rows, `period` samples at a time at most."""

    def __init__(self, mics: int, period: int, rate_hz: int) -> None:
        fade = max(1, round(FADE_S * rate_hz))
        self._up = half_cosine(fade)
        self._down = self._up[::-1].copy()
        self._silence = np.zeros((mics, period), np.float32)
        self._last = np.zeros((mics, 1), np.float32)
        self._faded = fade  # of the samples after the last gap, how many have been faded in
        self._gone = fade  # of the samples of this gap, how many have been faded out

    def fill(self, lost: int) -> Iterator[Samples]:
        """So many samples, `[mics, n]` at a time: what was heard last fades away, then silence. They are overwritten by
        the next."""
        while lost > 0:
            count = min(lost, self._silence.shape[1])
            piece, fade = self._silence[:, :count], self._down[self._gone : self._gone + count]
            piece.fill(0)
            np.multiply(self._last, fade, out=piece[:, : len(fade)])
            self._gone += len(fade)
            self._faded = 0
            lost -= count
            yield piece

    def follow(self, x: Samples) -> Samples:
        """The samples themselves, faded in, in place, where they follow a gap."""
        if self._faded < len(self._up):
            fade = self._up[self._faded : self._faded + x.shape[1]]
            x[:, : len(fade)] *= fade
            self._faded += len(fade)
        if x.shape[1]:
            self._last[...] = x[:, -1:]
            self._gone = 0
        return x

    def forget(self) -> None:
        """What was heard last is silent already: the next gap begins with silence."""
        self._gone = len(self._down)

    def fade_out(self, y: Samples) -> Samples:
        """The last samples of a stream, `[channels, n]`, brought to silence in place."""
        fade = half_cosine(min(y.shape[1], len(self._down)))[::-1]
        y[:, : len(fade)] *= fade
        y[:, len(fade) :] = 0
        return y


def half_cosine(length: int) -> Samples:
    """From almost 0 to almost 1, level at both ends."""
    return (0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 1) / (length + 1))).astype(np.float32)
