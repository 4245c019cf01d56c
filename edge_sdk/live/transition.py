"""From one signal to another within a block, without a click."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
FADE_S = 0.005  # long enough that a step becomes a soft bump, short enough to fit most blocks
BEND_S = 0.001


class Transition:
    """Changes of signal at the beginning of a block; after `FADE_S`, or a block where that is shorter, the new signal
    leaves to the bit."""

    def __init__(self, sources: int, block: int, rate_hz: int) -> None:
        fade, bend = (max(1, min(round(seconds * rate_hz), block)) for seconds in (FADE_S, BEND_S))
        # The sample before the block is at 0; the last of the fade is at 1.
        t, u = np.arange(1, fade + 1) / fade, np.arange(1, bend + 1) / bend
        self._fade = (0.5 + 0.5 * np.cos(np.pi * t)).astype(np.float32)
        self._bend = (bend * u * (1 - u) ** 2).astype(np.float32)  # starts with a slope of one, ends level
        self._work = np.empty((sources, fade), np.float32)

    def cross(self, before: Samples, out: Samples) -> None:
        """Fade to the signal in `out` from one that is known, too: `[sources, block]`, or `[block]` for all sources."""
        head, fade = out[:, : self._fade.size], self._work
        np.subtract(before[..., : self._fade.size], head, out=fade)
        np.multiply(fade, self._fade, out=fade)
        np.add(head, fade, out=head)

    def land(self, last: Samples, past: Samples, out: Samples) -> None:
        """Continue what ended with `last`, `[sources, 2]`, by the signal in `out` that had been `past`, `[2]` or
        `[sources, 2]`: where they differ in value and slope the difference is added, and dies away."""
        gap = last - past
        head, bend = out[:, : self._fade.size], out[:, : self._bend.size]
        np.multiply(gap[:, 1:], self._fade, out=self._work)
        np.add(head, self._work, out=head)
        work = self._work[:, : self._bend.size]
        np.multiply(gap[:, 1:] - gap[:, :1], self._bend, out=work)
        np.add(bend, work, out=bend)
