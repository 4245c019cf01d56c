"""A stream of samples as short-time spectra, and back.

The analysis window may be longer than the synthesis window: long frames tell frequencies apart, and only the short
window makes the output wait (Mauler & Martin, "A low delay, variable resolution, perfect reconstruction spectral
analysis-synthesis system for speech enhancement", 2007).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edge_sdk.beamforming.signals import Complex, Real, Samples
from edge_sdk.framing import FrameBuffer, OverlapAdd


@dataclass(frozen=True)
class STFTConfig:
    """Frames of `window` samples every `hop`; `synthesis` samples at the end of each go into the output, 0 for all.

    The output stream runs `delay` samples behind the input stream, and a sample waits at most `latency` samples, from
    its arrival until its output is complete.
    """

    window: int = 256
    hop: int = 128
    synthesis: int = 0

    def __post_init__(self) -> None:
        if self.hop < 1 or self.latency % self.hop or self.latency < 2 * self.hop or self.latency % 2:
            raise ValueError(
                f"synthesis window {self.latency}, hop {self.hop}: expected an even window of two whole hops or more"
            )
        if self.window < self.latency or self.window % 2:
            raise ValueError(f"window {self.window}: expected an even number of samples, at least {self.latency}")

    @property
    def frequencies(self) -> int:
        return self.window // 2 + 1

    @property
    def latency(self) -> int:
        return self.synthesis or self.window

    @property
    def delay(self) -> int:
        return self.latency - self.hop

    def frequencies_hz(self, sample_rate: int) -> Real:
        """The centre of every bin, `[F]`."""
        frequencies: Real = np.fft.rfftfreq(self.window, 1 / sample_rate).astype(np.float64)
        return frequencies

    def analysis_taper(self) -> Real:
        """Rises as the first half of a sine over all but the last half of the synthesis window, and falls over that,
        `[window]`. Where both windows are equally long it is the square root of a Hann window."""
        fall = self.latency // 2
        rise = self.window - fall
        rising, falling = np.arange(rise) / rise, 1 - np.arange(fall) / fall
        taper: Real = np.sin(0.5 * np.pi * np.concatenate([rising, falling]))
        return taper

    def synthesis_taper(self) -> Real:
        """What makes the product of both tapers a Hann window whose overlapping copies sum to one, `[latency]`."""
        length = self.latency
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
        analysis = self.analysis_taper()[-length:]
        analysis[0] = max(analysis[0], np.finfo(np.float64).tiny)  # 0 where both are equally long, and so is hann[0]
        return 2 * self.hop / length * hann / analysis


class Analysis:
    """Spectra of every frame that samples complete; before the stream is silence. Frame t ends with hop t."""

    def __init__(self, config: STFTConfig, mics: int) -> None:
        self._buffer = FrameBuffer(mics, config.window, config.hop, 1)
        self._taper = config.analysis_taper()
        self._tapered = np.empty((mics, config.window))
        self._spectra = np.empty((config.frequencies, mics), np.complex128)

    @property
    def pending(self) -> int:
        """Samples of the hop that is not complete yet."""
        return self._buffer.pending

    def push(self, x: Samples) -> Iterator[Complex]:
        """Take samples `[M, n]`; spectra `[F, M]` of each frame they complete, which hold until the next is asked for.

        Run it to its end: what is left is lost.
        """
        for frames in self._buffer.push(x):
            np.multiply(frames[:, 0], self._taper, out=self._tapered)
            self._spectra[...] = np.fft.rfft(self._tapered).T
            yield self._spectra

    def reset(self) -> None:
        """Forget everything."""
        self._buffer.reset()


class Synthesis:
    """Samples of the spectra of one frame after the other."""

    def __init__(self, config: STFTConfig, sources: int) -> None:
        self._window, self._taper = config.window, config.synthesis_taper()
        self._overlap_add = OverlapAdd(sources, config.latency, config.hop, 1)
        self._frames = np.empty((sources, 1, config.latency), np.float32)

    def add(self, spectra: Complex, out: Samples) -> None:
        """Add a frame `[S, F]`; the hop that is complete now goes to `out`, `[S, hop]`."""
        frames = np.fft.irfft(spectra, self._window)[:, -len(self._taper) :]
        np.multiply(frames, self._taper, out=self._frames[:, 0], casting="same_kind")
        self._overlap_add.add(self._frames, out)

    def reset(self) -> None:
        """Forget everything."""
        self._overlap_add.reset()
