"""The live loop: microphones, chain, loudspeaker. Time never slips, and every lost sample is counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.pcm import Capture
from edge_sdk.live.feed import Feed
from edge_sdk.live.metrics import Metrics
from edge_sdk.live.seam import Seam

Samples = NDArray[np.float32]
SHORT_GAP_S = 0.1  # of silence that a model computes; after a longer one it starts anew


class Chain(Protocol):
    """Samples of the microphones to samples of the loudspeakers: as many, `delay` later."""

    channels: int
    delay: int

    def process(self, x: Samples) -> Samples:
        """`[mics, n]` to `[channels, n]`, any n up to the period it was made for; overwritten by the next."""
        ...

    def reset(self) -> None:
        """Be as newly made."""
        ...


class Loop:
    """Plays what a chain makes of the microphones.

    A lost stretch becomes silence of equal length, so `captured + lost == processed` of the metrics holds between two
    reads; after a long one the chain starts anew, as if the stream began there.
    """

    def __init__(self, capture: Capture, chain: Chain, feed: Feed, metrics: Metrics) -> None:
        self._capture, self._chain, self._feed, self._metrics = capture, chain, feed, metrics
        self._seam = Seam(capture.mics, capture.period, capture.rate_hz)
        self._silence = np.zeros((chain.channels, capture.period), np.float32)
        self._short = round(SHORT_GAP_S * capture.rate_hz)

    def run(self, stop: Callable[[], bool]) -> None:
        """Until a recording ends, and `delay` samples more, so that all of it is played; or until `stop` says so, and
        one period more, which fades out."""
        ended = False
        while not ended and not stop():
            ended = not self._turn()
        if ended:
            for piece in self._seam.fill(self._chain.delay):
                self._feed.write(self._chain.process(piece))
        else:
            self._turn(last=True)
        self._feed.playback.drain()

    def _turn(self, last: bool = False) -> bool:
        """One read, and what comes of it; whether there was anything to read."""
        x, lost = self._capture.read()
        count = x.shape[1]
        if lost:
            self._gap(lost)
        self._metrics.captured += count
        y = self._chain.process(self._seam.follow(x))
        self._feed.write(self._seam.fade_out(y) if last else y)
        self._metrics.processed += count
        return bool(count or lost)

    def _gap(self, lost: int) -> None:
        self._metrics.lost += lost
        for piece in self._seam.fill(min(lost, self._short)):
            self._feed.write(self._chain.process(piece))
        left = lost - self._short
        if left > 0:
            self._chain.reset()
        while left > 0:
            self._silence.fill(0)  # whoever plays it may have changed it
            self._feed.write(self._silence[:, :left])
            left -= self._silence.shape[1]
        self._metrics.processed += lost
