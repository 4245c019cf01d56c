"""A high-pass for every microphone: takes away the offset of a converter and rumble before anything else hears them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.levels import LOUDEST

Samples = NDArray[np.float32]
Real = NDArray[np.float64]
CUTOFF_HZ = 30.0  # the deepest voices begin at about 70 Hz, where this takes 0.15 dB
STRETCH = 64  # samples that one matrix product filters
SILENT = 1e-30  # below this a sample is none: far under any converter, far above what makes arithmetic slow


class HighPass:
    """A second-order Butterworth high-pass, in place: 3 dB at the cut-off, 12 dB less with every octave below it.

    The filter is a matrix: two numbers of memory and 64 samples in, 64 samples and the memory after them out. Stretches
    lie at multiples of 64 samples of the stream, and one that is not complete is filtered with silence behind it, which
    changes nothing before: so the output is the same to the bit wherever the stream is cut. Memory is double precision.
    Samples that are no sound (not finite, or beyond `LOUDEST`) are taken for silence, and what is quieter than
    `SILENT` leaves as silence: arithmetic with numbers below the normal ones can take many times longer.
    repaired: samples taken for silence, of all microphones.
    """

    def __init__(self, mics: int, rate_hz: int, cutoff_hz: float = CUTOFF_HZ) -> None:
        b, a = butterworth(cutoff_hz, rate_hz)
        self.repaired = 0
        self._matrix = np.ascontiguousarray(stretch_matrix(b, a, STRETCH).T)
        self._rows = np.zeros((mics, 2 + STRETCH))  # memory before a stretch, and its samples
        self._results = np.zeros((mics, STRETCH + 2))
        self._small = np.zeros((mics, STRETCH + 2), np.bool_)
        self._filled = 0

    def filter(self, x: Samples) -> None:
        """Filter samples `[mics, n]` in place, any n."""
        self._repair(x)
        begin, samples = 0, x.shape[1]
        while begin < samples:
            at = self._filled
            count = min(STRETCH - at, samples - begin)
            piece = x[:, begin : begin + count]
            self._rows[:, 2 + at : 2 + at + count] = piece
            np.matmul(self._rows, self._matrix, out=self._results)
            np.less(np.abs(self._results), SILENT, out=self._small)
            np.copyto(self._results, 0, where=self._small)
            piece[...] = self._results[:, at : at + count]
            begin, self._filled = begin + count, at + count
            if self._filled == STRETCH:
                self._rows[:, :2] = self._results[:, STRETCH:]
                self._rows[:, 2:] = 0
                self._filled = 0

    def reset(self) -> None:
        """Forget everything."""
        self._rows.fill(0)
        self._filled = 0

    def _repair(self, x: Samples) -> None:
        if not np.abs(x).max(initial=0) <= LOUDEST:  # fails for NaN, too
            broken = ~(np.abs(x) <= LOUDEST)
            self.repaired += int(np.count_nonzero(broken))
            x[broken] = 0


def butterworth(cutoff_hz: float, rate_hz: int) -> tuple[Real, Real]:
    """Numerator and denominator `[3]` of the second-order high-pass, by the bilinear transform."""
    if not 0 < cutoff_hz < rate_hz / 2:
        raise ValueError(f"cutoff_hz = {cutoff_hz}: expected more than 0 and less than half of {rate_hz} Hz")
    k = np.tan(np.pi * cutoff_hz / rate_hz)
    scale = 1 / (1 + np.sqrt(2) * k + k * k)
    return scale * np.array([1.0, -2.0, 1.0]), np.array(
        [1.0, 2 * (k * k - 1) * scale, (1 - np.sqrt(2) * k + k * k) * scale]
    )


def stretch_matrix(b: Real, a: Real, samples: int) -> Real:
    """What turns memory and samples `[2 + n]` into outputs and memory `[n + 2]`: a second-order section unrolled."""
    matrix = np.zeros((samples + 2, 2 + samples))
    memory = np.zeros((2, 2 + samples))  # how it follows from what went in
    memory[0, 0] = memory[1, 1] = 1
    for n in range(samples):
        sample = np.zeros(2 + samples)
        sample[2 + n] = 1
        output = b[0] * sample + memory[0]
        memory = np.stack([b[1] * sample - a[1] * output + memory[1], b[2] * sample - a[2] * output])
        matrix[n] = output
    matrix[samples:] = memory
    return matrix
