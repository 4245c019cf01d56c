"""Keeps a playback device neither dry nor late."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.drift import DriftResampler
from edge_sdk.audio.pcm import DeviceGone, Playback
from edge_sdk.live.metrics import Metrics

Samples = NDArray[np.float32]


class Feed:
    """Writes to a playback device what a chain gives.

    A device that holds more than `most` samples already is late: after a stall, or because its clock is slower than the
    one of the microphones. What comes then is left out and counted, so that the latency is what it was; and so is what
    comes while the device is away. most = 0: any number, for files. drift: keeps a device on a clock of its own filled,
    by a sample more here and one less there.
    """

    def __init__(
        self, playback: Playback, metrics: Metrics, most: int = 0, drift: DriftResampler | None = None
    ) -> None:
        if most < 0 or (playback.buffer and not 0 < most <= playback.buffer):
            raise ValueError(f"most = {most}: expected 1 to {playback.buffer}, what {playback.device} can hold")
        self.playback = playback
        self._metrics, self._most, self._drift = metrics, most, drift

    @property
    def delay(self) -> int:
        """Samples by which it is later than what the device itself holds."""
        return 0 if self._drift is None else self._drift.delay

    def write(self, y: Samples) -> bool:
        """Play samples `[channels, n]`, or leave them out; whether the device had run dry."""
        count = y.shape[1]
        try:
            queued = self.playback.queued if self._most else 0
            if self._most and queued + count > self._most:
                self._metrics.dropped += count
                return False
            if self._drift is not None:
                y = self._drift.process(y, queued)
                self._metrics.inserted += max(0, y.shape[1] - count)
                self._metrics.dropped += max(0, count - y.shape[1])
            dry = self.playback.write(y)
        except DeviceGone:
            self._metrics.dropped += count
            return False
        self._metrics.underruns += dry
        self._metrics.played += y.shape[1]
        return dry > 0
