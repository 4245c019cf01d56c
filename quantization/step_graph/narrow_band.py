"""The step of masks by a network that all bins share: the arithmetic of `NarrowBand`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.layers.narrow_band import NarrowBand
from quantization.step_graph.parts import Pointwise, Slope
from quantization.step_graph.tcn import frame_norm


class NarrowBandStep(nn.Module):
    """A context `[T, bins * context]` and features `[T, features * bins]` to masks, `[T, outputs * bins]`."""

    def __init__(self, narrow_band: NarrowBand, frames: int) -> None:
        super().__init__()
        self.frames, self.bins = frames, narrow_band.bins
        self.hidden = Pointwise(narrow_band.hidden.weight, narrow_band.hidden.bias)
        self.slope = Slope(narrow_band.prelu)
        self.output = Pointwise(narrow_band.output.weight, narrow_band.output.bias)

    def forward(self, context: Tensor, features: Tensor) -> Tensor:
        rows = self.frames * self.bins
        own = frame_norm(features).reshape(self.frames, -1, self.bins).permute(0, 2, 1).reshape(rows, -1)
        said: Tensor = self.output(self.slope(self.hidden(torch.cat([context.reshape(rows, -1), own], dim=1))))
        return said.reshape(self.frames, self.bins, -1).permute(0, 2, 1).reshape(self.frames, -1)
