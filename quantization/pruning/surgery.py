"""A network of fewer channels, given which stay: its weights are those of the larger one, copied.

What the channels that go added to the next layer is gone; all else is computed as before, but for norms over channels
(frame, cumulative, global), whose statistics are now those of the channels that stay. So with batch or channel norms
the result is exact where nothing of value goes, and with the others where statistics stay the same too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from models.layers.dual_path import DualPathConfig
from models.layers.filterbanks import FilterbankConfig
from models.layers.recurrent import StackedLSTMConfig
from models.layers.separators import SeparatorConfig
from models.layers.skim import SkiMConfig
from models.layers.tcn import TCNConfig
from models.layers.tdcn import TDCNConfig
from models.network import Network
from models.zoo import build
from quantization.pruning.dimensions import FILTERS, Dimension, Slice
from quantization.pruning.selection import Kept

BLOCKS = "separator.blocks."
LayerWidths = TypeVar("LayerWidths", TCNConfig, TDCNConfig, StackedLSTMConfig)
Weights = dict[str, Tensor]


def shrink(network: Network, dimensions: Sequence[Dimension], kept: Kept) -> Network:
    """The network with only the channels in `kept` of each of its dimensions; all are of the hidden layers, one may be
    of the filters."""
    weights = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    for dimension in dimensions:
        for part in dimension.slices:
            weights[part.tensor] = chosen(part, weights[part.tensor], kept[dimension.name], dimension.width)
    separator, bank = network.config.separator, network.config.filterbank
    widths = [len(kept[d.name]) for d in dimensions if d.name != FILTERS]
    if widths:
        separator = with_widths(separator, widths)
    if FILTERS in kept:
        bank = with_filters(bank, len(weights["filterbank.encoder.weight"]))
    made = build(replace(network.config, separator=separator, filterbank=bank))
    made.load_state_dict(without_blocks(weights, [d.name for d in dimensions if not len(kept[d.name])]))
    return made.train(network.training)


def chosen(part: Slice, tensor: Tensor, channels: Tensor, width: int) -> Tensor:
    """Some channels of a tensor, in every one of the times it holds them."""
    every = channels + width * torch.arange(part.times)[:, None]
    return tensor.index_select(part.axis, every.flatten())


def with_widths(config: SeparatorConfig, widths: Sequence[int]) -> SeparatorConfig:
    """The configuration of a separator whose layers have so many channels, in the order of its dimensions."""
    if isinstance(config, TCNConfig):
        left = iter(widths)
        everywhere = tuple(next(left) if width else 0 for width in config.widths or [config.hidden] * len(widths))
        return with_equal_or(config, everywhere)
    if isinstance(config, TDCNConfig):
        return with_equal_or(config, tuple(widths))
    if isinstance(config, StackedLSTMConfig):
        joined = [index for index in range(1, config.layers, 2)] if config.skip else []
        left, found = iter(widths), dict[int, int]()
        for index in range(config.layers):
            found[index] = found[joined[0]] if index in joined[1:] else next(left)
        return with_equal_or(config, tuple(found.values()))
    assert isinstance(config, DualPathConfig | SkiMConfig)
    if len(set(widths)) > 1:
        raise ValueError(
            f"LSTMs of {sorted(set(widths))} units: a separator of kind {config.kind!r} has one number for all; "
            "choose scope 'layer'"
        )
    return replace(config, hidden=widths[0])


def with_equal_or(config: LayerWidths, widths: tuple[int, ...]) -> LayerWidths:
    """The configuration with one number for all layers where that is so, else with one for each."""
    equal = len(set(widths)) == 1
    return replace(config, hidden=max(widths), widths=() if equal else widths)


def with_filters(config: FilterbankConfig, filters: int) -> FilterbankConfig:
    """The filterbank with so many filters; one that began as a whole STFT is now one of learned rows."""
    return replace(config, filters=filters, start="random")


def without_blocks(weights: Weights, gone: Sequence[str]) -> Weights:
    """The weights of a TCN without some blocks, the others numbered anew.

    All that a block without channels adds is the bias of its last layer. It goes into that of the block before it, or
    of the first layer, for the residual; for the skip path, whose terms are summed in the end, into any block's.
    """
    if not gone:
        return weights
    numbers = sorted({int(name.removeprefix(BLOCKS).split(".")[0]) for name in weights if name.startswith(BLOCKS)})
    staying = [number for number in numbers if f"{BLOCKS}{number}" not in gone]
    result = {name: tensor for name, tensor in weights.items() if not name.startswith(BLOCKS)}
    residual = len(weights["separator.bottleneck.bias"])
    before = result["separator.bottleneck.bias"]
    skips = torch.zeros_like(weights[f"{BLOCKS}{staying[0]}.project.bias"][residual:])
    for number in numbers:
        bias = weights[f"{BLOCKS}{number}.project.bias"]
        if number in staying:
            before = bias[:residual]
        else:
            before += bias[:residual]
            skips += bias[residual:]
    weights[f"{BLOCKS}{staying[0]}.project.bias"][residual:] += skips
    for new, number in enumerate(staying):
        old = f"{BLOCKS}{number}."
        result |= {f"{BLOCKS}{new}.{n.removeprefix(old)}": t for n, t in weights.items() if n.startswith(old)}
    return result
