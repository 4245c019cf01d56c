"""From microphones to loudspeaker channels: high-pass, guarded engines, mix, limiter."""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.calibration import Correction
from edge_sdk.live.guard import Guard
from edge_sdk.live.highpass import HighPass
from edge_sdk.live.howl import Howl
from edge_sdk.live.limiter import Limiter
from edge_sdk.live.metrics import Metrics
from edge_sdk.live.mix import Mix
from edge_sdk.live.stand_in import StandIn
from edge_sdk.live.tap import Tap

Samples = NDArray[np.float32]


class LiveChain:
    """A `loop.Chain` of the parts that make a stream. taps: what people who listen in hear of the microphones and of
    the loudspeakers. correction: makes the microphones of an array equal. The limiter is last, and there is no chain
    without it."""

    def __init__(
        self,
        stand_in: StandIn,
        highpass: HighPass | None,
        guard: Guard,
        mix: Mix,
        howl: Howl | None,
        limiter: Limiter,
        metrics: Metrics,
        period: int,
        reference: int = 0,
        taps: tuple[Tap, Tap] | None = None,
        correction: Correction | None = None,
    ) -> None:
        self._correction = correction
        self._stand_in, self._highpass, self._guard = stand_in, highpass, guard
        self._mix, self._howl, self._limiter = mix, howl, limiter
        self._metrics, self._reference, self._taps = metrics, reference, taps
        self.channels, self.grain = metrics.sources, gcd(guard.block, period)
        self.delay = guard.delay + (0 if correction is None else correction.delay)
        self._sources = np.empty((guard.ladder.sources, period), np.float32)
        self._out = np.empty((self.channels, period), np.float32)

    def process(self, x: Samples) -> Samples:
        """As `loop.Chain.process`."""
        count = x.shape[1]
        sources, out = self._sources[:, :count], self._out[:, :count]
        self._metrics.observe_in(x)
        if self._correction is not None:
            self._correction.apply(x)
        self._stand_in.replace(x)
        if self._highpass is not None:
            self._highpass.filter(x)
        self._guard.process(x, sources)
        self._mix.mix(x[self._reference], sources, out)
        if self._howl is not None:
            self._howl.suppress(out)
            self._metrics.howls = self._howl.detected
        self._limiter.limit(out)
        self._metrics.limited = self._limiter.limited
        self._metrics.repaired = self._limiter.repaired + (self._highpass.repaired if self._highpass else 0)
        self._metrics.observe_out(out)
        if self._taps is not None:
            self._taps[0].write(x)
            self._taps[1].write(out)
        return out

    def watch(self, x: Samples) -> None:
        """As `loop.Chain.watch`."""
        self._stand_in.watch(x)

    def forget(self) -> None:
        """As `loop.Chain.forget`."""
        if self._correction is not None:
            self._correction.reset()
        if self._highpass is not None:
            self._highpass.reset()
        self._guard.forget()
        self._mix.reset()
        if self._howl is not None:
            self._howl.reset()
        self._limiter.reset()

    def overrun(self) -> None:
        """As `loop.Chain.overrun`."""
        self._guard.overrun()
