"""A running average of weights, which generalizes better than the last ones (Polyak & Juditsky, 1992)."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


class RunningAverage(Generic[Module]):
    """A twin of a network, `network`, whose weights follow those of the other: `update` after every step."""

    def __init__(self, network: Module, decay: float) -> None:
        self.network: Module = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, done: int) -> None:
        """Move towards the network's weights after `done` steps; faster while the average is young."""
        decay = min(self.decay, (done + 1) / (done + 10))
        ours, theirs = self.network.state_dict(), network.state_dict()
        for name, tensor in ours.items():
            if tensor.is_floating_point():
                tensor.lerp_(theirs[name], 1 - decay)
            else:
                tensor.copy_(theirs[name])
