"""Layers in the form that a TFLite interpreter runs fastest, over `[T, C]`: T the frames of a step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edge_sdk.contract import DelayLine
from models.layers.filterbanks import COMPRESSION, MAGNITUDE_FLOOR

MOST_JOINED = 4  # tensors in one concatenation: of more, XNNPACK leaves it to the interpreter


class Pointwise(nn.Module):
    """A linear layer over `[T, C]`, as a 1x1 convolution with the frames on the batch axis.

    About as fast as a fully-connected layer, and the only form whose per-channel int8 is right in all three runtimes
    (`make test-backends`): tflite-runtime 2.14 silently returns the bias alone for an int8 fully-connected layer with
    per-channel scales, and gives all frames of `[1, T, 1, C]` one activation scale.
    """

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


class FinePointwise(Pointwise):
    """A pointwise layer that recipes of quantization keep at 16 bits, where eight cost too much.

    Such as the encoder where phases are compared: a row of the analysis rounded to eight bits lets a little of the
    loudest bins into all others, and a phase counts as much in a weak bin as in a strong one.
    """


class Depthwise(nn.Module):
    """One filter per channel over stacked taps, `[T, C]` and the past rows that `DelayLine.past` lists to `[T, C]`."""

    def __init__(self, weight: Tensor, bias: Tensor, line: DelayLine) -> None:
        super().__init__()
        self.line = line
        self.weight = nn.Parameter(weight.detach().T[:, None, :, None].contiguous().clone(), requires_grad=False)
        self.bias = nn.Parameter(bias.detach().contiguous().clone(), requires_grad=False)

    def forward(self, x: Tensor, past: Tensor) -> Tensor:
        frames, channels = x.shape
        stacked = torch.cat([*past_rows(self.line, x, past), x]).reshape(1, self.line.kernel, frames, channels)
        y = nn.functional.conv2d(stacked.permute(0, 3, 1, 2), self.weight, self.bias, groups=channels)
        return y.permute(0, 2, 3, 1).reshape(frames, channels)

    @property
    def macs(self) -> int:
        """Multiply-accumulates per frame."""
        return self.weight.numel()


def past_rows(line: DelayLine, x: Tensor, past: Tensor) -> list[Tensor]:
    """What every tap but the last falls on, oldest first; joined, `[(kernel - 1) * T, C]`.

    `x` are the new rows, `[T, C]`, and `past` those that `line.past` lists.
    """
    frames, pieces, taken = len(x), list[Tensor](), 0
    for age in range(line.depth, 0, -line.dilation):
        old = min(frames, age)
        pieces.append(past[taken : taken + old])
        if old < frames:
            pieces.append(x[: frames - old])
        taken += old
    # Where every tap lies in the past the rows are in order already.
    return [past] if taken == (line.kernel - 1) * frames else pieces


class Slope(nn.Module):
    """PReLU with its slope as a constant: the converter clones the layer before a learned one.

    LiteRT's GPU takes a negative slope for a positive one. So there a maximum stands, which is the same for any slope
    up to one, and costs an operator more.
    """

    def __init__(self, prelu: nn.PReLU) -> None:
        super().__init__()
        self.slope = float(prelu.weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        if self.slope < 0:
            return torch.maximum(x, x * self.slope)
        return nn.functional.leaky_relu(x, self.slope)


def part(x: Tensor, index: int, of: int) -> Tensor:
    """One of `of` equal parts of the channels."""
    width = x.shape[-1] // of
    return x[..., index * width : (index + 1) * width]


def squared_magnitudes(coefficients: Tensor) -> Tensor:
    """Of complex coefficients, real parts first and imaginary ones after, above the floor: `[..., bins]`."""
    real, imaginary = part(coefficients, 0, 2), part(coefficients, 1, 2)
    return real * real + imaginary * imaginary + MAGNITUDE_FLOOR


def compressed_magnitudes(coefficients: Tensor) -> Tensor:
    """`[..., 2 * bins]` to `[..., bins]`. A logarithm and an exponential stay in the delegate, a power does not."""
    return torch.exp(torch.log(squared_magnitudes(coefficients)) * (COMPRESSION / 2))


def complex_product(coefficients: Tensor, mask_real: Tensor, mask_imaginary: Tensor) -> Tensor:
    """Coefficients `[..., 2 * bins]`, real parts first, times a mask given as `[..., bins]` twice."""
    real, imaginary = part(coefficients, 0, 2), part(coefficients, 1, 2)
    return torch.cat(
        [real * mask_real - imaginary * mask_imaginary, real * mask_imaginary + imaginary * mask_real], dim=-1
    )


def join(pieces: Sequence[Tensor], dim: int) -> Tensor:
    """The pieces one after the other, joined four at a time.

    The converter makes one concatenation of those that follow each other, and one of more than four tensors XNNPACK
    leaves to the interpreter. So whatever is joined already gets one more axis before it is joined again.
    """
    left, deeper = list(pieces), 0
    while len(left) > 1:
        groups = (left[i : i + MOST_JOINED] for i in range(0, len(left), MOST_JOINED))
        left, deeper = [joined(group, dim + deeper).unsqueeze(0) for group in groups], deeper + 1
    return left[0].reshape(left[0].shape[deeper:])


def joined(pieces: list[Tensor], dim: int) -> Tensor:
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=dim)
