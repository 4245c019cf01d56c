"""Playback on another clock than that of the samples: a resampler, steered by how many samples the device has queued.

soxr can vary its ratio too (vr=True) but holds 240 samples back, 15 ms at 16 kHz; the one here is 16 samples late.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edge_sdk.audio.pcm import Samples

TAPS = 32
DEGREE = 6  # of the polynomials; with 7 the distortion is the same
KAISER_BETA = 7.0
MOST = 1e-3  # by which the rate is changed; clocks differ by 2e-4 at most, and a tone by 1.7 cents here
LOOP_RAD_S = 0.05  # natural frequency of the control loop, critically damped
SMOOTH_S = 2.0  # of the fill level, which jumps by a period


class Resampler:
    """Samples at a rate that may change with every block, by windowed sincs whose taps are polynomials of the time
    between two samples (Farrow, 1988).

    Its phase runs on through every change, so there is no click. What it adds to a tone is 90 dB below it up to 5/8 of
    the band, 70 dB up to 13/16, 48 dB at 7/8. delay: samples by which the output is later; most: samples of a block.
    """

    delay = TAPS // 2

    def __init__(self, channels: int, most: int) -> None:
        if channels < 1 or most < 1:
            raise ValueError(f"channels = {channels}, most = {most}: expected 1 or more")
        self.most = most
        self.taps = polynomial_taps()
        self.samples: Samples = np.zeros((channels, TAPS + 1 + most), np.float32)
        self.windows = sliding_window_view(self.samples, TAPS, axis=1)
        self.kept = TAPS - 1  # samples that the next window may still need
        self.position = 0.0  # where that begins

    def process(self, samples: Samples, step: float) -> Samples:
        """Samples `[channels, m]` from `[channels, n]`, each `step` samples of the input after the one before."""
        channels, n = samples.shape
        if channels != len(self.samples) or n > self.most:
            raise ValueError(f"samples of shape {samples.shape}: expected ({len(self.samples)}, up to {self.most})")
        have = self.kept + n
        self.samples[:, self.kept : have] = samples
        count = max(0, int(np.ceil((have - TAPS + 1 - self.position) / step)))
        positions = self.position + step * np.arange(count)
        begins = positions.astype(np.intp)
        between = (positions - begins).astype(np.float32)
        windows = self.windows[:, begins].reshape(-1, TAPS)
        highest, *lower = (self.taps @ windows.T).reshape(-1, channels, count)
        y: Samples = highest
        for term in lower:
            y = y * between + term
        self.position += step * count
        used = int(self.position)
        self.position -= used
        self.kept = have - used
        self.samples[:, : self.kept] = self.samples[:, used:have].copy()
        return y


class FillLoop:
    """The step that keeps a playback device at `target` queued samples, by a critically damped controller.

    learnt: what it has found the difference of the clocks to be, positive where the device is the slower one.
    """

    def __init__(self, rate_hz: int, target: int) -> None:
        if rate_hz < 1 or target < 1:
            raise ValueError(f"rate_hz = {rate_hz}, target = {target}: expected 1 or more")
        self.rate_hz = rate_hz
        self.target = target
        self.off = 0.0  # smoothed number of samples above the target
        self.learnt = 0.0

    def step(self, samples: int, queued: int) -> float:
        """Samples of the input per sample of the output for the next so many, with so many queued before them."""
        duration_s = samples / self.rate_hz
        self.off += (queued - self.target - self.off) * duration_s / (SMOOTH_S + duration_s)
        ahead_s = self.off / self.rate_hz
        self.learnt = limited(self.learnt + LOOP_RAD_S**2 * ahead_s * duration_s)
        return 1 + limited(self.learnt + 2 * LOOP_RAD_S * ahead_s)


class DriftResampler:
    """Both together: takes samples that are to be played and how many the device has queued, gives what to write."""

    def __init__(self, channels: int, rate_hz: int, target: int, most: int) -> None:
        self.resampler = Resampler(channels, most)
        self.delay = self.resampler.delay
        self.loop = FillLoop(rate_hz, target)

    def process(self, samples: Samples, queued: int) -> Samples:
        return self.resampler.process(samples, self.loop.step(samples.shape[1], queued))


def limited(change: float) -> float:
    return min(MOST, max(-MOST, change))


def polynomial_taps() -> NDArray[np.float32]:
    """Coefficients `[degree + 1, taps]`, highest power first, of the taps for 0 to 1 sample after the middle: fitted to
    Kaiser-windowed sincs that sum to 1."""
    between = (1 - np.cos(np.pi * (np.arange(200) + 0.5) / 200)) / 2  # Chebyshev's nodes: the fit is even to the ends
    times = np.arange(TAPS)[:, None] - (TAPS // 2 - 1) - between
    window = np.i0(KAISER_BETA * np.sqrt(np.maximum(0, 1 - (2 * times / TAPS) ** 2)))
    sincs = np.sinc(times) * window
    sincs /= sincs.sum(axis=0)
    return np.polynomial.polynomial.polyfit(between, sincs.T, DEGREE)[::-1].astype(np.float32)
