"""How much each channel matters, by three measures; all give one number per channel of a dimension.

norm        L2 norm of all weights of the channel, in, through and out (Li et al., 2017, over the whole group as in
            Fang et al., 2023). Needs no data.
activation  mean absolute value of the channel along real mixtures, times the L2 norm of the weights that take it on:
            the size of what it adds to the next layer.
taylor      |g * w| of the training loss, summed over the channel before the absolute value is taken: the first-order
            estimate of what its removal costs (Molchanov et al., 2019), averaged over mixtures.

The first two have the scale of their layer; `quantization.pruning.selection` divides them by its mean before layers are
compared. The third is in units of the loss everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.network import Network
from models.training.losses import Objective
from quantization.pruning.dimensions import Dimension, Slice

Mixture = tuple[np.ndarray, np.ndarray]  # mixture [M, n] and sources [S, n]
Scores = dict[str, Tensor]  # by the names of dimensions, a number per channel


def norm_importance(network: Network, dimensions: Sequence[Dimension]) -> Scores:
    """The L2 norm of each channel's weights."""
    weights = dict(network.named_parameters())
    return {d.name: channel_sums(d, {n: w.detach().square() for n, w in weights.items()}).sqrt() for d in dimensions}


@torch.no_grad()
def activation_importance(network: Network, dimensions: Sequence[Dimension], mixtures: Iterable[Mixture]) -> Scores:
    """Mean absolute value of each channel, times the norm of the weights that take it on."""
    totals = {d.name: torch.zeros(d.width) for d in dimensions}

    def watch(dimension: Dimension, _: nn.Module, args: tuple[Any, ...]) -> None:
        size = args[0].abs().flatten(0, -2).mean(0)  # [times * width]
        totals[dimension.name] += size.reshape(-1, dimension.width).sum(0)

    modules = dict(network.named_modules())
    hooks = [modules[name].register_forward_pre_hook(partial(watch, d)) for d in dimensions for name in d.readers]
    for mixture, _ in mixtures:
        network(torch.from_numpy(mixture)[None])
    for hook in hooks:
        hook.remove()
    squares = {name: w.detach().square() for name, w in network.named_parameters()}
    return {d.name: totals[d.name] * channel_sums(d, squares, leaving=True).sqrt() for d in dimensions}


def taylor_importance(
    network: Network, dimensions: Sequence[Dimension], mixtures: Iterable[Mixture], objective: Objective
) -> Scores:
    """The mean over mixtures of how much the loss would change without each channel, to first order."""
    parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
    totals, count = {d.name: torch.zeros(d.width) for d in dimensions}, 0
    for mixture, sources in mixtures:
        given, wanted = torch.from_numpy(mixture)[None], torch.from_numpy(sources)[None]
        loss = objective(network(given), given, wanted, network.delay).mean()
        gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        pairs = zip(parameters.items(), gradients, strict=True)
        products = {name: (g * p).detach() for (name, p), g in pairs if g is not None}
        for d in dimensions:
            totals[d.name] += channel_sums(d, products, leaving=True).abs()
        count += 1
    return {name: total / max(count, 1) for name, total in totals.items()}


def channel_sums(dimension: Dimension, tensors: dict[str, Tensor], leaving: bool = False) -> Tensor:
    """The sum over everything in `tensors` that belongs to each channel, or only over the weights it leaves by."""
    total = torch.zeros(dimension.width)
    for part in dimension.slices:
        if part.tensor in tensors and (part.leaving or not leaving):
            total += over_channels(part, tensors[part.tensor], dimension.width)
    return total


def over_channels(part: Slice, tensor: Tensor, width: int) -> Tensor:
    """The sum of a tensor over all but its channels."""
    return tensor.movedim(part.axis, 0).reshape(part.times, width, -1).sum((0, 2))
