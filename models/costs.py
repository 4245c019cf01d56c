"""What a network costs, found from the network itself: no conversion, no measurement.

Of an exported model the manifest says it again, counted in its graph. They agree but where an exported step does
something else: SkiM's memories more often than once per segment, and what microphones have in common only once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from edge_sdk.contract import LatencyPart, latency_parts
from models.contract import tensors
from models.fasnet import FaSNet
from models.filter_network import FilterAndSumNetwork
from models.layers.tcn import TCNBlock
from models.multichannel import SpatialFeatures
from models.network import Network
from models.streaming import refuse_future

FLOAT = 4  # bytes


@dataclass(frozen=True)
class Costs:
    """Of one stream, in float32. A quarter of the weights' bytes remains of most layers as int8."""

    parameters: int
    macs: int  # multiply-accumulates per second
    weight_bytes: int  # parameters, and weights that are computed and not learned
    state_bytes: int  # what is kept from block to block, samples included
    latency: int  # samples


def costs(network: Network) -> Costs:
    """What a network costs; `ValueError` where it cannot stream, by the parts that need the future."""
    state = tensors(network.init_state(1))
    return Costs(
        parameters=sum(p.numel() for p in network.parameters()),
        macs=macs_per_second(network),
        weight_bytes=FLOAT * sum(t.numel() for t in network.state_dict().values() if t.is_floating_point()),
        state_bytes=FLOAT * sum(t.numel() for t in state),
        latency=network.latency,
    )


def explain_latency(network: Network, frames_per_step: int = 1) -> tuple[LatencyPart, ...]:
    """Where the latency of a network comes from; `ValueError` where it cannot stream."""
    refuse_future(network, network.future)
    bank = network.config.filterbank
    return latency_parts(bank.window, bank.hop, bank.context, getattr(bank, "alignment", 0), frames_per_step)


@torch.no_grad()
def macs_per_second(network: Network) -> int:
    """Multiply-accumulates of all layers and filters for a second of every microphone and source."""
    found = 0
    macs = macs_per_row(network)

    def count(layer: nn.Module, args: tuple[Any, ...], _: Any) -> None:
        nonlocal found
        found += macs[layer] * (args[0].numel() // args[0].shape[-1])

    # As many frames as come until the arithmetic repeats: segments end only so often.
    frames = getattr(network.config.separator, "segment", 1)
    hooks = [layer.register_forward_hook(count) for layer in macs]
    network(torch.zeros(1, network.mics, frames * network.hop))
    for hook in hooks:
        hook.remove()
    per_frame = found / frames + filter_macs(network)
    return round(per_frame * network.config.sample_rate / network.hop)


def macs_per_row(network: Network) -> dict[nn.Module, int]:
    """What each layer makes of one row of features."""
    macs: dict[nn.Module, int] = {}
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            macs[layer] = layer.weight.numel()
        elif isinstance(layer, nn.LSTM):
            macs[layer] = sum(p.numel() for p in layer.parameters() if p.ndim > 1)
        elif isinstance(layer, SpatialFeatures) and layer.kernel is not None:
            # A complex product is four, of numbers that are two.
            macs[layer] = layer.kernel.numel() * (2 if layer.is_complex else 1)
    for block in (layer for layer in network.modules() if isinstance(layer, TCNBlock)):
        macs[block.expand] += block.depthwise.weight.numel()  # on as many rows
    return macs


def filter_macs(network: Network) -> int:
    """Of filters and similarities for a frame, where a network filters and sums."""
    if not isinstance(network, FilterAndSumNetwork):
        return 0
    passes = 1 + network.config.sources * (2 if isinstance(network, FaSNet) else 1)
    return passes * network.mics * network.config.beamformer.taps * network.config.beamformer.window
