"""Engines that fail when told to, and a clock that moves when they say so."""

from collections.abc import Callable, Collection

import numpy as np

from edge_sdk.live.engine import Outcome
from edge_sdk.live.history import History
from edge_sdk.live.metrics import Metrics


class Clock:
    """Seconds that pass only when somebody says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Scripted:
    """A gain and a delay; `fails` says for the number of a block since the engine was made how it goes, `takes` how
    long it takes. As in a real one, output that did not come in time or is not finite is garbage."""

    def __init__(
        self,
        name: str = "scripted",
        mics: int = 1,
        sources: int = 1,
        block: int = 64,
        delay: int = 0,
        gain: float = 1.0,
        fails: Callable[[int], Outcome] = lambda number: Outcome.GOOD,
        takes: Callable[[int], float] = lambda number: 0.0,
        clock: Clock | None = None,
    ) -> None:
        self.name, self.mics, self.sources, self.block, self.delay = name, mics, sources, block, delay
        self.gain, self.fails, self.takes, self.clock = gain, fails, takes, clock or Clock()
        self.number = self.resets = 0
        self.closed = False
        self._history = History(mics, block, delay)

    def process(self, x: np.ndarray, out: np.ndarray, budget_s: float) -> Outcome:
        assert x.shape == (self.mics, self.block) and out.shape == (self.sources, self.block)
        self._history.push(x)
        outcome = self.fails(self.number)
        self.clock.now += self.takes(self.number)
        self.number += 1
        out[...] = self.gain * self._history.read(self.delay, self.block)[0]
        if outcome is not Outcome.GOOD:
            out[...] = np.nan
        return outcome

    def reset(self) -> None:
        self.resets += 1
        self._history.reset()

    def close(self) -> None:
        self.closed = True


def at(blocks: Collection[int], outcome: Outcome) -> Callable[[int], Outcome]:
    """That outcome at blocks of these numbers, good at others."""
    return lambda number: outcome if number in blocks else Outcome.GOOD


def metrics(mics: int = 1, sources: int = 1, block: int = 64, rate_hz: int = 16_000) -> Metrics:
    return Metrics(mics, sources, rate_hz, block)


def noise(samples: int, mics: int = 1, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((mics, samples))).astype(np.float32)


def tones(samples: int, rate_hz: int = 16_000) -> np.ndarray:
    """Something as smooth as voices are, in which a click would be seen."""
    t = np.arange(samples) / rate_hz
    swell = np.minimum(t / 0.02, 1) ** 2
    x = swell * sum(0.1 * np.sin(2 * np.pi * hz * t + hz) for hz in (110, 230, 610, 1250))
    return x.astype(np.float32)[np.newaxis]
