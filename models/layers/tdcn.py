"""TDCN++ (Kavalerov et al., 2019): the TCN as improved for separating any kind of sound, causal.

To the TCN of Conv-TasNet it adds norms that treat every channel by itself, a learned scale after each linear layer of a
block, small for late blocks at first, and paths from the input of every repeat to those of all later ones. It has no
skip path: the output is the last residual.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from models.layers.norms import NORMS, CumulativeNorm, make_norm
from models.layers.running_means import CHUNK, running_mean_weights
from models.layers.tcn import TCNBlock, TCNConfig
from models.layers.widths import check_widths
from models.streaming import State, Streaming

DECAY = 0.9  # first scale of a block over that of the block before it


@dataclass(frozen=True)
class TDCNConfig:
    """Sizes of a TDCN++, as of a TCN; where nothing is given, those of the authors' code.

    That code (google-research/sound-separation, `improved_tdcn`) agrees with the blocks here: norms after activations,
    a scale on each linear layer of a block, for the second `0.9 ** index` at first, and paths of scale one that begin
    where those to their own repeat have been added.
    """

    bottleneck: int = 256  # channels between blocks
    hidden: int = 512  # channels inside a block
    kernel: int = 3  # taps of a depthwise convolution
    blocks: int = 8  # blocks in a repeat, dilations 1, 2, 4, ...
    repeats: int = 4
    norm: str = "channel"
    horizon: int = 4000  # frames a channel or cumulative norm remembers
    widths: tuple[int, ...] = ()  # channels inside each block, where pruning left other than `hidden`
    kind: Literal["tdcn"] = "tdcn"

    def __post_init__(self) -> None:
        channel_norm(self.norm, 1, self.horizon)  # refuses unknown norms and horizons
        _ = self.tcn  # refuses impossible sizes
        check_widths(self.widths, self.blocks * self.repeats)

    @property
    def tcn(self) -> TCNConfig:
        """The TCN of the same blocks. It knows no channel norm: the input and its blocks have frame norms instead."""
        norm = "frame" if self.norm == "channel" else self.norm
        return TCNConfig(
            bottleneck=self.bottleneck,
            hidden=self.hidden,
            skip=0,
            kernel=self.kernel,
            blocks=self.blocks,
            repeats=self.repeats,
            norm=norm,
            horizon=self.horizon,
            widths=self.widths,
        )


class ChannelNorm(Streaming):
    """Each channel by its own mean and variance over the frames so far, with a bounded horizon.

    The causal form of the published feature-wise norm, which averages over the whole signal. As in `CumulativeNorm` the
    means are running ones with step size `1 / n`, `n = min(1 + frames so far, horizon)`, as if a frame of zeros had
    come first. The variance is the running mean of `(x - mean before) * (x - mean after)`, which is exact, and gets
    `1 / n` added: a channel that hardly varied, at the beginning or in a pause, is not blown up to unit variance.

    Shape: `[B, T, C]` to the same. State: `(mean and variance [B, 2, C], frames so far [B, 1])`.
    """

    def __init__(self, channels: int, horizon: int) -> None:
        super().__init__()
        CumulativeNorm(horizon)  # refuses a horizon too short
        self.horizon = horizon
        self.register_buffer("nothing", torch.zeros(1, 2, channels), persistent=False)

    def init_state(self, batch: int = 1) -> State:
        return self.nothing.expand(batch, -1, -1), self.nothing[:, 0, :1].expand(batch, -1)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        with torch.autocast(x.device.type, enabled=False):  # in bfloat16, means of many frames keep three digits
            return self.normalize(x.to(self.nothing.dtype), state)

    def normalize(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        (statistics, count), parts = state, []
        mean, variance = statistics[:, :1], statistics[:, 1:]
        for part in x.split(CHUNK, dim=1):
            frames = part.shape[1]
            decay, weights = running_mean_weights(count + 1, frames, self.horizon)
            numbers = (count + 1 + torch.arange(1, frames + 1, device=x.device)).clamp(max=self.horizon)
            # About the first frame, so that rounding is relative to the spread and not to the mean.
            means = part[:, :1] + decay[:, :, None] * (mean - part[:, :1]) + weights @ (part - part[:, :1])
            before = torch.cat([mean, means[:, :-1]], dim=1)
            variances = decay[:, :, None] * variance + weights @ ((part - before) * (part - means))
            parts.append((part - means) * (variances + 1 / numbers[:, :, None]).rsqrt())
            mean, variance = means[:, -1:], variances[:, -1:]
            count = (count + frames).clamp(max=self.horizon)
        return torch.cat(parts, dim=1), (torch.cat([mean, variance], dim=1), count)


def channel_norm(kind: str, channels: int, horizon: int) -> Streaming:
    """The norm of that name, `channel` being one; refuses those that look into the future."""
    if kind == "channel":
        return ChannelNorm(channels, horizon)
    if kind in NORMS:
        return make_norm(kind, channels, horizon)
    future = " (it averages over the future, so it cannot stream)" if kind in ("global", "gLN", "instance") else ""
    raise ValueError(f"norm {kind!r}{future}: expected one of channel, {', '.join(NORMS)}")


class ScaledBlock(TCNBlock):
    """A TCN block without a skip path, whose two linear layers have learned scales.

    Shape: `[B, T, bottleneck]` to the same: what is added to the residual. `first` is the second scale at first.
    """

    def __init__(self, config: TDCNConfig, dilation: int, hidden: int, first: float) -> None:
        super().__init__(config.tcn, dilation, hidden)
        if config.norm == "channel":
            self.norm1 = ChannelNorm(hidden, config.horizon)
            self.norm2 = ChannelNorm(hidden, config.horizon)
        self.expand_scale = nn.Parameter(torch.tensor(1.0))
        self.project_scale = nn.Parameter(torch.tensor(first))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        norm1, delay, norm2 = state
        y, norm1 = self.activate(self.expand_scale * self.expand(x), self.prelu1, self.norm1, norm1)
        y, delay = self.depthwise.step(y, delay)
        y, norm2 = self.activate(y, self.prelu2, self.norm2, norm2)
        return self.project_scale * self.project(y), (norm1, delay, norm2)


class TDCN(Streaming):
    """Norm, bottleneck, repeats of scaled blocks joined by long paths, activation, and a linear layer to the outputs.

    With channel norms inside, the input has a frame norm, which takes the level out.
    Shape: `[B, T, inputs]` to `[B, T, outputs]`. State: the norm's, then that of each block.
    """

    def __init__(self, config: TDCNConfig, inputs: int, outputs: int, quiet_start: bool = False) -> None:
        super().__init__()
        self.config = config
        self.norm = make_norm(config.tcn.norm, inputs, config.horizon)
        self.bottleneck = nn.Linear(inputs, config.bottleneck)
        self.blocks = nn.ModuleList(
            ScaledBlock(config, dilation, hidden, DECAY**index)
            for index, (dilation, hidden) in enumerate(config.tcn.layers)
        )
        # From the input of repeat `a` to that of repeat `b`, in the order (0, 1), (0, 2), (1, 2), (0, 3), ...
        paths = config.repeats * (config.repeats - 1) // 2
        self.paths = nn.ModuleList(nn.Linear(config.bottleneck, config.bottleneck) for _ in range(paths))
        self.path_scales = nn.Parameter(torch.ones(paths))
        self.prelu = nn.PReLU()
        self.output = nn.Linear(config.bottleneck, outputs)
        if quiet_start:
            nn.init.zeros_(self.output.weight)
            nn.init.zeros_(self.output.bias)

    def init_state(self, batch: int = 1) -> State:
        return self.norm.init_state(batch), tuple(block.init_state(batch) for block in self.blocks)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        norm, memories = state
        x, norm = self.norm.step(x, norm)
        x, after, starts, path = self.bottleneck(x), [], list[Tensor](), 0
        for index, (block, memory) in enumerate(zip(self.blocks, memories, strict=True)):
            if index % self.config.blocks == 0:
                for start in starts:
                    x, path = x + self.path_scales[path] * self.paths[path](start), path + 1
                starts.append(x)
            y, memory = block.step(x, memory)
            x = x + y
            after.append(memory)
        return self.output(self.prelu(x)), (norm, tuple(after))
