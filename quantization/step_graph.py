"""One step of a TasNet in the form that a TFLite interpreter runs fastest.

The same arithmetic as `TasNet.frame_step`, proved equal by the parity gate, with these differences:

- Memory is in the arguments. A layer that looks back gets the past rows its taps fall on and returns its new rows; the
  host keeps the rest, and moves 1 row where whole contexts would move 2 * dilation.
- Every pointwise layer is a 1x1 convolution over `[T, 1, 1, C]`, frames on the batch axis. It is about as fast as a
  fully-connected layer, and the only form whose per-channel int8 is right in all three runtimes (`make test-backends`):
  tflite-runtime 2.14 silently returns the bias alone for an int8 fully-connected layer with per-channel scales, and
  gives all frames of `[1, T, 1, C]` one activation scale.
- Batch norms are folded into the layers before them; PReLU is a leaky ReLU with a constant slope.
- New rows are concatenated last: a concatenation of more than four tensors is outside XNNPACK, and there it is free.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_sdk.contract import Carry, DelayLine, DelayLines
from models.layers.norms import EPS, BatchNorm, CumulativeNorm, running_mean_weights
from models.layers.tcn import TCN, TCNBlock
from models.tasnet import COMPRESSION, MAGNITUDE_FLOOR, TasNet


class Pointwise(nn.Module):
    """A linear layer over `[T, C]`, as a 1x1 convolution with the frames on the batch axis."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        # The converter keys constants by address: non-contiguous ones alias each other without a word.
        self.weight = nn.Parameter(weight.detach()[:, :, None, None].contiguous().clone(), requires_grad=False)
        bias = torch.zeros(weight.shape[0]) if bias is None else bias
        self.bias = nn.Parameter(bias.detach().contiguous().clone(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        frames, channels = x.shape
        y = nn.functional.conv2d(x.reshape(frames, 1, 1, channels).permute(0, 3, 1, 2), self.weight, self.bias)
        return y.permute(0, 2, 3, 1).reshape(frames, -1)

    @property
    def macs(self) -> int:
        """Multiply-accumulates per frame."""
        return self.weight.numel()


class Depthwise(nn.Module):
    """One filter per channel over stacked taps, `[T, C]` and the past rows that `DelayLine.past` lists to `[T, C]`."""

    def __init__(self, weight: Tensor, bias: Tensor, line: DelayLine, frames: int) -> None:
        super().__init__()
        self.line, self.frames = line, frames
        self.weight = nn.Parameter(weight.detach().T[:, None, :, None].contiguous().clone(), requires_grad=False)
        self.bias = nn.Parameter(bias.detach().contiguous().clone(), requires_grad=False)

    def forward(self, x: Tensor, past: Tensor) -> Tensor:
        frames, channels = x.shape
        pieces, taken = [], 0
        for age in range(self.line.depth, 0, -self.line.dilation):
            old = min(frames, age)
            pieces.append(past[taken : taken + old])
            if old < frames:
                pieces.append(x[: frames - old])
            taken += old
        if taken == (self.line.kernel - 1) * frames:  # every tap lies in the past: the rows are in order already
            pieces = [past]
        stacked = torch.cat([*pieces, x]).reshape(1, self.line.kernel, frames, channels)
        y = nn.functional.conv2d(stacked.permute(0, 3, 1, 2), self.weight, self.bias, groups=channels)
        return y.permute(0, 2, 3, 1).reshape(frames, channels)

    @property
    def macs(self) -> int:
        return self.weight.numel()


class Slope(nn.Module):
    """PReLU with its slope as a constant: the converter clones the layer before a learned one."""

    def __init__(self, prelu: nn.PReLU) -> None:
        super().__init__()
        self.slope = float(prelu.weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.leaky_relu(x, self.slope)


class Block(nn.Module):
    """A TCN block: `[T, bottleneck]` and past rows to residual and skip `[T, bottleneck + skip]` and the new rows."""

    def __init__(self, block: TCNBlock, frames: int) -> None:
        super().__init__()
        expand_weight, expand_bias = block.expand.weight.detach(), block.expand.bias.detach()
        taps, bias = block.depthwise.weight.detach(), block.depthwise.bias.detach()
        if isinstance(block.norm1, BatchNorm) and isinstance(block.norm2, BatchNorm):
            scale, shift = block.norm1.scale_and_shift()
            expand_weight, expand_bias = expand_weight * scale[:, None], expand_bias * scale + shift
            scale, shift = block.norm2.scale_and_shift()
            taps, bias = taps * scale, bias * scale + shift
        line = DelayLine(block.depthwise.kernel, block.depthwise.dilation)
        self.expand, self.slope1 = Pointwise(expand_weight, expand_bias), Slope(block.prelu1)
        self.depthwise, self.slope2 = Depthwise(taps, bias, line, frames), Slope(block.prelu2)
        self.project = Pointwise(block.project.weight, block.project.bias)

    def forward(self, x: Tensor, past: Tensor, norms: Norms) -> tuple[Tensor, Tensor]:
        row = norms(self.slope1(self.expand(x)))
        y = norms(self.slope2(self.depthwise(row, past)))
        return self.project(y), row


class Norms:
    """The norms of one step in the order they are met; cumulative ones share the weights of the running mean."""

    def __init__(self, kind: str, horizon: int, frames: int, statistics: Tensor | None, count: Tensor | None) -> None:
        self.kind, self.statistics, self.after = kind, statistics, list[Tensor]()
        if statistics is not None and count is not None:
            self.decay, self.weights = running_mean_weights(count, frames, horizon)
            self.count = (count + frames).clamp(max=horizon)

    def __call__(self, x: Tensor) -> Tensor:
        if self.kind == "batch":  # folded away
            return x
        if self.statistics is None:
            centred = x - x.mean(-1, keepdim=True)
            return centred * torch.rsqrt((centred * centred).mean(-1, keepdim=True) + EPS)
        per_frame = torch.cat([x.mean(-1, keepdim=True), (x * x).mean(-1, keepdim=True)], dim=1)[None]  # [1, T, 2]
        running = self.statistics[len(self.after)][None, None]
        means = self.decay[:, :, None] * running + self.weights @ per_frame
        self.after.append(means[:, -1])
        mean, square = means[0, :, :1], means[0, :, 1:]
        return (x - mean) * torch.rsqrt((square - mean * mean + EPS).clamp(min=EPS))


class Separator(nn.Module):
    """The TCN: features `[T, F]`, past rows `[rows, hidden]` to masks `[T, S * filters]` and the new rows."""

    def __init__(self, tcn: TCN, frames: int) -> None:
        super().__init__()
        weight, bias = tcn.bottleneck.weight.detach(), tcn.bottleneck.bias.detach()
        if isinstance(tcn.norm, BatchNorm):
            scale, shift = tcn.norm.scale_and_shift()
            weight, bias = weight * scale, bias + weight @ shift
        self.skip, self.width = tcn.config.skip, tcn.config.bottleneck
        self.bottleneck = Pointwise(weight, bias)
        blocks = [Block(block, frames) for block in tcn.blocks]  # type: ignore[arg-type]
        self.needed = [len(block.depthwise.line.past(frames)) for block in blocks]  # past rows of each
        self.blocks = nn.ModuleList(blocks)
        self.slope, self.output = Slope(tcn.prelu), Pointwise(tcn.output.weight, tcn.output.bias)

    def forward(self, x: Tensor, taps: Tensor, norms: Norms) -> tuple[Tensor, Tensor]:
        x, taken, rows, total = self.bottleneck(norms(x)), 0, [], None
        for block, needed in zip(self.blocks, self.needed, strict=True):
            y, row = block(x, taps[taken : taken + needed], norms)
            taken += needed
            rows.append(row)
            if self.skip:
                skip = y[:, self.width :]
                total = skip if total is None else total + skip
                y = y[:, : self.width]
            x = x + y
        return self.output(self.slope(x if total is None else total)), torch.cat(rows)


class StepGraph(nn.Module):
    """A network's step over `frames_per_step` frames with all memory in arguments and results.

    `forward(frames, taps[, statistics, count])`; `delays` and `carries` describe the memories for the manifest,
    `inputs` holds one zero tensor per argument.
    """

    def __init__(self, network: TasNet, frames_per_step: int) -> None:
        super().__init__()
        if network.training:
            raise ValueError("the network is in training mode; call .eval() first")
        if frames_per_step < 1:
            raise ValueError(f"frames_per_step = {frames_per_step}: expected 1 or more")
        config, tcn = network.config, network.config.separator
        self.mask, self.sources, self.frames = config.mask, config.sources, frames_per_step
        self.norm, self.horizon = tcn.norm, tcn.horizon
        self.encoder = Pointwise(network.filterbank.encoder.weight, None)
        self.separator = Separator(network.separator, frames_per_step)
        self.decoder = Pointwise(network.filterbank.decoder.weight, None)
        lines = tuple(DelayLine(tcn.kernel, dilation) for dilation in tcn.dilations)
        self.delays = (DelayLines("taps", "rows", tcn.hidden, lines),)
        rows = sum(len(line.past(frames_per_step)) for line in lines)
        self.inputs = {
            "frames": torch.zeros(1, frames_per_step, config.filterbank.frame),
            "taps": torch.zeros(rows, tcn.hidden),
        }
        self.carries: tuple[Carry, ...] = ()
        if isinstance(network.separator.norm, CumulativeNorm):
            norms = 1 + 2 * len(lines)
            self.carries = (Carry("statistics", "statistics_out", (norms, 2)), Carry("count", "count_out", (1, 1)))
            self.inputs |= {carry.input: torch.zeros(carry.shape) for carry in self.carries}

    def forward(
        self, frames: Tensor, taps: Tensor, statistics: Tensor | None = None, count: Tensor | None = None
    ) -> dict[str, Tensor]:
        norms = Norms(self.norm, self.horizon, self.frames, statistics, count)
        coefficients = self.encoder(frames[0])
        if self.mask == "complex":
            real, imaginary = part(coefficients, 0, 2), part(coefficients, 1, 2)
            # A logarithm and an exponential stay in the delegate, a power does not.
            features = torch.exp(torch.log(real * real + imaginary * imaginary + MAGNITUDE_FLOOR) * (COMPRESSION / 2))
        else:
            features = coefficients = coefficients.relu()
        masks, rows = self.separator(features, taps, norms)
        masked = torch.cat([self.masked(coefficients, part(masks, s, self.sources)) for s in range(self.sources)])
        out = {"sources_out": self.decoder(masked).reshape(self.sources, self.frames, -1), "rows": rows}
        if statistics is not None:
            out |= {"statistics_out": torch.cat(norms.after), "count_out": norms.count}
        return out

    def masked(self, coefficients: Tensor, mask: Tensor) -> Tensor:
        if self.mask == "sigmoid":
            return coefficients * mask.sigmoid()
        if self.mask == "relu":
            return coefficients * mask.relu()
        real, imaginary = part(coefficients, 0, 2), part(coefficients, 1, 2)
        mask_real, mask_imaginary = part(mask, 0, 2) + 1, part(mask, 1, 2)
        return torch.cat(
            [real * mask_real - imaginary * mask_imaginary, real * mask_imaginary + imaginary * mask_real], dim=-1
        )

    def macs_per_frame(self) -> int:
        """Multiply-accumulates of all layers for one frame."""
        shared = sum(m.macs for m in self.modules() if isinstance(m, Pointwise | Depthwise))
        return shared + (self.sources - 1) * self.decoder.macs


def part(x: Tensor, index: int, of: int) -> Tensor:
    """One of `of` equal parts of the channels."""
    width = x.shape[-1] // of
    return x[:, index * width : (index + 1) * width]
