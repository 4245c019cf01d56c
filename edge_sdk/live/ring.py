"""A thread that only reads microphones, so that a slow block costs no samples."""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.pcm import Capture, DeviceGone

log = logging.getLogger(__name__)

Samples = NDArray[np.float32]
PERIODS = 64  # kept for a reader that is late: half a second at 8 ms
PATIENCE_S = 5.0  # of a reader with the thread, and of whoever closes it: longer than a device may keep silent


class BufferedCapture:
    """Reads another capture in a thread of its own, from the first read on, and keeps what came until it is asked for.

    A ring of one writer and one reader without a lock, each of which moves its own end alone. Where it is full, what
    comes is counted as lost, in its place in the stream. prepare: called in the thread before it reads.
    """

    def __init__(self, inner: Capture, periods: int = PERIODS, prepare: Callable[[], None] = lambda: None) -> None:
        if periods < 2:
            raise ValueError(f"periods = {periods}: expected at least 2, one to write while one is read")
        self.device, self.rate_hz, self.mics, self.period = inner.device, inner.rate_hz, inner.mics, inner.period
        self._inner, self._prepare = inner, prepare
        self._samples = np.zeros((periods, inner.mics, inner.period), np.float32)
        self._about = [(0, 0)] * periods  # samples in each slot, and how many were lost before them
        self._written = self._read = 0  # slots since the start
        self._full = 0  # samples lost to a full ring and not told yet
        self._end: Exception | None = None
        self._running = True
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._wake, select.POLLIN)
        self._thread = threading.Thread(target=self._fill, name=f"capture {inner.device}", daemon=True)

    def read(self) -> tuple[Samples, int]:
        """As `Capture.read`. What went wrong in the thread is raised here, after what came before it."""
        if self._thread.ident is None:
            self._thread.start()
        while self._written == self._read:
            if self._end is not None:
                lost, self._full = self._full, 0
                if not lost and not isinstance(self._end, EOFError):
                    raise self._end
                return self._samples[0, :, :0], lost
            if not self._poll.poll(1e3 * PATIENCE_S):
                raise DeviceGone(f"{self.device}: no samples for {PATIENCE_S:g} s; is it still plugged in?")
            os.eventfd_read(self._wake)
        slot = self._read % len(self._about)
        count, lost = self._about[slot]
        self._read += 1
        return self._samples[slot, :, :count], lost

    def close(self) -> None:
        """End the thread, then give the device back: nobody may close one that is being read."""
        if self._wake < 0:
            return
        self._running = False
        if self._thread.ident is not None:
            self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            log.warning("%s: a read does not return; the device stays open until this process ends", self.device)
            return
        self._inner.close()
        os.close(self._wake)
        self._wake = -1

    def _fill(self) -> None:
        try:
            self._prepare()
            while self._running:
                x, lost = self._inner.read()
                if not x.shape[1] and not lost:
                    raise EOFError
                # The slot that was read last is still being used.
                if self._written - self._read >= len(self._about) - 1:
                    self._full += x.shape[1] + lost
                    continue
                slot = self._written % len(self._about)
                self._samples[slot, :, : x.shape[1]] = x
                self._about[slot] = (x.shape[1], lost + self._full)
                self._full = 0
                self._written += 1
                os.eventfd_write(self._wake, 1)
        except Exception as error:  # raised again by the reader
            self._end = error
            os.eventfd_write(self._wake, 1)
