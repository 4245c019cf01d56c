"""Made-up sound cards in virtual time: samples that know their own number, and faults when a script says so."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.pcm import Capture, DeviceGone
from edge_sdk.live.feed import Feed
from edge_sdk.live.loop import Loop
from edge_sdk.live.metrics import Metrics

Samples = NDArray[np.float32]
RATE = 16_000
PERIOD = 160


class VirtualClock:
    """Seconds that pass only when somebody sleeps or waits for samples."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def sample(number: NDArray[np.int64], mic: int) -> Samples:
    """What microphone `mic` hears at a sample's number: never 0, different in each microphone, exact in float32."""
    return ((number * 7919 + mic * 104_729) % 8191 + 1).astype(np.float32) / 8192


class VirtualMicrophones:
    """Samples of a card that runs since the clock's zero; what nobody reads in time is lost, as on a real one.

    `away` says whether the card is unplugged at a time, `stall` how long nobody reads before a read.
    """

    def __init__(
        self, clock: VirtualClock, mics: int = 2, period: int = PERIOD, periods: int = 4, end: int | None = None
    ) -> None:
        self.device, self.rate_hz, self.mics, self.period = "virtual", RATE, mics, period
        self._clock, self._buffer, self._end = clock, periods * period, end
        self._next = round(clock() * RATE)  # opened now: hears from here on
        self.away: Callable[[float], bool] = lambda now_s: False
        self.heard = 0  # samples given
        self._numbers = np.arange(period)
        self._x = np.empty((mics, period), np.float32)

    def read(self) -> tuple[Samples, int]:
        if self.away(self._clock()):
            raise DeviceGone(f"{self.device}: unplugged; plug it in again")
        count = self.period if self._end is None else min(self.period, self._end - self._next)
        if count <= 0:
            return self._x[:, :0], 0
        waiting, lost = round(self._clock() * RATE) - self._next, 0
        if waiting > self._buffer:  # an overrun: the card starts anew, with nothing in its buffer
            lost = waiting
            self._next += lost
            waiting = 0
        self._clock.sleep(max(0, count - waiting) / RATE)
        for mic in range(self.mics):
            self._x[mic, :count] = sample(self._next + self._numbers[:count], mic)
        self._next += count
        self.heard += count
        return self._x[:, :count], lost

    def close(self) -> None:
        pass


class VirtualLoudspeaker:
    """Keeps what is played; drains by the clock, from the first write on."""

    def __init__(self, clock: VirtualClock, channels: int = 1, buffer: int = 8 * PERIOD) -> None:
        self.device, self.rate_hz, self.channels, self.period = "speaker", RATE, channels, PERIOD
        self.buffer, self._prime, self._clock = buffer, 2 * PERIOD, clock
        self.heard: list[Samples] = []
        self._empty_s: float | None = None  # when it will be dry
        self.away: Callable[[float], bool] = lambda now_s: False

    @property
    def queued(self) -> int:
        return 0 if self._empty_s is None else max(0, round((self._empty_s - self._clock()) * RATE))

    def write(self, samples: Samples) -> int:
        now = self._clock()
        if self.away(now):
            raise DeviceGone(f"{self.device}: unplugged; plug it in again")
        dry = self._empty_s is not None and self._empty_s < now
        if dry or self._empty_s is None:
            self._empty_s = now + self._prime / RATE
        self._empty_s += samples.shape[1] / RATE
        self.heard.append(samples.copy())
        return int(dry)

    def drain(self) -> None:
        self._clock.sleep(self.queued / RATE)

    def close(self) -> None:
        pass


class Recorder(VirtualLoudspeaker):
    """As a file: takes any number at once."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__(VirtualClock(), channels, buffer=0)


class Through:
    """A chain that gives the first microphones as they are, `delay` samples later."""

    def __init__(self, channels: int = 1, delay: int = 0, grain: int = 1) -> None:
        self.channels, self.delay, self.grain = channels, delay, grain
        self.resets, self.overruns, self.watched = -1, 0, 0
        self.forget()

    def process(self, x: Samples) -> Samples:
        assert x.shape[1] % self.grain == 0
        line = np.concatenate([self._line, x[: self.channels]], axis=1)
        self._line = line[:, x.shape[1] :].copy()
        return line[:, : x.shape[1]].copy()

    def forget(self) -> None:
        self._line = np.zeros((self.channels, self.delay), np.float32)
        self.resets += 1

    def watch(self, x: Samples) -> None:
        self.watched += x.shape[1]

    def overrun(self) -> None:
        self.overruns += 1


def played(recorder: VirtualLoudspeaker) -> np.ndarray:
    return np.concatenate(recorder.heard, axis=1)


def live(capture: Capture, chain: Through, playback: VirtualLoudspeaker, stop: Callable[[], bool]) -> Metrics:
    metrics = Metrics(capture.mics, chain.channels, RATE, capture.period)
    Loop(capture, chain, Feed(playback, metrics, 4 * PERIOD if playback.buffer else 0), metrics).run(stop)
    assert 0 <= metrics.captured + metrics.lost - metrics.processed < chain.grain
    return metrics
