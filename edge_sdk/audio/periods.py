"""Whole periods from a device that gives fewer samples when it likes, as sound servers do."""

from __future__ import annotations

import numpy as np

from edge_sdk.audio.pcm import Capture, Samples


class WholePeriods:
    """Reads another capture until a period is complete. What has come of a period when samples are lost is lost with
    them, so that the next period begins where the device began anew."""

    def __init__(self, inner: Capture) -> None:
        self.device, self.rate_hz, self.mics, self.period = inner.device, inner.rate_hz, inner.mics, inner.period
        self._inner = inner
        self._samples: Samples = np.zeros((inner.mics, inner.period), np.float32)
        self._rest: Samples = np.zeros((inner.mics, inner.period), np.float32)
        self._left = 0  # samples in `_rest` that belong to the next period

    def read(self) -> tuple[Samples, int]:
        """As `Capture.read`."""
        filled, lost = self._left, 0
        self._samples[:, :filled] = self._rest[:, :filled]
        self._left = 0
        while filled < self.period:
            x, missing = self._inner.read()
            if missing:
                lost, filled = lost + filled + missing, 0
            elif not x.shape[1]:
                break
            count = min(x.shape[1], self.period - filled)
            self._samples[:, filled : filled + count] = x[:, :count]
            filled += count
            self._left = x.shape[1] - count
            self._rest[:, : self._left] = x[:, count:]
        return self._samples[:, :filled], lost

    def close(self) -> None:
        self._inner.close()
