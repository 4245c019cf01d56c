"""A stream at a sample rate of its own as what an evaluation calls: aligned outputs at the rate of the mixtures."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import soxr

from edge_sdk.errors import DataError
from tools.peers.peer import Peer, Start

LONGEST_S = 0.2  # no delay is longer: twice what a conversation bears


class Aligned:
    """A peer as an evaluation calls it: mixture `[1, n]` to `[1, n]`, aligned with it, each from a fresh state.

    Resampled to the peer's rate and back where that is another one; above half the rate of the mixtures such a peer
    then hears nothing. The delay is one number for the whole set, found on its first mixtures at the peer's own rate:
    by it the outputs correlate best with the mixtures that they were made of. `real_time_factors` has one number for
    every mixture since: processor time of all threads, resampling and start not included, by the time it lasts.
    """

    def __init__(self, peer: Peer, sample_rate: int, mixtures: Sequence[np.ndarray]) -> None:
        self.peer, self.sample_rate = peer, sample_rate
        self.start: Start = peer.open()
        self.real_time_factors: list[float] = []
        inputs = [self.resampled(mixture[0], sample_rate, peer.sample_rate) for mixture in mixtures]
        self.delay = delay_of(inputs, [self.stream(x) for x in inputs], round(LONGEST_S * peer.sample_rate))
        self.real_time_factors.clear()

    def __call__(self, mixture: np.ndarray) -> np.ndarray:
        x = self.resampled(mixture[0], self.sample_rate, self.peer.sample_rate)
        y = self.resampled(self.stream(x)[self.delay :][: len(x)], self.peer.sample_rate, self.sample_rate)
        return np.pad(y, (0, max(0, mixture.shape[1] - len(y))))[np.newaxis, : mixture.shape[1]]

    def stream(self, x: np.ndarray) -> np.ndarray:
        """What comes out for a recording and the silence after it, in which the last delayed samples come."""
        padded = np.pad(x, (0, round(LONGEST_S * self.peer.sample_rate)))
        run = self.start()
        begin = time.process_time()
        y = run(padded)
        spent = time.process_time() - begin
        self.real_time_factors.append(spent / (len(padded) / self.peer.sample_rate))
        if not np.isfinite(y).all():
            raise DataError(f"{self.peer.name}: its output holds NaN or infinite samples; leave it out")
        return y.astype(np.float32, copy=False)

    @staticmethod
    def resampled(x: np.ndarray, rate: int, to: int) -> np.ndarray:
        return x if rate == to else soxr.resample(x, rate, to, quality="VHQ")

    @property
    def delay_ms(self) -> float:
        """By how much the stream runs behind."""
        return 1e3 * self.delay / self.peer.sample_rate

    @property
    def real_time_factor(self) -> float:
        """The median over the mixtures: what else the machine does adds to a few of them."""
        return float(np.median(self.real_time_factors))


def delay_of(inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray], longest: int) -> int:
    """The samples, 0 to `longest`, by which outputs lag inputs `[n]`: where they correlate best on average."""
    total = np.zeros(longest + 1)
    for x, y in zip(inputs, outputs, strict=True):
        size = len(x) + len(y)
        product = np.fft.irfft(np.fft.rfft(y, size) * np.fft.rfft(x, size).conj(), size)[: longest + 1]
        total += product / max(float(np.linalg.norm(x) * np.linalg.norm(y)), 1e-12)
    return int(np.argmax(total))
