"""A stream whose samples say where in it they are, and requests to the page beside it."""

from __future__ import annotations

import http.client
import threading
import time

import numpy as np

from edge_sdk.live.metrics import Metrics
from edge_sdk.live.tap import FULL_SCALE
from edge_sdk.live.web import taps

RATE, BLOCK, MICS, SOURCES = 16_000, 160, 3, 2
CYCLE = 60_001  # samples until the sequence begins anew


def sequence(begin: int, count: int, channel: int) -> np.ndarray:
    """16-bit samples, each of which says its position in the cycle, in another order in each channel."""
    return ((np.arange(begin, begin + count) * (31 + channel)) % CYCLE - CYCLE // 2).astype(np.int16)


def check_heard(samples: np.ndarray, channel: int) -> None:
    """They are an unbroken run of the channel's sequence."""
    starts = np.flatnonzero(sequence(0, CYCLE, channel) == samples[0])
    assert len(starts) == 1
    np.testing.assert_array_equal(samples, sequence(int(starts[0]), len(samples), channel))


class Stream:
    """Microphones and outputs at the pace of a sound card; outputs continue the channels' numbers."""

    def __init__(self) -> None:
        self.metrics = Metrics(MICS, SOURCES, RATE, BLOCK, rungs=("enhance", "bypass"))
        self.inputs, self.outputs = taps(MICS, SOURCES, RATE)
        self.gain = 1.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        begin, start_s = 0, time.monotonic()
        while not self._stop.wait(max(0.0, start_s + begin / RATE - time.monotonic())):
            x = np.stack([sequence(begin, BLOCK, c) for c in range(MICS + SOURCES)]) / np.float32(FULL_SCALE)
            begin += BLOCK
            self.metrics.captured += BLOCK
            self.metrics.observe_in(np.float32(self.gain) * x[:MICS])
            self.metrics.observe_out(x[MICS:])
            self.inputs.write(x[:MICS])
            self.outputs.write(x[MICS:])
            self.metrics.observe_step(1e-3)
            self.metrics.processed += BLOCK

    def __enter__(self) -> Stream:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()


def ask(url: str, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=20)
    connection.request("GET", path)
    return connection.getresponse()
