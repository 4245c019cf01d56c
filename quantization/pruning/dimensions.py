"""Which weights of a network belong to a channel: what must go together when the channel goes.

Every network here is rebuilt from its configuration, so the channels of a layer, and the tensors along whose axes they
run, can be written down by name. Torch-Pruning (1.6.1), which finds them by tracing, fails on the traces of the TCNs,
takes parameters that no torch layer holds, as the depthwise filters, by a guess, and cannot write a configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models.layers.dual_path import CausalBlock, DualPath
from models.layers.norms import BatchNorm
from models.layers.recurrent import StackedLSTM
from models.layers.skim import SkiM
from models.layers.tcn import TCN, TCNBlock
from models.layers.tdcn import TDCN
from models.network import Network
from models.streaming import Streaming
from models.tasnet import TasNet

FILTERS = "filterbank"  # the name of the dimension of encoder filters


@dataclass(frozen=True)
class Slice:
    """The channels along an axis of a tensor, `times` over: of the gates of an LSTM or the masks of several sources.

    leaving: the weights that take the channels to the next layer.
    """

    tensor: str
    axis: int = 0
    times: int = 1
    leaving: bool = False


@dataclass(frozen=True)
class Dimension:
    """Channels that go together: `width` of them, all their slices, and the modules whose input they are.

    name: of the layer they are in, as in the network's state.
    """

    name: str
    width: int
    slices: tuple[Slice, ...]
    readers: tuple[str, ...]


def hidden_dimensions(network: Network) -> list[Dimension]:
    """The channels inside TCN blocks, or the units of LSTMs, layer by layer; `ValueError` where there are none."""
    separator = separator_of(network)
    if isinstance(separator, TCN | TDCN):
        blocks: Any = separator.blocks
        return [block_channels(f"separator.blocks.{index}", block) for index, block in enumerate(blocks)]
    if getattr(separator.config, "future", ()):
        raise ValueError(f"LSTMs of both directions in {type(separator).__name__}: only causal ones can be pruned")
    if isinstance(separator, StackedLSTM):
        return stacked_units(separator)
    if isinstance(separator, DualPath):
        return dual_path_units(separator)
    if isinstance(separator, SkiM):
        return skim_units(separator)
    raise ValueError(f"a separator of type {type(separator).__name__} has no channels that pruning knows")


def filter_dimension(network: Network) -> Dimension:
    """The encoder's filters, or its bins where masks are complex: real and imaginary part go together."""
    separator = separator_of(network)
    config = network.config
    if config.spatial is not None:
        raise ValueError("filters of a network of several microphones cannot be pruned: leave the ratio of filters 0")
    if config.narrow_band is not None:
        raise ValueError("bins that share a network cannot be pruned: leave the ratio of filters 0")
    if config.filterbank.start == "gammatone":
        raise ValueError("gammatone filters are computed from their number: leave the ratio of filters 0")
    parts = 2 if config.mask == "complex" else 1
    shown = 1 + len(config.background)
    slices = [Slice("filterbank.encoder.weight", 0, parts), Slice("filterbank.decoder.weight", 1, parts, leaving=True)]
    if config.filterbank.activation == "gated":
        slices.append(Slice("filterbank.gate.weight"))
    if isinstance(getattr(separator, "norm", None), BatchNorm):
        slices += statistics("separator.norm", shown)
    entrance = "layers.0.lstm.weight_ih_l0" if isinstance(separator, StackedLSTM) else "bottleneck.weight"
    slices.append(Slice(f"separator.{entrance}", 1, shown, leaving=True))
    if isinstance(separator, DualPath):  # whose sources share one layer
        slices.append(Slice("separator.masks.output.weight", 0, parts))
    else:
        masks = config.sources * parts
        slices += [Slice("separator.output.weight", 0, masks), Slice("separator.output.bias", 0, masks)]
    return Dimension(FILTERS, config.levels, tuple(slices), ("filterbank.decoder",))


def separator_of(network: Network) -> Streaming:
    """The separator; `ValueError` where the network is not made of encoder, separator and decoder."""
    if not isinstance(network, TasNet):
        raise ValueError(
            f"a network of type {type(network).__name__} has no parts that pruning knows: expected a TasNet"
        )
    return network.separator


def block_channels(name: str, block: TCNBlock) -> Dimension:
    """The channels inside a TCN block."""
    slices = [Slice(f"{name}.expand.weight"), Slice(f"{name}.expand.bias")]
    if block.shift is not None:
        slices.append(Slice(f"{name}.shift"))
    slices += [Slice(f"{name}.depthwise.weight", 1), Slice(f"{name}.depthwise.bias")]
    for norm in ("norm1", "norm2"):
        if isinstance(getattr(block, norm), BatchNorm):
            slices += statistics(f"{name}.{norm}")
    slices.append(Slice(f"{name}.project.weight", 1, leaving=True))
    return Dimension(name, block.expand.out_features, tuple(slices), (f"{name}.project",))


def statistics(name: str, times: int = 1) -> list[Slice]:
    """What a batch norm knows of each channel."""
    return [Slice(f"{name}.norm.running_mean", times=times), Slice(f"{name}.norm.running_var", times=times)]


def units(name: str) -> list[Slice]:
    """What makes the units of an LSTM, and their way back into it."""
    incoming = [Slice(f"{name}.{kind}_l0", 0, 4) for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    return [*incoming, Slice(f"{name}.weight_hh_l0", 1, leaving=True)]


def stacked_units(stack: StackedLSTM) -> list[Dimension]:
    """Units of each layer; layers that identity paths join have theirs in common."""
    count = len(stack.layers)
    joined = [index for index in range(1, count, 2)] if stack.config.skip else []
    found = []
    for layers in [[index] for index in range(count) if index not in joined[1:]]:
        layers = joined if layers[0] in joined else layers
        slices, readers = list[Slice](), list[str]()
        for index in layers:
            last = index == count - 1
            reader = "separator.output" if last else f"separator.layers.{index + 1}.lstm"
            weight = "weight" if last else "weight_ih_l0"
            slices += [*units(f"separator.layers.{index}.lstm"), Slice(f"{reader}.{weight}", 1, leaving=True)]
            readers.append(reader)
        first: Any = stack.layers[layers[0]]
        name, width = f"separator.layers.{layers[0]}", first.lstm.hidden_size
        found.append(Dimension(name, width, tuple(slices), tuple(readers)))
    return found


def dual_path_units(dual_path: DualPath) -> list[Dimension]:
    """Units of the LSTM within chunks and of that across them, block by block."""
    return [
        Dimension(
            f"separator.blocks.{index}.{path}",
            getattr(block, path).lstm.hidden_size,
            (
                *units(f"separator.blocks.{index}.{path}.lstm"),
                Slice(f"separator.blocks.{index}.{path}_out.linear.weight", 1, leaving=True),
            ),
            (f"separator.blocks.{index}.{path}_out.linear",),
        )
        for index, block in enumerate(dual_path.blocks)
        if isinstance(block, CausalBlock)
        for path in ("intra", "inter")
    ]


def skim_units(skim: SkiM) -> list[Dimension]:
    """Units of all segment LSTMs, which hand their states on to each other, in common; then those of each memory."""
    common, readers = list[Slice](), list[str]()
    memories = list[Dimension]()
    for index in range(len(skim.segments)):
        linear = f"separator.projects.{index}.linear"
        common += [*units(f"separator.segments.{index}.lstm"), Slice(f"{linear}.weight", 1, leaving=True)]
        readers.append(linear)
    for index in range(len(skim.memories)):
        for state in (0, 1):  # of h and of c
            name = f"separator.memories.{index}.{state}"
            memory = skim.memories[index][state]  # type: ignore[index]
            common.append(Slice(f"{name}.lstm.lstm.weight_ih_l0", 1, leaving=True))
            common += [Slice(f"{name}.project.linear.{kind}") for kind in ("weight", "bias")]
            common += [Slice(f"{name}.project.{kind}") for kind in ("gain", "bias")]
            if isinstance(memory.project.norm, BatchNorm):
                common += statistics(f"{name}.project.norm")
            slices = (*units(f"{name}.lstm.lstm"), Slice(f"{name}.project.linear.weight", 1, leaving=True))
            memories.append(Dimension(name, skim.config.hidden, slices, (f"{name}.project.linear",)))
    return [Dimension("separator.segments", skim.config.hidden, tuple(common), tuple(readers)), *memories]
