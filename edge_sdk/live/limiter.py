"""A limiter that is always on: no sample leaves above the ceiling, whatever came in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
STRETCH = 512  # samples limited at once
STEPS = 1 << 24  # of gain to an octave: whole numbers, so that sums do not depend on where the stream is cut
DB_PER_OCTAVE = 20 * np.log10(2.0)


@dataclass(frozen=True)
class LimiterConfig:
    """What may leave.

    ceiling_db: of the largest sample, below full scale. Half of full scale until somebody has measured how loud the
    playback is: it takes 6 dB off whatever a fault can do to an ear, and leaves room for the peaks that a converter
    makes between samples. release_db_per_s: how fast the gain comes back; 100 ms for what a shout takes, and 0.3 dB
    within a period of a voice at 200 Hz, which is too little to be heard as distortion.
    """

    ceiling_db: float = -6.0
    release_db_per_s: float = 60.0

    def __post_init__(self) -> None:
        if not -60 <= self.ceiling_db <= 0:
            raise ValueError(f"ceiling_db = {self.ceiling_db}: expected -60 to 0 dB below full scale")
        if not 1 <= self.release_db_per_s <= 10_000:
            raise ValueError(f"release_db_per_s = {self.release_db_per_s}: expected 1 to 10000 dB per second")


class Limiter:
    """One gain for all channels, so that places stay where they are: down at once, up again at a steady rate in dB.

    It looks at no sample before its time and delays none: the gain is the largest that follows the release and holds
    the present sample at the ceiling. What is below passes to the bit. NaN and infinite samples become silence.
    limited: sample times at which the gain was below one; repaired: samples that were not finite, of all channels.
    """

    def __init__(self, channels: int, rate_hz: int, config: LimiterConfig | None = None) -> None:
        self.config = config or LimiterConfig()
        self.ceiling = np.float32(10 ** (self.config.ceiling_db / 20))
        self.limited = self.repaired = 0
        self._release = max(1, round(self.config.release_db_per_s / DB_PER_OCTAVE / rate_hz * STEPS))
        self._releases = self._release * np.arange(STRETCH, dtype=np.int64)
        self._attenuation = 0  # of the last sample, in steps
        self._magnitudes = np.empty((channels, STRETCH), np.float32)
        self._peaks = np.empty(STRETCH, np.float32)
        self._octaves = np.empty(STRETCH, np.float64)
        self._steps = np.empty(STRETCH, np.int64)
        self._gains = np.empty(STRETCH, np.float32)

    def limit(self, x: Samples) -> None:
        """Limit samples `[channels, n]` in place, any n."""
        for begin in range(0, x.shape[1], STRETCH):
            self._limit(x[:, begin : begin + STRETCH])

    def reset(self) -> None:
        """The gain is one again; counts stay."""
        self._attenuation = 0

    def _limit(self, x: Samples) -> None:
        peaks = self._measure(x)
        loudest = peaks.max()
        if loudest <= self.ceiling and not self._attenuation:
            return
        if not np.isfinite(loudest):
            broken = ~np.isfinite(x)
            self.repaired += int(np.count_nonzero(broken))
            x[broken] = 0
            peaks = self._measure(x)
        samples = len(peaks)
        octaves, steps, gains = self._octaves[:samples], self._steps[:samples], self._gains[:samples]
        np.maximum(peaks, self.ceiling, out=octaves)
        np.divide(octaves, self.ceiling, out=octaves)
        np.log2(octaves, out=octaves)
        np.multiply(octaves, STEPS, out=octaves)
        np.ceil(octaves, out=octaves)
        # a[n] = max(needed[n], a[n - 1] - release), for all n at once: a[n] + n release is a running maximum.
        steps[...] = octaves
        steps[0] = max(int(steps[0]), self._attenuation - self._release)
        np.add(steps, self._releases[:samples], out=steps)
        np.maximum.accumulate(steps, out=steps)
        np.subtract(steps, self._releases[:samples], out=steps)
        self._attenuation = int(steps[-1])
        self.limited += int(np.count_nonzero(steps))
        np.multiply(steps, -1 / STEPS, out=octaves)
        np.exp2(octaves, out=octaves)
        gains[...] = octaves
        np.multiply(x, gains, out=x)
        # Rounding can leave the last bit above.
        np.minimum(x, self.ceiling, out=x)
        np.maximum(x, -self.ceiling, out=x)

    def _measure(self, x: Samples) -> Samples:
        """The largest magnitude of all channels at each sample time."""
        samples = x.shape[1]
        magnitudes, peaks = self._magnitudes[:, :samples], self._peaks[:samples]
        np.abs(x, out=magnitudes)
        np.maximum.reduce(magnitudes, axis=0, out=peaks)
        return peaks
