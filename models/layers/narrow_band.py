"""Masks of every bin by one small network that all bins share.

A separator's last layer turns a hundred numbers a frame into thousands: it can say well what is common to many bins,
and not what one of them alone is told by its own level and phases. So here the separator gives a few numbers for every
bin instead, a context, and a network that is the same for all bins makes its masks of these and of the bin's own
features. That phases show in every bin alike where a sound comes from, and are best read by one network for all bins,
is the idea of narrow-band methods (Li & Horaud, 2019; Quan & Li, 2022).

How a room colours the way from a talker to each microphone shows only over many frames, and in every bin another way.
So the network may remember, too, as theirs does: an LSTM of its own for the frames of every bin, the same for all.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.layers.norms import EPS
from models.layers.recurrent import LSTM
from models.streaming import State

REMEMBERED = 250  # frames that the slowest units of a memory begin with, 2 s at a hop of 8 ms


@dataclass(frozen=True)
class NarrowBandConfig:
    """How much the separator says of every bin, and the width of the network that all bins share.

    memory: units of an LSTM over the frames of every bin, beside what the network sees of a frame; 0: no memory.
    """

    context: int = 8
    hidden: int = 128
    memory: int = 0

    def __post_init__(self) -> None:
        if min(self.context, self.hidden) < 1 or self.memory < 0:
            raise ValueError(f"{self}: expected positive numbers, or 0 as memory")


class NarrowBand(nn.Module):
    """From a context `[B, T, bins * context]` and features `[B, T, features * bins]` to `[B, T, outputs * bins]`.

    A feature of all bins comes after the other, and so do outputs; the numbers of a context stand side by side. The
    last layer starts at zero, so that a mask `1 + y` starts by passing everything. With several views each has a last
    layer of its own, and as many equal parts of the batch are what each of them sees.
    State: that of the memory, `(h, c)`, `[B, bins, memory]` each; without a memory `()`.
    """

    def __init__(self, config: NarrowBandConfig, bins: int, features: int, outputs: int, views: int = 1) -> None:
        super().__init__()
        self.bins, self.context, self.views = bins, config.context, views
        inputs = config.context + features
        self.memory = slow_lstm(inputs, config.memory) if config.memory else None
        self.hidden = nn.Linear(inputs + config.memory, config.hidden)
        self.prelu = nn.PReLU()
        of_views = [nn.Linear(config.hidden, outputs) for _ in range(views)]
        for output in of_views:
            nn.init.zeros_(output.weight)
            nn.init.zeros_(output.bias)
        self.output = nn.ModuleList(of_views) if views > 1 else of_views[0]

    def init_state(self, batch: int = 1) -> State:
        if self.memory is None:
            return ()
        return tuple(part.unflatten(0, (batch, self.bins)) for part in self.memory.init_state(batch * self.bins))

    def step(self, context: Tensor, features: Tensor, state: State) -> tuple[Tensor, State]:
        own = nn.functional.layer_norm(features, features.shape[-1:], eps=EPS)
        of_bins = own.unflatten(-1, (-1, self.bins)).transpose(-1, -2)
        rows = torch.cat([context.unflatten(-1, (self.bins, self.context)), of_bins.to(context.dtype)], dim=-1)
        if self.memory is not None:
            frames_of_bins = rows.transpose(1, 2).flatten(0, 1)  # [B * bins, T, inputs]
            known, state = self.memory.step(frames_of_bins, tuple(part.flatten(0, 1) for part in state))
            known, *state = (part.unflatten(0, (-1, self.bins)) for part in (known, *state))
            rows = torch.cat([rows, known.transpose(1, 2).to(rows.dtype)], dim=-1)
        return self.said(self.prelu(self.hidden(rows))).transpose(-1, -2).flatten(-2), tuple(state)

    @property
    def outputs(self) -> list[nn.Linear]:
        """The last layer of each view."""
        layers = self.output if isinstance(self.output, nn.ModuleList) else [self.output]
        return [layer for layer in layers if isinstance(layer, nn.Linear)]

    def said(self, hidden: Tensor) -> Tensor:
        """The last layer, that of each view on its part of the batch."""
        parts = [layer(rows) for layer, rows in zip(self.outputs, hidden.chunk(self.views), strict=True)]
        return torch.cat(parts) if len(parts) > 1 else parts[0]


def slow_lstm(inputs: int, hidden: int) -> LSTM:
    """An LSTM whose units begin as means over 1 to `REMEMBERED` frames (Tallec & Ollivier, 2018)."""
    layer = LSTM(inputs, hidden)
    slowness = torch.empty(hidden).uniform_(1, REMEMBERED - 1).log()
    with torch.no_grad():
        layer.lstm.bias_hh_l0.zero_()
        layer.lstm.bias_ih_l0[:hidden] = -slowness
        layer.lstm.bias_ih_l0[hidden : 2 * hidden] = slowness
    return layer
