"""What a network's masks still take off a beam: a filter can only place its nulls, noise from all around stays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_sdk.beamforming.signals import Real, Samples, checked_masks
from edge_sdk.beamforming.stft import Analysis, STFTConfig, Synthesis


@dataclass(frozen=True)
class PostFilterConfig:
    """Gains of a post-filter: the mask to the power of `exponent`, and never below `floor_db`."""

    exponent: float = 0.25
    floor_db: float = -20.0

    def __post_init__(self) -> None:
        if not (0 < self.exponent <= 2 and -100 <= self.floor_db <= 0):
            raise ValueError(
                f"exponent = {self.exponent:g}, floor_db = {self.floor_db:g}: expected above 0 to 2, and -100 to 0"
            )


class PostFilter:
    """Masks on the beams that they steered, a frame transform behind the filter's; adds `delay` samples to its own."""

    def __init__(self, config: PostFilterConfig, stft: STFTConfig, sources: int) -> None:
        self.config, self._stft = config, stft
        self._analysis, self._synthesis = Analysis(stft, sources), Synthesis(stft, sources)
        # A frame of beams is as old as the filter's delay, which is a whole number of hops.
        self._gains: Real = np.zeros((stft.delay // stft.hop + 1, sources, stft.frequencies))  # a ring
        self._at = 0

    @property
    def delay(self) -> int:
        """Samples by which the output runs behind the beams."""
        return self._stft.delay

    def process(self, beams: Samples, masks: Real) -> Samples:
        """As many samples as there are beams, `[S, T * hop]`, after the masks `[S, T, F]` of the frames that made
        them."""
        hop, (sources, samples) = self._stft.hop, beams.shape
        given = checked_masks(masks, (sources, samples // hop, self._stft.frequencies))
        gains = np.maximum(given**self.config.exponent, 10 ** (self.config.floor_db / 20))
        y = np.empty((sources, samples), np.float32)
        for t, spectra in enumerate(self._analysis.push(beams)):
            self._gains[self._at] = gains[:, t]
            self._at = (self._at + 1) % len(self._gains)
            self._synthesis.add(spectra.T * self._gains[self._at], y[:, t * hop : (t + 1) * hop])
        return y

    def reset(self) -> None:
        """Forget everything."""
        self._analysis.reset()
        self._synthesis.reset()
        self._gains.fill(0)
        self._at = 0
