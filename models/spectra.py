"""Power spectra over time whose gradients cost one inverse transform.

Training takes them of every estimate at several resolutions at each step. Through `torch.stft` their gradients go by
complex numbers and transforms of twice the length, which takes longer than all of a small network.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

OVERLAP = 4  # hops in a window


class PowerSpectrum(torch.autograd.Function):
    """`|STFT|^2` of signals `[N, n]` under a window `[size]` moving by a quarter of itself, `[N, T, size/2 + 1]`."""

    @staticmethod
    def forward(ctx: Any, signals: Tensor, window: Tensor) -> Tensor:
        hop = len(window) // OVERLAP
        count = signals.shape[-1] // hop - OVERLAP + 1
        hops = signals[:, : (count + OVERLAP - 1) * hop].unflatten(-1, (-1, hop))
        frames = torch.cat([hops[:, k : k + count] * part for k, part in enumerate(window.split(hop))], dim=-1)
        bins = torch.fft.rfft(frames)
        ctx.save_for_backward(bins, window)
        ctx.samples = signals.shape[-1]
        return torch.view_as_real(bins).square().sum(-1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        bins, window = ctx.saved_tensors
        hop, count = len(window) // OVERLAP, bins.shape[1]
        # An inverse transform counts every bin but the first and the last twice, as the derivative of the power does.
        weighted = torch.view_as_complex(torch.view_as_real(bins) * gradient[..., None])
        weighted[..., [0, -1]] *= 2
        frames = torch.fft.irfft(weighted, n=len(window)) * (window * len(window))
        total = frames.new_zeros(len(frames), ctx.samples)
        for k, part in enumerate(frames.split(hop, dim=-1)):
            total[:, k * hop : (k + count) * hop] += part.flatten(1)
        return total, None


def power_spectrum(signals: Tensor, size: int) -> Tensor:
    """Squared magnitudes under Hann windows of unit sum, the first around sample 0, `[..., n]` to `[..., T, F]`.

    As `torch.stft` with a hop of `size / 4`, signals longer than `size / 2` reflected at both ends.
    """
    window = torch.hann_window(size, dtype=signals.dtype, device=signals.device)
    reflected = pad(signals.flatten(0, -2)[:, None], (size // 2, size // 2), mode="reflect")[:, 0]
    power: Tensor = PowerSpectrum.apply(reflected, window / window.sum().sqrt())
    return power.unflatten(0, signals.shape[:-1])
