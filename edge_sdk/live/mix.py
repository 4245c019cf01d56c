"""What the loudspeakers get: sources, some of the microphone's own sound, and how loud."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_sdk.live.delay_line import DelayLine

Samples = NDArray[np.float32]
RAMP_S = 0.01  # of a change
STRETCH = 512  # samples mixed at once


@dataclass(frozen=True)
class MixConfig:
    """wet: part of the sources in the sound, from 0, the microphone alone, to 1, the sources alone. gain_db: of both.

    routes: for every playback channel the sources that it plays, together; none makes it silent. Empty: source after
    source, from the first again where there are more channels.
    """

    wet: float = 1.0
    gain_db: float = 0.0
    routes: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.wet <= 1:
            raise ValueError(f"wet = {self.wet}: expected 0 to 1")
        if not -60 <= self.gain_db <= 40:
            raise ValueError(f"gain_db = {self.gain_db}: expected -60 to 40 dB")


class Mix:
    """Playback channels from sources and the reference microphone, which waits as long as the sources did.

    wet, gain_db: may be changed at any time; the change takes `RAMP_S` and does not click. At 1 and 0 dB sources pass
    to the bit.
    """

    def __init__(self, sources: int, channels: int, rate_hz: int, delay: int, config: MixConfig | None = None) -> None:
        config = config or MixConfig()
        self._routes = config.routes or tuple((channel % sources,) for channel in range(channels))
        if len(self._routes) != channels or any(not 0 <= s < sources for route in self._routes for s in route):
            raise ValueError(f"routes {self._routes}: expected sources 0 to {sources - 1} for {channels} channels")
        self._wet, self._gain_db = config.wet, config.gain_db
        self._line = DelayLine(1, delay)
        ramp = max(1, round(RAMP_S * rate_hz))
        self._left = np.arange(ramp - 1, -1, -1, dtype=np.float32) / np.float32(ramp)  # of a change, at each sample
        self._at = ramp  # in the ramp; at its end nothing changes
        self._from = self._to = self._factors()
        self._dry = np.empty((1, STRETCH), np.float32)
        self._work = np.empty(STRETCH, np.float32)
        self._curve = np.empty((2, STRETCH), np.float32)

    @property
    def wet(self) -> float:
        return self._wet

    @wet.setter
    def wet(self, wet: float) -> None:
        self._wet = MixConfig(wet=wet).wet
        self._change()

    @property
    def gain_db(self) -> float:
        return self._gain_db

    @gain_db.setter
    def gain_db(self, gain_db: float) -> None:
        self._gain_db = MixConfig(gain_db=gain_db).gain_db
        self._change()

    def mix(self, microphone: Samples, sources: Samples, out: Samples) -> None:
        """The newest samples of the reference microphone, `[n]`, and those of the sources, `[sources, n]`, to `out`,
        `[channels, n]`, any n."""
        for begin in range(0, len(microphone), STRETCH):
            part = slice(begin, begin + STRETCH)
            self._mix(microphone[part], sources[:, part], out[:, part])

    def reset(self) -> None:
        """Forget the microphone's past; settings stay."""
        self._line.reset()

    def _mix(self, microphone: Samples, sources: Samples, out: Samples) -> None:
        count = len(microphone)
        self._line.push(microphone[np.newaxis], self._dry[:, :count])
        dry = self._dry[0, :count]
        source_factor, dry_factor = self._curves(count)
        scale(dry, dry_factor)
        work = self._work[:count]
        for channel, route in zip(out, self._routes, strict=True):
            channel.fill(0)
            for number in route:
                work[...] = sources[number]
                scale(work, source_factor)
                np.add(channel, work, out=channel)
            if route:
                np.add(channel, dry, out=channel)

    def _factors(self) -> tuple[float, float]:
        """Of sources and microphone."""
        gain = 10 ** (self._gain_db / 20)
        return gain * self._wet, gain * (1 - self._wet)

    def _change(self) -> None:
        """Begin a ramp from where the factors are now."""
        left = float(self._left[self._at - 1]) if self._at else 1.0
        source, dry = (now + (before - now) * left for before, now in zip(self._from, self._to, strict=True))
        self._from, self._to, self._at = (source, dry), self._factors(), 0

    def _curves(self, count: int) -> tuple[Samples | float, Samples | float]:
        """Factors of sources and microphone: numbers, or while they change, of each of so many samples."""
        changing = min(count, len(self._left) - self._at)
        if not changing:
            return self._to
        for curve, before, now in zip(self._curve, self._from, self._to, strict=True):
            np.multiply(self._left[self._at : self._at + changing], np.float32(before - now), out=curve[:changing])
            np.add(curve[:changing], np.float32(now), out=curve[:changing])
            curve[changing:count] = now
        self._at += changing
        return self._curve[0, :count], self._curve[1, :count]


def scale(x: Samples, factor: Samples | float) -> None:
    """Multiply in place."""
    np.multiply(x, factor if isinstance(factor, np.ndarray) else np.float32(factor), out=x)
