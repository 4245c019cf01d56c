"""Another microphone in the place of the reference, while that is broken."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.microphones import MicrophoneMonitor
from edge_sdk.live.gaps import half_cosine
from edge_sdk.live.metrics import Metrics

Samples = NDArray[np.float32]
FADE_S = 0.01


class StandIn:
    """Watches the microphones, says in `metrics.mic_faults` what is wrong with each, and while something is wrong with
    the first of `order` puts the samples of the next good one in its place. order: microphones, the reference first and
    the others as they may stand in for it; the reference alone where nothing may."""

    def __init__(self, metrics: Metrics, order: Sequence[int]) -> None:
        self._monitor = MicrophoneMonitor(metrics.mics, metrics.rate_hz)
        self._metrics, self._order = metrics, tuple(order)
        self._fade = half_cosine(round(FADE_S * metrics.rate_hz))
        self._from = self._to = self._order[0]
        self._faded = len(self._fade)

    def watch(self, x: Samples) -> None:
        """Take samples of the microphones, `[mics, n]`, as they were captured, without silence for lost ones."""
        if self._monitor.observe(x):
            self._metrics.mic_faults = self._monitor.faults
            good = self._monitor.good
            chosen = next((m for m in self._order if good[m]), self._order[0])
            if chosen != self._to:
                self._from, self._to, self._faded = self._to, chosen, 0

    def replace(self, x: Samples) -> None:
        """Write the samples to listen to into the row of the reference."""
        reference = self._order[0]
        if self._faded == len(self._fade):
            if self._to != reference:
                x[reference] = x[self._to]
            return
        fade = self._fade[self._faded : self._faded + x.shape[1]]
        changing = x[:, : len(fade)]
        faded = changing[self._from] + fade * (changing[self._to] - changing[self._from])
        x[reference, len(fade) :] = x[self._to, len(fade) :]
        x[reference, : len(fade)] = faded
        self._faded += len(fade)
