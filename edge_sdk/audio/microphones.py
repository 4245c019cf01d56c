"""What is wrong with the microphones of an array, from what they deliver: dead, clipped, offset, unequal.

From a recording all at once (`signals`, `faults`), or while a stream runs (`MicrophoneMonitor`). Nothing here knows how
loud the room is: a microphone is judged by what no sound makes, and by the others. What cannot be found: clipping in an
amplifier whose output is turned down later, a dead microphone while the room is as quiet as its noise, a fault that all
microphones share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
FULL_SCALE = 0.999  # 16-bit samples end at 0.99997
BASS = 0.1  # of its level, what the mean of a loud sound of low frequency may come to in half a second
SILENT_DB = -140.0  # below the last bit of 24


@dataclass(frozen=True)
class MicrophoneLimits:
    """From where on a microphone is faulty.

    dead_db: quieter than the median of all by so much; a broken analogue path still delivers its noise. clipped: share
    of samples at full scale. offset: mean, of full scale; it must be a tenth of the level, too. unequal_db: louder or
    quieter than the median by so much.
    """

    dead_db: float = 40.0
    clipped: float = 0.01
    offset: float = 0.01
    unequal_db: float = 6.0

    def __post_init__(self) -> None:
        if not (self.dead_db > 0 and self.unequal_db > 0):
            raise ValueError(f"dead_db = {self.dead_db}, unequal_db = {self.unequal_db}: expected decibels above 0")
        if not (0 < self.clipped < 1 and 0 < self.offset < 1):
            raise ValueError(f"clipped = {self.clipped}, offset = {self.offset}: expected shares between 0 and 1")


SELF_TEST = MicrophoneLimits()
# While a stream runs a talker may be at one microphone, and the level at the others says nothing.
RUNNING = MicrophoneLimits(unequal_db=math.inf)


@dataclass(frozen=True)
class MicrophoneSignal:
    """A stretch of one microphone. level_db: of what is left without the mean, re full scale; clipped: share of samples
    at full scale; stuck: every sample is the same."""

    level_db: float
    offset: float
    clipped: float
    stuck: bool


class Tally:
    """Sums over samples as they come, whatever the blocks."""

    def __init__(self, mics: int) -> None:
        self.samples = 0
        self._sum, self._squares = np.zeros(mics), np.zeros(mics)
        self._clipped = np.zeros(mics, np.int64)
        self._highest, self._lowest = np.zeros(mics, np.float32), np.zeros(mics, np.float32)
        self.clear()

    def clear(self) -> None:
        self.samples = 0
        for total in (self._sum, self._squares, self._clipped):
            total.fill(0)
        self._highest.fill(-np.inf)
        self._lowest.fill(np.inf)

    def add(self, x: Samples) -> None:
        """Count samples, `[mics, n]`, n from 1 on. Allocates nothing that stays."""
        self.samples += x.shape[1]
        self._sum += np.sum(x, axis=1, dtype=np.float64)
        self._squares += np.einsum("mn,mn->m", x, x, dtype=np.float64)
        self._clipped += np.count_nonzero(np.abs(x) >= FULL_SCALE, axis=1)
        np.maximum(self._highest, x.max(axis=1), out=self._highest)
        np.minimum(self._lowest, x.min(axis=1), out=self._lowest)

    def signals(self) -> tuple[MicrophoneSignal, ...]:
        """What was counted, one for each microphone."""
        mean = self._sum / self.samples
        power = self._squares / self.samples - mean**2
        columns = (power.tolist(), mean.tolist(), self._clipped.tolist(), (self._highest == self._lowest).tolist())
        return tuple(
            MicrophoneSignal(
                10 * math.log10(p) if p > 10 ** (SILENT_DB / 10) and not stuck else SILENT_DB,
                offset,
                clipped / self.samples,
                stuck,
            )
            for p, offset, clipped, stuck in zip(*columns, strict=True)
        )


def signals(x: Samples) -> tuple[MicrophoneSignal, ...]:
    """What each microphone of a recording, `[mics, n]`, delivers."""
    if not x.shape[1]:
        raise ValueError("no samples: expected a recording, [mics, n]")
    tally = Tally(x.shape[0])
    tally.add(x)
    return tally.signals()


def faults(found: Sequence[MicrophoneSignal], limits: MicrophoneLimits = SELF_TEST) -> tuple[str, ...]:
    """What is wrong with each microphone: "dead", "clipped", "offset", "quiet", "loud", or "" where nothing is.

    Of two that differ, the quieter one is taken for the faulty one.
    """
    levels_db = [mic.level_db for mic in found if not mic.stuck and mic.clipped <= limits.clipped]
    usual_db = median(levels_db) if len(levels_db) > 2 else max(levels_db, default=SILENT_DB)
    return tuple(fault(mic, mic.level_db - usual_db, limits) for mic in found)


def fault(mic: MicrophoneSignal, above_usual_db: float, limits: MicrophoneLimits) -> str:
    """What is wrong with one microphone, the worst first."""
    if mic.stuck or above_usual_db < -limits.dead_db:
        return "dead"
    if mic.clipped > limits.clipped:
        return "clipped"
    if abs(mic.offset) > max(limits.offset, BASS * 10 ** (mic.level_db / 20)):
        return "offset"
    if above_usual_db < -limits.unequal_db:
        return "quiet"
    return "loud" if above_usual_db > limits.unequal_db else ""


class MicrophoneMonitor:
    """Watches microphones while they run. A fault is seen within two windows, 0.8 s, and gone after `calm_s` without.

    For the audio thread: some sums per block, and nothing that stays. It must be given what the microphones delivered
    alone, not the silence that stands for lost samples.
    """

    def __init__(
        self,
        mics: int,
        rate_hz: int,
        limits: MicrophoneLimits = RUNNING,
        window_s: float = 0.4,
        calm_s: float = 2.0,
    ) -> None:
        self.faults = ("",) * mics
        self._limits, self._window = limits, max(1, round(window_s * rate_hz))
        self._calm_windows = max(1, math.ceil(calm_s / window_s))
        self._calm = [0] * mics
        self._tally = Tally(mics)

    @property
    def good(self) -> tuple[bool, ...]:
        """Which microphones to listen to."""
        return tuple(not fault for fault in self.faults)

    def observe(self, x: Samples) -> bool:
        """Watch samples, `[mics, n]`, any n; whether `faults` changed."""
        before, begin, samples = self.faults, 0, x.shape[1]
        while begin < samples:
            end = min(samples, begin + self._window - self._tally.samples)
            self._tally.add(x[:, begin:end])
            if self._tally.samples == self._window:
                self._judge()
            begin = end
        return self.faults != before

    def _judge(self) -> None:
        found = faults(self._tally.signals(), self._limits)
        self._tally.clear()
        for m, now in enumerate(found):
            self._calm[m] = 0 if now else self._calm[m] + 1
        self.faults = tuple(
            now or ("" if calm >= self._calm_windows else before)
            for now, calm, before in zip(found, self._calm, self.faults, strict=True)
        )
