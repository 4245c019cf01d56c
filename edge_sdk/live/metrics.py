"""Counters of a live stream. One thread writes them, others read them: numbers alone, no locks.

At any moment `captured + lost == processed + waiting`: every sample that arrived, and the silence that stands for each
that did not, has either gone through the chain or waits to fill a block. `snapshot` reads what is counted later in the
chain before what is counted earlier, so that a count of samples waiting is never negative though nobody holds still:
it is too high by what arrived while it was read, a few periods at most.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

BINS_PER_OCTAVE = 4
SHORTEST_S = 1e-5
BINS = 80  # up to 10 s
# The longest time that each bin of the histogram holds; the first holds all shorter ones too, the last all longer ones.
UPPER_S = (*(SHORTEST_S * 2 ** (i / BINS_PER_OCTAVE) for i in range(1, BINS)), math.inf)
FALL_DB_PER_S = 20 / 1.5  # of a peak meter, IEC 60268-10 type I
QUIETEST_DB, LOUDEST_DB = -120.0, 120.0  # what a snapshot calls silence, and what is no sound any more


@dataclass(frozen=True)
class Snapshot:
    """`Metrics` at one moment, as plain numbers. Times of a block are upper bounds, at most 19 % above the time."""

    uptime_s: float
    rate_hz: int
    block: int
    blocks: int
    captured: int
    lost: int
    processed: int
    waiting: int
    played: int
    inserted: int
    dropped: int
    overruns: int
    underruns: int
    reopened: int
    limited: int
    repaired: int
    howls: int
    swaps: int
    rung: int
    rungs: tuple[str, ...]
    fallbacks: dict[str, int]
    peak_in_db: tuple[float, ...]  # re full scale
    peak_out_db: tuple[float, ...]
    mic_faults: tuple[str, ...]
    steps: int
    missed: int
    step_total_s: float
    step_p50_s: float
    step_p99_s: float
    step_p999_s: float
    step_slowest_s: float
    step_bins: tuple[int, ...]

    @property
    def block_s(self) -> float:
        """How long a block lasts, which is how long it may take."""
        return self.block / self.rate_hz

    @property
    def fell_back(self) -> int:
        """Blocks that left as the reference microphone, whatever the reason."""
        return sum(self.fallbacks.values())


@dataclass
class Metrics:
    """What happened since the stream began. Lengths are samples of one channel.

    captured: read from the device; lost: never arrived, and filled with silence; processed: both together as they went
    through the chain; played: written to the playback device; inserted, dropped: silence added and samples left out
    there to keep the device filled. swaps: models that took the place of another; rung: place on the ladder, 0 is the
    chosen model. Of the present model alone: fallbacks, blocks that left as the reference microphone, by reason;
    missed, blocks that took longer than they last; step_bins, histogram of the time per block, see `UPPER_S`. peak_in,
    peak_out: peak meters, which rise at once and fall by 20 dB in 1.5 s, so that any number of readers sees the same.
    mic_faults: what is wrong with each microphone, "" where nothing is.
    """

    mics: int
    sources: int
    rate_hz: int
    block: int
    rungs: tuple[str, ...] = ("model",)
    started_ns: int = field(default_factory=time.monotonic_ns)
    blocks: int = 0
    captured: int = 0
    lost: int = 0
    processed: int = 0
    played: int = 0
    inserted: int = 0
    dropped: int = 0
    overruns: int = 0
    underruns: int = 0
    reopened: int = 0
    limited: int = 0  # samples that the limiter made smaller
    repaired: int = 0  # samples that were not finite, of all channels, and became silence
    howls: int = 0  # times that feedback was heard and turned down
    swaps: int = 0
    rung: int = 0
    fallbacks: dict[str, int] = field(default_factory=lambda: {"late": 0, "bad": 0, "dead": 0})
    missed: int = 0
    step_total_s: float = 0.0
    step_slowest_s: float = 0.0
    step_bins: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    peak_in: NDArray[np.float32] = field(init=False)
    peak_out: NDArray[np.float32] = field(init=False)
    mic_faults: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.peak_in = np.zeros(self.mics, np.float32)
        self.peak_out = np.zeros(self.sources, np.float32)
        self.mic_faults = ("",) * self.mics
        self._meter_in = PeakMeter(self.peak_in, self.rate_hz)
        self._meter_out = PeakMeter(self.peak_out, self.rate_hz)

    def observe_step(self, seconds: float) -> None:
        """Count the time that a block took. Allocates nothing that stays."""
        self.step_bins[bisect_left(UPPER_S, seconds)] += 1
        self.step_total_s += seconds
        if seconds > self.step_slowest_s:
            self.step_slowest_s = seconds
        if seconds * self.rate_hz > self.block:
            self.missed += 1

    def swap(self, number: int) -> None:
        """Begin to count what is said of a model for another one. Allocates nothing."""
        self.step_bins.fill(0)
        self.step_total_s = self.step_slowest_s = 0.0
        self.missed = 0
        for reason in self.fallbacks:
            self.fallbacks[reason] = 0
        self.swaps = number

    def observe_in(self, x: NDArray[np.float32]) -> None:
        """Show samples of the microphones, `[mics, n]`, on their meters. Allocates nothing that stays."""
        self._meter_in.observe(x)

    def observe_out(self, y: NDArray[np.float32]) -> None:
        """Show samples of the sources, `[sources, n]`, on their meters. Allocates nothing that stays."""
        self._meter_out.observe(y)

    def snapshot(self) -> Snapshot:
        """All of it now. Any thread may ask, at any time."""
        swaps = self.swaps  # before what begins anew with one
        played, processed = self.played, self.processed  # before captured and lost: see above
        lost, captured = self.lost, self.captured
        bins = tuple(self.step_bins.tolist())
        slowest_s = self.step_slowest_s
        return Snapshot(
            uptime_s=(time.monotonic_ns() - self.started_ns) / 1e9,
            rate_hz=self.rate_hz,
            block=self.block,
            blocks=self.blocks,
            captured=captured,
            lost=lost,
            processed=processed,
            waiting=captured + lost - processed,
            played=played,
            inserted=self.inserted,
            dropped=self.dropped,
            overruns=self.overruns,
            underruns=self.underruns,
            reopened=self.reopened,
            limited=self.limited,
            repaired=self.repaired,
            howls=self.howls,
            swaps=swaps,
            rung=self.rung,
            rungs=self.rungs,
            fallbacks=dict(self.fallbacks),
            peak_in_db=decibels(self.peak_in),
            peak_out_db=decibels(self.peak_out),
            mic_faults=self.mic_faults,
            steps=sum(bins),
            missed=self.missed,
            step_total_s=self.step_total_s,
            step_p50_s=quantile_s(bins, 0.5, slowest_s),
            step_p99_s=quantile_s(bins, 0.99, slowest_s),
            step_p999_s=quantile_s(bins, 0.999, slowest_s),
            step_slowest_s=slowest_s,
            step_bins=bins,
        )


class PeakMeter:
    """Writes the level of a stream of blocks into `peak`, `[channels]`. NaN is no level and leaves it as it is."""

    def __init__(self, peak: NDArray[np.float32], rate_hz: int) -> None:
        self.peak, self.rate_hz = peak, rate_hz
        self._highest, self._lowest = np.zeros_like(peak), np.zeros_like(peak)
        self._samples, self._fall = 0, 1.0

    def observe(self, x: NDArray[np.float32]) -> None:
        if not (samples := x.shape[1]):
            return
        if samples != self._samples:
            self._samples, self._fall = samples, 10 ** (-FALL_DB_PER_S * samples / self.rate_hz / 20)
        np.max(x, axis=1, out=self._highest)
        np.min(x, axis=1, out=self._lowest)
        np.negative(self._lowest, out=self._lowest)
        np.maximum(self._highest, self._lowest, out=self._highest)
        np.multiply(self.peak, self._fall, out=self.peak)
        np.fmax(self.peak, self._highest, out=self.peak)


def decibels(peak: NDArray[np.float32]) -> tuple[float, ...]:
    """Levels re full scale, each a number that JSON can hold."""
    return tuple(
        min(20 * math.log10(value), LOUDEST_DB) if value > 10 ** (QUIETEST_DB / 20) else QUIETEST_DB
        for value in peak.tolist()
    )


def quantile_s(bins: tuple[int, ...], share: float, slowest_s: float) -> float:
    """A time that at least this share of the blocks did not exceed; 0 where there was none.

    The upper end of its bin, or the slowest of all where that is less.
    """
    if not (left := math.ceil(share * sum(bins))):
        return 0.0
    for upper_s, count in zip(UPPER_S, bins, strict=True):
        left -= count
        if left <= 0:
            return min(upper_s, slowest_s)
    return slowest_s
