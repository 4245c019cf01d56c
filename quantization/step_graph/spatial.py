"""The step of the features of several microphones: the arithmetic of `SpatialFeatures`.

Each microphone's coefficients are brought to unit magnitude once, so that a phase difference costs a product per pair;
and all pairs are one tensor: an operator has a cost of its own, whatever it works on.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.multichannel import SpatialFeatures
from quantization.step_graph.parts import compressed_magnitudes, join, part, squared_magnitudes
from quantization.step_graph.tcn import frame_norm


class SpatialStep(nn.Module):
    """Levels `[T, F]` of the reference and coefficients `[T, M, N]` to features `[T, width]`."""

    def __init__(self, spatial: SpatialFeatures) -> None:
        super().__init__()
        self.firsts, self.seconds = spatial.firsts, spatial.seconds
        self.phases = spatial.phases
        self.kernel = CrossMicrophones(spatial.kernel, spatial.is_complex) if spatial.kernel is not None else None

    def forward(self, levels: Tensor, coefficients: Tensor) -> Tensor:
        frames = len(levels)
        if self.kernel is not None:
            levels = torch.cat([levels, self.kernel(coefficients).reshape(frames, -1)], dim=1)
        if not self.phases:
            return levels
        scale = torch.rsqrt(squared_magnitudes(coefficients))
        real, imaginary = part(coefficients, 0, 2) * scale, part(coefficients, 1, 2) * scale
        (r1, r2), (i1, i2) = ((pick(side, self.firsts), pick(side, self.seconds)) for side in (real, imaginary))
        cosine, sine = r1 * r2 + i1 * i2, i1 * r2 - r1 * i2
        return torch.cat([frame_norm(levels), cosine.reshape(frames, -1), sine.reshape(frames, -1)], dim=1)


class CrossMicrophones(nn.Module):
    """A kernel over all microphones for every coefficient, `[T, M, N]` to `[T, pairs, F]`."""

    def __init__(self, kernel: Tensor, is_complex: bool) -> None:
        super().__init__()
        self.is_complex = is_complex
        halves = kernel.detach().chunk(2, dim=-1) if is_complex else (kernel.detach(),)
        self.real = nn.Parameter(halves[0][None].contiguous().clone(), requires_grad=False)  # [1, pairs, M, F]
        self.imaginary = nn.Parameter(halves[-1][None].contiguous().clone(), requires_grad=False)

    def forward(self, coefficients: Tensor) -> Tensor:
        x = coefficients[:, None]  # [T, 1, M, N]
        if not self.is_complex:
            return (x * self.real).sum(2)
        real, imaginary = part(x, 0, 2), part(x, 1, 2)
        sums = (
            (real * self.real - imaginary * self.imaginary).sum(2),
            (real * self.imaginary + imaginary * self.real).sum(2),
        )
        return compressed_magnitudes(torch.cat(sums, dim=-1))

    @property
    def macs(self) -> int:
        """Multiply-accumulates per frame."""
        return self.real.numel() * (4 if self.is_complex else 1)


def pick(x: Tensor, mics: Sequence[int]) -> Tensor:
    """Microphones of `[T, M, F]` in this order, by as few slices as there are; one that is all of them, once."""
    if len(set(mics)) == 1:
        return x[:, mics[0] : mics[0] + 1]
    slices, start = [], 0
    for end in range(1, len(mics) + 1):
        if end == len(mics) or mics[end] != mics[end - 1] + 1:
            slices.append(x[:, mics[start] : mics[end - 1] + 1])
            start = end
    return join(slices, 1)
