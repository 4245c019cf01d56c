"""Counters of a live stream. One thread writes them, others read them: numbers alone, no locks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

BINS_PER_OCTAVE = 4
SHORTEST_S = 1e-5  # of the histogram's first bin
BINS = 80  # up to 10 s


@dataclass
class Metrics:
    """What happened since the stream began. Lengths are samples of one channel.

    captured: read from the device; lost: never arrived, and filled with silence; processed: both together as they went
    through the chain; played: written to the playback device; inserted, dropped: silence added and samples left out
    there to keep the device filled. fallbacks: blocks that left as the reference microphone, by reason. rung: place
    on the ladder, 0 is the chosen model. step_bins: histogram of the time per block, see `bin_of`.
    peak_in, peak_out: largest magnitude since whoever shows them last set them to zero.
    """

    mics: int
    sources: int
    rate_hz: int
    block: int
    rungs: tuple[str, ...] = ("model",)
    started_ns: int = 0
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
    rung: int = 0
    fallbacks: dict[str, int] = field(default_factory=lambda: {"late": 0, "bad": 0, "dead": 0})
    step_bins: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    peak_in: NDArray[np.float32] = field(init=False)
    peak_out: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        self.peak_in = np.zeros(self.mics, np.float32)
        self.peak_out = np.zeros(self.sources, np.float32)
