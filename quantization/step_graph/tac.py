"""The step of a separator whose microphones exchange features: the arithmetic of `TACSeparator`.

Rows are `[T * M, C]`, the microphones of a frame next to each other, so that a layer for one microphone serves them
all: they are the streams of `tcn` and of `dual_path`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edge_sdk.contract import DelayLine, DelayLines
from models.layers.dual_path import DualPathConfig
from models.layers.filter_and_sum import FilterTaps
from models.layers.tac import TAC, ExchangingConfig, TACSeparator
from models.layers.tcn import TCNBlock, TCNConfig
from quantization.step_graph.dual_path import Blocks, Chunked
from quantization.step_graph.form import Memory, StepForm
from quantization.step_graph.parts import Pointwise, Slope
from quantization.step_graph.recurrent import norm_carries, norms_after
from quantization.step_graph.tcn import Block, Norms, frame_norm


class TACSeparatorStep(StepForm):
    """Features `[T * M, F]` to filter taps `[T * M * S, taps]`, with the microphones' `shares` beside the memory."""

    def __init__(
        self, separator: TACSeparator, filters: FilterTaps, config: ExchangingConfig, frames: int, mics: int
    ) -> None:
        super().__init__()
        self.frames, self.mics, self.norm = frames, mics, (config.norm, config.horizon, frames)
        self.bottleneck = Pointwise(separator.bottleneck.weight, separator.bottleneck.bias)
        between: list[Any] = list(separator.blocks)
        self.blocks: Blocks | Repeats
        if isinstance(config, DualPathConfig):
            self.blocks = Blocks(config, [chunked.block for chunked in between], frames, mics)
        else:
            self.blocks = Repeats(config, [[r.block for r in repeat.layers] for repeat in between], frames, mics)
        self.exchanges = nn.ModuleList(TACStep(exchange) for exchange in separator.exchanges)  # type: ignore[arg-type]
        self.slope, self.output = Slope(separator.prelu), Pointwise(separator.output.weight, separator.output.bias)
        self.filters = FilterTapsStep(filters)
        norms = 2 * config.blocks if isinstance(config, DualPathConfig) else 2 * len(config.dilations)
        self.delays = self.blocks.delays
        self.carries = (*self.blocks.carries, *norm_carries(config.norm, norms, mics))

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        shares = memory["shares"].reshape(self.frames, self.mics, 1)
        norms = Norms(*self.norm, memory.get("statistics"), memory.get("count"), self.mics)
        blocks = Repeating(self.blocks, memory) if isinstance(self.blocks, Repeats) else Chunked(self.blocks, memory)
        x = self.bottleneck(x)
        for number, exchange in enumerate(self.exchanges):
            x = exchange(blocks.step(number, x, norms), shares)
        return self.filters(self.output(self.slope(x))), {**blocks.after(), **norms_after(norms)}


class Repeats(nn.Module):
    """Repeats of a TCN and what they remember together; `Repeating` runs them."""

    carries = ()

    def __init__(self, config: TCNConfig, repeats: list[list[TCNBlock]], frames: int, streams: int) -> None:
        super().__init__()
        self.repeats = nn.ModuleList(nn.ModuleList(Block(block, streams) for block in blocks) for blocks in repeats)
        lines = tuple(DelayLine(config.kernel, dilation) for dilation in config.dilations)
        self.delays = (DelayLines("taps", "rows", streams * config.hidden, lines),)
        self.needed = [len(line.past(frames)) for line in lines]  # past rows of each block


class Repeating:
    """The repeats of one step, in their order: past rows come from `memory`, new ones are collected."""

    def __init__(self, repeats: Repeats, memory: Memory) -> None:
        self.repeats, self.rows = repeats.repeats, list[Tensor]()
        self.past = iter(memory["taps"].split(repeats.needed))

    def step(self, number: int, x: Tensor, norms: Norms) -> Tensor:
        """Rows `[T * streams, bottleneck]` through one repeat."""
        blocks: Any = self.repeats[number]
        for block in blocks:
            y, row = block(x, next(self.past), norms)
            self.rows.append(row)
            x = x + y
        return x

    def after(self) -> Memory:
        """The memory that comes out."""
        return {"rows": torch.cat(self.rows)}


class TACStep(nn.Module):
    """An exchange: features `[T * M, C]` and shares `[T, M, 1]` to features.

    What microphones have in common meets its half of the last matrix before it is added to each of them: that is
    computed once a frame, and needs no copies, which would leave the delegate.
    """

    def __init__(self, tac: TAC) -> None:
        super().__init__()
        transform: Any = tac.transform  # each a linear layer and its activation
        average: Any = tac.average
        concatenate: Any = tac.concatenate
        own, common = concatenate[0].weight.chunk(2, dim=1)
        self.transform, self.slope1 = Pointwise(transform[0].weight, transform[0].bias), Slope(transform[1])
        self.average, self.slope2 = Pointwise(average[0].weight, average[0].bias), Slope(average[1])
        self.own, self.common = Pointwise(own, concatenate[0].bias), Pointwise(common, None)
        self.slope3 = Slope(concatenate[1])
        self.gain, self.bias = (nn.Parameter(p.detach().clone(), requires_grad=False) for p in (tac.gain, tac.bias))

    def forward(self, x: Tensor, shares: Tensor) -> Tensor:
        frames, mics, _ = shares.shape
        each = self.slope1(self.transform(x))
        mean = (each.reshape(frames, mics, -1) * shares).sum(1)
        common = self.common(self.slope2(self.average(mean)))
        y = self.own(each).reshape(frames, mics, -1) + common.reshape(frames, 1, -1)
        return x + self.gain * frame_norm(self.slope3(y).reshape(x.shape)) + self.bias


class FilterTapsStep(nn.Module):
    """Gated filter taps, `[R, sources * channels]` to `[R * sources, taps]`."""

    def __init__(self, filters: FilterTaps) -> None:
        super().__init__()
        self.scale = filters.scale
        self.tap, self.gate = (Pointwise(layer.weight, layer.bias) for layer in (filters.tap, filters.gate))
        self.channels = filters.tap.in_features

    def forward(self, x: Tensor) -> Tensor:
        x = x.reshape(-1, self.channels)
        return torch.tanh(self.tap(x)) * torch.sigmoid(self.gate(x)) * self.scale
