"""Spatial filters and localization: processor time per block of 8 ms, windows of 16 ms, two talkers."""

from __future__ import annotations

from collections.abc import Iterator

from edge_sdk.beamforming.stft import STFTConfig
from edge_sdk.bench_report import Row
from tools.bench_beamforming import RATE, block_times, steps

MICS, SOURCES, STFT = (2, 4, 6, 8), 2, STFTConfig(256, 128)
SECONDS = 0.3  # of measuring each


def rows() -> Iterator[Row]:
    """The mean, because filters renew their weights in some blocks only, and its part of real time."""
    for mics in MICS:
        for name, step in steps(mics, SOURCES, STFT).items():
            mean_s = float(block_times(step, SECONDS).mean())
            yield Row("beams", name, f"{mics} microphones", "mean", 1e6 * mean_s, "us")
            yield Row("beams", name, f"{mics} microphones", "real-time factor", mean_s * RATE / STFT.hop)
