"""Short-time Fourier transform of whole recordings, for ideal masks, baselines and spatial filters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


@dataclass(frozen=True)
class STFT:
    """Hann windows of `window` samples every `hop`, for analysis and for synthesis; every sample lies in all of them.

    `signal(spectra(x), n)` is `x`. Lengths are multiples: `window = k * hop`.
    """

    window: int = 512
    hop: int = 128

    def __post_init__(self) -> None:
        if self.hop < 1 or self.window % self.hop or self.window < 2 * self.hop:
            raise ValueError(f"window {self.window}, hop {self.hop}: expected a window of two whole hops or more")

    @classmethod
    def for_rate(cls, sample_rate: int, window_s: float = 0.032, overlap: int = 4) -> STFT:
        """Windows of that many seconds, 32 ms as the literature's ideal masks use, each hop a quarter of one."""
        hop = max(1, round(window_s * sample_rate / overlap))
        return cls(overlap * hop, hop)

    @property
    def taper(self) -> np.ndarray:
        """The periodic Hann window, `[window]`."""
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.window) / self.window)

    def spectra(self, x: np.ndarray) -> np.ndarray:
        """Complex spectra `[..., T, F]` of samples `[..., n]`; frame `t` ends at sample `(t + 1) * hop`."""
        lead, samples = self.window - self.hop, x.shape[-1]
        tail = -samples % self.hop + lead
        padded = np.pad(x.astype(np.float64), [(0, 0)] * (x.ndim - 1) + [(lead, tail)])
        return np.fft.rfft(sliding_window_view(padded, self.window, axis=-1)[..., :: self.hop, :] * self.taper)

    def signal(self, spectra: np.ndarray, samples: int) -> np.ndarray:
        """The samples `[..., n]`, float32, whose spectra come closest to these (Griffin & Lim, 1984)."""
        frames = np.fft.irfft(spectra, self.window) * self.taper
        *leading, count, _ = frames.shape
        overlap = self.window // self.hop
        out = np.zeros((*leading, count + overlap - 1, self.hop))
        for part in range(overlap):
            out[..., part : part + count, :] += frames[..., part * self.hop : (part + 1) * self.hop]
        weight = np.sum(self.taper.reshape(overlap, self.hop) ** 2, axis=0)
        lead = self.window - self.hop
        return (out / weight).reshape(*leading, -1)[..., lead : lead + samples].astype(np.float32)

    def frequencies_hz(self, sample_rate: int) -> np.ndarray:
        """The centre of every bin, `[F]`."""
        return np.fft.rfftfreq(self.window, 1 / sample_rate)
