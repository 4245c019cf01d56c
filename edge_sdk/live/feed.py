"""Keeps a playback device neither dry nor late."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.pcm import Playback
from edge_sdk.live.metrics import Metrics

Samples = NDArray[np.float32]


class Feed:
    """Writes to a playback device what a chain gives.

    A device that holds more than `most` samples already is late: after a stall, or because its clock is slower than the
    one of the microphones. What comes then is left out and counted, so that the latency is what it was. most = 0: any
    number, for files.
    """

    def __init__(self, playback: Playback, metrics: Metrics, most: int = 0) -> None:
        if most < 0 or (playback.buffer and not 0 < most <= playback.buffer):
            raise ValueError(f"most = {most}: expected 1 to {playback.buffer}, what {playback.device} can hold")
        self.playback = playback
        self._metrics, self._most = metrics, most

    def write(self, y: Samples) -> None:
        """Play samples `[channels, n]`, or leave them out."""
        count = y.shape[1]
        if self._most and self.playback.queued + count > self._most:
            self._metrics.dropped += count
            return
        self._metrics.underruns += self.playback.write(y)
        self._metrics.played += count
