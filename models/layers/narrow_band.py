"""Masks of every bin by one small network that all bins share.

A separator's last layer turns a hundred numbers a frame into thousands: it can say well what is common to many bins,
and not what one of them alone is told by its own level and phases. So here the separator gives a few numbers for every
bin instead, a context, and a network that is the same for all bins makes its masks of these and of the bin's own
features. That phases show in every bin alike where a sound comes from, and are best read by one network for all bins,
is the idea of narrow-band methods (Li & Horaud, 2019; Quan & Li, 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.layers.norms import EPS


@dataclass(frozen=True)
class NarrowBandConfig:
    """How much the separator says of every bin, and the width of the network that all bins share."""

    context: int = 8
    hidden: int = 128

    def __post_init__(self) -> None:
        if min(self.context, self.hidden) < 1:
            raise ValueError(f"{self}: expected positive numbers")


class NarrowBand(nn.Module):
    """From a context `[B, T, bins * context]` and features `[B, T, features * bins]` to `[B, T, outputs * bins]`.

    A feature of all bins comes after the other, and so do outputs; the numbers of a context stand side by side. The
    last layer starts at zero, so that a mask `1 + y` starts by passing everything. With several views each has a last
    layer of its own, and as many equal parts of the batch are what each of them sees.
    """

    def __init__(self, config: NarrowBandConfig, bins: int, features: int, outputs: int, views: int = 1) -> None:
        super().__init__()
        self.bins, self.context, self.views = bins, config.context, views
        self.hidden = nn.Linear(config.context + features, config.hidden)
        self.prelu = nn.PReLU()
        of_views = [nn.Linear(config.hidden, outputs) for _ in range(views)]
        for output in of_views:
            nn.init.zeros_(output.weight)
            nn.init.zeros_(output.bias)
        self.output = nn.ModuleList(of_views) if views > 1 else of_views[0]

    def forward(self, context: Tensor, features: Tensor) -> Tensor:
        own = nn.functional.layer_norm(features, features.shape[-1:], eps=EPS)
        of_bins = own.unflatten(-1, (-1, self.bins)).transpose(-1, -2)
        rows = torch.cat([context.unflatten(-1, (self.bins, self.context)), of_bins.to(context.dtype)], dim=-1)
        return self.said(self.prelu(self.hidden(rows))).transpose(-1, -2).flatten(-2)

    @property
    def outputs(self) -> list[nn.Linear]:
        """The last layer of each view."""
        layers = self.output if isinstance(self.output, nn.ModuleList) else [self.output]
        return [layer for layer in layers if isinstance(layer, nn.Linear)]

    def said(self, hidden: Tensor) -> Tensor:
        """The last layer, that of each view on its part of the batch."""
        parts = [layer(rows) for layer, rows in zip(self.outputs, hidden.chunk(self.views), strict=True)]
        return torch.cat(parts) if len(parts) > 1 else parts[0]
