"""The step of a TCN.

Batch norms are folded into the layers before them. The new rows of all delay lines are concatenated last: a
concatenation of more than four tensors is outside XNNPACK, and there it is free.

One TCN may run over several streams at once, microphones for one, with the rows of a frame next to each other, `[T *
streams, C]`: to its layers these are so many times the frames, so many times the dilation apart. In memory all streams
of a frame are one row.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_sdk.contract import Carry, DelayLine
from models.layers.norms import EPS, BatchNorm, CumulativeNorm
from models.layers.tcn import TCN, TCNBlock
from models.streaming import refuse_future
from quantization.step_graph.delay_lines import LinesByWidth
from quantization.step_graph.form import Memory, StepForm
from quantization.step_graph.parts import Depthwise, Pointwise, Slope
from quantization.step_graph.running_means import running_mean_weights


class TCNStep(StepForm):
    """Features `[T * streams, F]` to masks `[T * streams, outputs]`; a delay line per block, and the statistics of
    cumulative norms."""

    def __init__(self, tcn: TCN, frames: int, streams: int = 1) -> None:
        super().__init__()
        config = tcn.config
        refuse_future(tcn, config.future)
        weight, bias = tcn.bottleneck.weight.detach(), tcn.bottleneck.bias.detach()
        if isinstance(tcn.norm, BatchNorm):
            scale, shift = tcn.norm.scale_and_shift()
            weight, bias = weight * scale, bias + weight @ shift
        self.frames, self.streams, self.norm, self.horizon = frames, streams, config.norm, config.horizon
        self.skip, self.width = config.skip, config.bottleneck
        self.bottleneck = Pointwise(weight, bias)
        self.blocks = nn.ModuleList(Block(block, streams) for block in tcn.blocks)  # type: ignore[arg-type]
        self.slope, self.output = Slope(tcn.prelu), Pointwise(tcn.output.weight, tcn.output.bias)
        lines = tuple(DelayLine(config.kernel, dilation) for dilation, _ in config.layers)
        self.lines = LinesByWidth([streams * hidden for _, hidden in config.layers], lines, frames)
        self.delays = self.lines.groups
        if isinstance(tcn.norm, CumulativeNorm):
            norms = 1 + 2 * len(lines)
            self.carries = (
                Carry("statistics", "statistics_out", (norms, 2 * streams)),
                Carry("count", "count_out", (1, 1)),
            )

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        statistics, count = memory.get("statistics"), memory.get("count")
        norms = Norms(self.norm, self.horizon, self.frames, statistics, count, self.streams)
        x, rows, total = self.bottleneck(norms(x)), list[Tensor](), None
        for block, past in zip(self.blocks, self.lines.past(memory), strict=True):
            y, row = block(x, past, norms)
            rows.append(row)
            if self.skip:
                skip = y[:, self.width :]
                total = skip if total is None else total + skip
                y = y[:, : self.width]
            x = x + y
        after = self.lines.after(rows)
        if self.carries:
            after |= {"statistics_out": torch.cat(norms.after), "count_out": norms.count}
        return self.output(self.slope(x if total is None else total)), after


class Block(nn.Module):
    """A TCN block: `[T * streams, bottleneck]` and past rows `[n, streams * hidden]` to residual and skip `[T *
    streams, bottleneck + skip]` and the new rows `[T, streams * hidden]`."""

    def __init__(self, block: TCNBlock, streams: int = 1) -> None:
        super().__init__()
        expand_weight, expand_bias = block.expand.weight.detach(), block.expand.bias.detach()
        taps, bias = block.depthwise.weight.detach(), block.depthwise.bias.detach()
        if isinstance(block.norm1, BatchNorm) and isinstance(block.norm2, BatchNorm):
            scale, shift = block.norm1.scale_and_shift()
            expand_weight, expand_bias = expand_weight * scale[:, None], expand_bias * scale + shift
            scale, shift = block.norm2.scale_and_shift()
            taps, bias = taps * scale, bias * scale + shift
        line = DelayLine(block.depthwise.kernel, block.depthwise.dilation * streams)
        self.expand, self.slope1 = Pointwise(expand_weight, expand_bias), Slope(block.prelu1)
        self.depthwise, self.slope2 = Depthwise(taps, bias, line), Slope(block.prelu2)
        self.project = Pointwise(block.project.weight, block.project.bias)
        self.shift = (
            nn.Parameter(block.shift.detach().clone(), requires_grad=False) if block.shift is not None else None
        )

    def forward(self, x: Tensor, past: Tensor, norms: Norms) -> tuple[Tensor, Tensor]:
        row = norms(self.slope1(self.expand(x)))
        if self.shift is not None:
            row = row + self.shift
        y = norms(self.slope2(self.depthwise(row, past.reshape(-1, row.shape[1]))))
        return self.project(y), row.reshape(-1, past.shape[1])


class Norms:
    """The norms of one step in the order they are met; cumulative ones share the weights of the running mean.

    Their statistics are a row per norm, mean and mean square of every stream.
    """

    def __init__(
        self,
        kind: str,
        horizon: int,
        frames: int,
        statistics: Tensor | None,
        count: Tensor | None,
        streams: int = 1,
    ) -> None:
        self.kind, self.statistics, self.after = kind, statistics, list[Tensor]()
        self.shape = (1, frames, 2 * streams)
        if statistics is not None and count is not None:
            self.decay, self.weights = running_mean_weights(count, frames, horizon)
            self.count = (count + frames).clamp(max=horizon)

    def __call__(self, x: Tensor) -> Tensor:
        if self.kind == "batch":  # folded away
            return x
        if self.statistics is None:
            return frame_norm(x)
        per_frame = torch.cat([x.mean(-1, keepdim=True), (x * x).mean(-1, keepdim=True)], dim=1).reshape(self.shape)
        running = self.statistics[len(self.after)][None, None]
        means = self.decay[:, :, None] * running + self.weights @ per_frame
        self.after.append(means[:, -1])
        by_row = means.reshape(-1, 2)
        mean, square = by_row[:, :1], by_row[:, 1:]
        return (x - mean) * torch.rsqrt((square - mean * mean + EPS).clamp(min=EPS))


def frame_norm(x: Tensor) -> Tensor:
    """Zero mean and unit variance over the channels of each frame."""
    centred = x - x.mean(-1, keepdim=True)
    return centred * torch.rsqrt((centred * centred).mean(-1, keepdim=True) + EPS)
