"""Temporal convolutional network: stacked dilated depthwise-separable blocks (Luo & Mesgarani, 2019).

The form that is not causal, whose filters look ahead as far as back, is here to train teachers and for checkpoints of
others; it takes whole signals and refuses to stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from models.layers.norms import future_norm, input_norm
from models.layers.widths import check_widths
from models.streaming import State, Streaming, refuse_future


@dataclass(frozen=True)
class TCNConfig:
    """Sizes of a TCN; letters are those of Luo & Mesgarani (2019), table I."""

    bottleneck: int = 128  # channels between blocks (B)
    hidden: int = 512  # channels inside a block (H)
    skip: int = 128  # channels of the skip path (Sc); 0: no skip path, the output is the last residual
    kernel: int = 3  # taps of a depthwise convolution (P)
    blocks: int = 8  # blocks in a repeat (X), each with twice the dilation of the one before
    repeats: int = 3  # (R)
    norm: str = "frame"  # "global" where it is not causal
    dilation: int = 1  # of the first block of a repeat; 2 at half the hop looks back as far as 1 at the whole one
    horizon: int = 4000  # frames a cumulative norm remembers
    causal: bool = True  # False: as the best published ones, to train a teacher
    shift: bool = False  # the published norms' bias before a depthwise convolution, see `TCNBlock`
    widths: tuple[int, ...] = ()  # channels inside each block, where pruning left other than `hidden`; 0: it is gone
    kind: Literal["tcn"] = "tcn"

    def __post_init__(self) -> None:
        sizes = (self.bottleneck, self.hidden, self.blocks, self.repeats, self.dilation)
        if min(sizes) < 1 or self.skip < 0 or self.kernel < 2:
            raise ValueError(f"{self}: sizes must be positive (skip may be 0) and a kernel has two taps or more")
        if not self.causal and self.kernel % 2 == 0:
            raise ValueError(
                f"kernel = {self.kernel}: filters that look ahead as far as back have an odd number of taps"
            )
        input_norm(self, 1)  # refuses unknown norms and horizons
        check_widths(self.widths, self.blocks * self.repeats, least=0)

    @property
    def future(self) -> tuple[str, ...]:
        """The parts that need the future."""
        return () if self.causal else ("depthwise convolutions", *future_norm(self))

    @property
    def dilations(self) -> tuple[int, ...]:
        return tuple(self.dilation * 2**block for _ in range(self.repeats) for block in range(self.blocks))

    @property
    def layers(self) -> tuple[tuple[int, int], ...]:
        """Dilation and channels of every block that is there, in order."""
        widths = self.widths or [self.hidden] * len(self.dilations)
        return tuple((d, width) for d, width in zip(self.dilations, widths, strict=True) if width)


class CausalDepthwise(Streaming):
    """One dilated filter per channel over the present and the past.

    Shape: `[B, T, C]` to the same. State: the last `(kernel - 1) * dilation` frames.
    Row `j` of `weight`, `[kernel, C]`, multiplies the frame `(kernel - 1 - j) * dilation` back.
    """

    def __init__(self, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.kernel, self.dilation = kernel, dilation
        bound = kernel**-0.5  # the default of a torch convolution with `kernel` inputs per output
        self.weight = nn.Parameter(torch.empty(kernel, channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(channels))

    def init_state(self, batch: int = 1) -> State:
        return self.weight.new_zeros(batch, (self.kernel - 1) * self.dilation, self.weight.shape[1])

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        frames = x.shape[1]
        rows = torch.cat([state, x], dim=1)
        return self.filtered(rows, frames), rows[:, frames:]

    def filtered(self, rows: Tensor, frames: int) -> Tensor:
        """So many frames from them and `(kernel - 1) * dilation` more."""
        return self.bias + sum(
            self.weight[tap] * rows[:, tap * self.dilation : tap * self.dilation + frames] for tap in range(self.kernel)
        )


class CentredDepthwise(CausalDepthwise):
    """The same with as many taps on the future as on the past: its one block is the whole sequence, between silence."""

    def init_state(self, batch: int = 1) -> State:
        return ()

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        ahead = (self.kernel - 1) * self.dilation // 2
        return self.filtered(pad(x, (0, 0, ahead, ahead)), x.shape[1]), state


class TCNBlock(Streaming):
    """Widen, filter each channel over time, narrow: the residual for the next block and the skip for the output.

    Shape: `[B, T, bottleneck]` to `[B, T, bottleneck + skip]`. State: first norm, delay line, second norm.
    A batch norm stands before its activation, so that it folds into the layer before it; others after, as in the paper.

    The published norms have a gain and a bias. Both go into the linear layer after a norm, and a gain goes into a
    depthwise convolution; but a bias does not, not where a stream begins, since silence stands there without it. That
    one is `shift`, added before the convolution if the configuration says so: for checkpoints of others.
    """

    def __init__(self, config: TCNConfig, dilation: int, hidden: int | None = None) -> None:
        super().__init__()
        if hidden is None and config.widths:
            raise ValueError(f"widths = {list(config.widths)}: only a TCN by itself has blocks of unequal widths")
        hidden = hidden or config.hidden
        self.norm_first = config.norm == "batch"
        self.bottleneck = config.bottleneck
        self.expand = nn.Linear(config.bottleneck, hidden)
        self.prelu1 = nn.PReLU()
        self.norm1 = input_norm(config, hidden)
        self.shift = nn.Parameter(torch.zeros(hidden)) if config.shift else None
        depthwise = CausalDepthwise if config.causal else CentredDepthwise
        self.depthwise = depthwise(hidden, config.kernel, dilation)
        self.prelu2 = nn.PReLU()
        self.norm2 = input_norm(config, hidden)
        self.project = nn.Linear(hidden, config.bottleneck + config.skip)

    def init_state(self, batch: int = 1) -> State:
        return self.norm1.init_state(batch), self.depthwise.init_state(batch), self.norm2.init_state(batch)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        norm1, delay, norm2 = state
        y, norm1 = self.activate(self.expand(x), self.prelu1, self.norm1, norm1)
        if self.shift is not None:
            y = y + self.shift
        y, delay = self.depthwise.step(y, delay)
        y, norm2 = self.activate(y, self.prelu2, self.norm2, norm2)
        return self.project(y), (norm1, delay, norm2)

    def activate(self, x: Tensor, prelu: nn.PReLU, norm: Streaming, state: State) -> tuple[Tensor, State]:
        if self.norm_first:
            x, state = norm.step(x, state)
            return prelu(x), state
        return norm.step(prelu(x), state)


class TCN(Streaming):
    """Norm, bottleneck, `repeats * blocks` TCN blocks, activation, and a linear layer to the outputs.

    Shape: `[B, T, inputs]` to `[B, T, outputs]`. The last layer starts at zero where `quiet_start` is set, so that a
    mask `1 + y` starts by passing everything.
    """

    def __init__(self, config: TCNConfig, inputs: int, outputs: int, quiet_start: bool = False) -> None:
        super().__init__()
        self.config = config
        self.norm = input_norm(config, inputs)
        self.bottleneck = nn.Linear(inputs, config.bottleneck)
        self.blocks = nn.ModuleList(TCNBlock(config, dilation, hidden) for dilation, hidden in config.layers)
        self.prelu = nn.PReLU()
        self.output = nn.Linear(config.skip or config.bottleneck, outputs)
        if quiet_start:
            nn.init.zeros_(self.output.weight)
            nn.init.zeros_(self.output.bias)

    def init_state(self, batch: int = 1) -> State:
        refuse_future(self, self.config.future)
        return self.begin(batch)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        refuse_future(self, self.config.future)
        return self.run(x, state)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x, self.begin(x.shape[0]))[0]

    def begin(self, batch: int) -> State:
        """The state before the first block, or before the whole sequence."""
        return self.norm.init_state(batch), tuple(block.init_state(batch) for block in self.blocks)

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """A block and the state after it, or the whole sequence."""
        norm, memories = state
        x, norm = self.norm.step(x, norm)
        x, after, skips = self.bottleneck(x), [], []
        for block, memory in zip(self.blocks, memories, strict=True):
            y, memory = block.step(x, memory)
            x = x + y[..., : self.config.bottleneck]
            skips.append(y[..., self.config.bottleneck :])
            after.append(memory)
        features = sum(skips[1:], skips[0]) if self.config.skip else x
        return self.output(self.prelu(features)), (norm, tuple(after))
