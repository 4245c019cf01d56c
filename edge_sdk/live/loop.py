"""The live loop: microphones, chain, loudspeaker. Time never slips, and every lost sample is counted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.pcm import Capture, DeviceGone
from edge_sdk.live.feed import Feed
from edge_sdk.live.gaps import Gaps
from edge_sdk.live.metrics import Metrics

Samples = NDArray[np.float32]
SHORT_GAP_S = 0.1  # of silence that a model computes; after a longer one it starts anew


class Chain(Protocol):
    """Samples of the microphones to samples of the loudspeakers: as many, `delay` later. It takes multiples of `grain`,
    which divides the period."""

    channels: int
    delay: int
    grain: int

    def process(self, x: Samples) -> Samples:
        """`[mics, n]` to `[channels, n]`, n up to the period; overwritten by the next."""
        ...

    def watch(self, x: Samples) -> None:
        """Samples of the microphones as they were captured, before `process` is given them: without what stands for
        lost ones."""
        ...

    def forget(self) -> None:
        """The stream begins anew: nothing that was heard is remembered."""
        ...

    def overrun(self) -> None:
        """The sound card lost samples or ran dry: something was too slow."""
        ...


class Loop:
    """Plays what a chain makes of the microphones.

    A lost stretch becomes silence of equal length; after a long one the chain starts anew, as if the stream began
    there. Where the chain takes samples by the grain, less than a grain of the silence waits for the next gap, so that
    nobody has to wait for it: between two reads `captured + lost == processed + waiting` of the metrics holds.
    """

    def __init__(self, capture: Capture, chain: Chain, feed: Feed, metrics: Metrics) -> None:
        self._capture, self._chain, self._feed, self._metrics = capture, chain, feed, metrics
        self._gaps = Gaps(capture.mics, capture.period, capture.rate_hz)
        self._silence = np.zeros((chain.channels, capture.period), np.float32)
        self._short = round(SHORT_GAP_S * capture.rate_hz) // chain.grain * chain.grain
        self._waiting = 0  # lost samples that are not silence yet
        self._given = 0  # samples that the chain has put out

    def run(self, stop: Callable[[], bool]) -> None:
        """Until a recording ends, and `delay` samples more, so that all of it is played; or until `stop` says so, and
        one period more, which fades out."""
        ended = False
        while not ended and not stop():
            ended = not self._turn()
        if ended:
            self._finish()
        else:
            self._turn(last=True)
        with suppress(DeviceGone):
            self._feed.playback.drain()

    def _turn(self, last: bool = False) -> bool:
        """One read, and what comes of it; whether there was anything to read."""
        x, lost = self._capture.read()
        count = x.shape[1]
        if lost:
            self._gap(lost)
            if count:  # none where the device is away, for which nobody was too slow
                self._metrics.overruns += 1
                self._chain.overrun()
        self._metrics.captured += count
        self._chain.watch(x)
        short = -count % self._chain.grain
        if short:  # the end of a recording: silence makes it whole
            x = np.pad(x, ((0, 0), (0, short)))
        y = self._chain.process(self._gaps.follow(x))[:, : count + self._chain.delay]
        self._give(self._gaps.fade_out(y) if last else y)
        self._metrics.processed += count
        return bool(count or lost)

    def _gap(self, lost: int) -> None:
        self._metrics.lost += lost
        left = lost + self._waiting
        self._waiting = left % self._chain.grain
        left -= self._waiting
        self._metrics.processed += left
        for piece in self._gaps.fill(min(left, self._short)):
            self._give(self._chain.process(piece))
        if left > self._short:
            self._chain.forget()
        for begin in range(self._short, left, self._silence.shape[1]):
            self._silence.fill(0)  # whoever plays it may have changed it
            self._give(self._silence[:, : left - begin])

    def _finish(self) -> None:
        """Put out what is still inside: for every sample that went in one comes out, `delay` later."""
        self._gaps.forget()
        left = self._metrics.processed + self._chain.delay - self._given
        for piece in self._gaps.fill(left + -left % self._chain.grain):
            y = self._chain.process(piece)
            self._give(y[:, : max(0, left)])
            left -= y.shape[1]

    def _give(self, y: Samples) -> None:
        if self._feed.write(y):
            self._chain.overrun()
        self._given += y.shape[1]
