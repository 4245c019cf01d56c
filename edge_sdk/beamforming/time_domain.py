"""Filter-and-sum without frames: fixed beams that wait for a few samples instead of a window."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from edge_sdk.beamforming.fractional import HALF, fractional_delay
from edge_sdk.beamforming.signals import Complex, Real, Samples, checked_samples

STRETCH = 256  # samples filtered at once: what a long recording needs of memory, and no block of a live stream is cut


class FixedFilters:
    """Every output is the sum of all microphones, each filtered with taps `[S, M, L]`.

    `process` takes any number of samples and gives as many; the output stream runs `delay` samples behind, which the
    filters say, and waits for nothing.
    """

    def __init__(self, taps: Real, delay: int) -> None:
        if taps.ndim != 3 or not np.isfinite(taps).all():
            raise ValueError(f"taps of shape {list(taps.shape)}: expected finite [outputs, mics, taps]")
        sources, self.mics, length = taps.shape
        if not 0 <= delay < length:
            raise ValueError(f"delay = {delay}: expected 0 to {length - 1}, within the filters")
        self.delay = delay
        # Row m * L + l of the samples is microphone m, L - 1 - l samples ago.
        self._taps = np.ascontiguousarray(taps[..., ::-1].reshape(sources, -1), np.float32)
        self._past = length - 1
        self._samples = np.zeros((self.mics, self._past + STRETCH), np.float32)
        self._rows = np.empty((self.mics * length * STRETCH,), np.float32)

    @property
    def latency(self) -> int:
        """The longest time, in samples, from a sample's arrival to the moment its output is complete."""
        return self.delay

    def process(self, x: ArrayLike) -> Samples:
        """The outputs `[S, n]` after samples `[M, n]`."""
        samples = checked_samples(x, self.mics)
        y = np.empty((len(self._taps), samples.shape[1]), np.float32)
        for begin in range(0, samples.shape[1], STRETCH):
            self._filter(samples[:, begin : begin + STRETCH], y[:, begin : begin + STRETCH])
        return y

    def _filter(self, x: Samples, out: Samples) -> None:
        count, past = x.shape[1], self._past
        self._samples[:, past : past + count] = x
        windows = sliding_window_view(self._samples[:, : past + count], count, axis=1)  # [M, L, n]
        rows = self._rows[: windows.size].reshape(windows.shape)
        rows[...] = windows
        np.matmul(self._taps, rows.reshape(-1, count), out=out)
        self._samples[:, :past] = self._samples[:, count : count + past]

    def reset(self) -> None:
        """Forget everything."""
        self._samples.fill(0)


def delay_and_sum_filters(lead_s: Real, sample_rate: int) -> FixedFilters:
    """Beams towards directions from which each microphone hears so much earlier than the reference, `[S, M]`
    (`steering.lead_s`): all microphones are delayed to the reference, and that by `delay`."""
    lead = np.asarray(lead_s, np.float64) * sample_rate
    delay = HALF + max(0, int(np.ceil(-lead.min())))
    taps = delay + max(0, int(np.ceil(lead.max()))) + HALF
    return FixedFilters(fractional_delay(delay + lead, taps) / lead.shape[1], delay)


def filters_from_weights(weights: Complex, taps: int) -> FixedFilters:
    """Fixed weights `[S, F, M]` of spectra, frequencies equally spaced from 0 to half the rate, as filters of so many
    taps, which run `taps // 2` samples behind.

    Responses longer than the filters are cut by a Hann window: fit are those that vary slowly over frequency.
    """
    window = 2 * (weights.shape[1] - 1)
    if not 2 <= taps <= window:
        raise ValueError(f"{taps} taps: expected 2 to {window}, what {weights.shape[1]} frequencies can tell")
    responses = np.fft.irfft(weights.conj().transpose(0, 2, 1), window)  # [S, M, window], around sample 0
    delay = taps // 2
    centred = np.roll(responses, delay, axis=-1)[..., :taps]
    taper = np.cos(np.pi * (np.arange(taps) - delay) / (taps + 1)) ** 2
    return FixedFilters(centred * taper, delay)
