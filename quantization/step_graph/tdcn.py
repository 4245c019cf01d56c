"""The step of a TDCN++: that of a TCN with learned scales folded into the layers they follow, and long paths.

Channel norms carry two rows each, a mean and a variance for every channel: far more than the two numbers of a
cumulative norm, and copied at every step. `norm = "frame"` remembers nothing.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from edge_sdk.contract import Carry, DelayLine
from models.layers.tdcn import TDCN, ScaledBlock
from quantization.step_graph.delay_lines import LinesByWidth
from quantization.step_graph.form import Memory, StepForm
from quantization.step_graph.parts import Pointwise, Slope
from quantization.step_graph.recurrent import before, norm_carries, norms_after
from quantization.step_graph.running_means import running_mean_weights
from quantization.step_graph.tcn import Block, Norms, frame_norm


class TDCNStep(StepForm):
    """Features `[T, F]` to masks `[T, outputs]`; a delay line per block, and the statistics of its norms."""

    def __init__(self, tdcn: TDCN, frames: int) -> None:
        super().__init__()
        config = tdcn.config
        self.frames, self.norm, self.horizon, self.repeat = frames, config.norm, config.horizon, config.blocks
        self.bottleneck = Pointwise(*before(tdcn.norm, tdcn.bottleneck.weight, tdcn.bottleneck.bias))
        self.blocks = nn.ModuleList(Block(unscaled(block)) for block in tdcn.blocks)  # type: ignore[arg-type]
        scales = tdcn.path_scales.detach()
        self.paths = nn.ModuleList(
            Pointwise(path.weight * scale, path.bias * scale) for path, scale in zip(tdcn.paths, scales, strict=True)
        )
        self.slope, self.output = Slope(tdcn.prelu), Pointwise(tdcn.output.weight, tdcn.output.bias)
        lines = tuple(DelayLine(config.kernel, dilation) for dilation, _ in config.tcn.layers)
        self.lines = LinesByWidth([hidden for _, hidden in config.tcn.layers], lines, frames)
        self.delays = self.lines.groups
        self.carries = norm_carries(config.norm, 1 + 2 * len(lines))
        self.statistics = {width: f"statistics{name}" for width, name in self.lines.names.items()}
        if config.norm == "channel":
            rows = {width: 4 * self.lines.widths.count(width) for width in self.statistics}
            self.carries = (
                *(Carry(name, f"{name}_out", (rows[width], width)) for width, name in self.statistics.items()),
                Carry("count", "count_out", (1, 1)),
            )

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        channels = self.norm == "channel"
        norms: Norms | ChannelNorms
        if channels:
            statistics = {width: memory[name] for width, name in self.statistics.items()}
            norms = ChannelNorms(self.horizon, self.frames, statistics, memory["count"])
        else:
            norms = Norms(self.norm, self.horizon, self.frames, memory.get("statistics"), memory.get("count"))
        paths, starts, rows = iter(self.paths), list[Tensor](), list[Tensor]()
        x = self.bottleneck(frame_norm(x) if channels else norms(x))
        for index, (block, past) in enumerate(zip(self.blocks, self.lines.past(memory), strict=True)):
            if index % self.repeat == 0:
                for start in starts:
                    x = x + next(paths)(start)
                starts.append(x)
            y, row = block(x, past, norms)
            rows.append(row)
            x = x + y
        after = self.lines.after(rows)
        if isinstance(norms, ChannelNorms):
            after |= {f"{name}_out": torch.cat(norms.after[width]) for width, name in self.statistics.items()}
            after["count_out"] = norms.count
        else:
            after |= norms_after(norms)
        return self.output(self.slope(x)), after


class ChannelNorms:
    """The channel norms of one step in the order they are met, two rows of statistics each, kept by their width."""

    def __init__(self, horizon: int, frames: int, statistics: dict[int, Tensor], count: Tensor) -> None:
        self.before, self.after = statistics, {width: list[Tensor]() for width in statistics}
        # As if a frame of zeros had come first.
        self.decay, self.weights = running_mean_weights(count + 1, frames, horizon)
        numbers = (count + 1 + torch.arange(1, frames + 1)).clamp(max=horizon)
        self.floor = (1 / numbers).reshape(frames, 1)
        self.count = (count + frames).clamp(max=horizon)

    def __call__(self, x: Tensor) -> Tensor:
        before, after = self.before[x.shape[1]], self.after[x.shape[1]]
        first = len(after)
        mean, variance = before[first : first + 1], before[first + 1 : first + 2]
        begin = x[:1]
        means = begin + self.running(mean - begin, x - begin)
        earlier = mean if len(x) == 1 else torch.cat([mean, means[:-1]])
        centred = x - means
        variances = self.running(variance, (x - earlier) * centred)
        after += [means[-1:], variances[-1:]]
        return centred * torch.rsqrt(variances + self.floor)

    def running(self, past: Tensor, x: Tensor) -> Tensor:
        """Running means of `x`, `[T, C]`, that go on from `past`, `[1, C]`."""
        decayed = self.decay.reshape(-1, 1) * past
        if len(x) == 1:
            return decayed + self.weights.reshape(1, 1) * x
        return decayed + (self.weights @ x[None])[0]


def unscaled(block: ScaledBlock) -> ScaledBlock:
    """The block with its scales in the layers before them, which `Block` then takes for those of a TCN."""
    folded = copy.deepcopy(block)
    with torch.no_grad():
        for layer, scale in ((folded.expand, block.expand_scale), (folded.project, block.project_scale)):
            layer.weight.mul_(scale)
            layer.bias.mul_(scale)
    return folded
