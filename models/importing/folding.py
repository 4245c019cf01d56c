"""Published layers in terms of ours, which compute the same with fewer parts.

The published norms have a gain and a bias after them, `y = gain * z + bias`. Ours have none: a linear layer follows,
and `W y + b = (W gain) z + (b + W bias)`.

They also add 1e-8 to a variance, where ours that stream add 1e-5. Multiplying what comes before a norm by the square
root of their ratio makes the two equal: `r x / sqrt(r^2 v + 1e-5) = x / sqrt(v + 1e-8)`. Before every norm of these
networks stands a layer that takes such a factor, and a PReLU between them passes it on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.importing.contents import Weights
from models.layers.norms import EPS, GLOBAL_EPS

RATIO = math.sqrt(EPS / GLOBAL_EPS)
SMALLEST_GAIN = 1e-12  # what a smaller gain, such as zero, is taken for where it has to be divided by
NORMS = {"gLN": "global", "cLN": "frame", "cgLN": "cumulative"}  # Asteroid's names and ours


@dataclass(frozen=True)
class Layer:
    """A linear layer or a convolution: `weight` begins with the outputs."""

    weight: Tensor
    bias: Tensor

    def times(self, factor: float) -> Layer:
        """The layer with outputs so many times as large."""
        return Layer(factor * self.weight, factor * self.bias)

    def after(self, norm: Norm) -> Layer:
        """The linear layer that does what the norm's gain and bias and then this one do."""
        return Layer(self.weight * norm.gain, self.bias + self.weight @ norm.bias)

    def named(self, name: str) -> dict[str, Tensor]:
        """As the state of a layer of that name."""
        return {f"{name}.weight": self.weight, f"{name}.bias": self.bias}


@dataclass(frozen=True)
class Norm:
    """What comes after a norm's mean and variance, `[C]` each."""

    gain: Tensor
    bias: Tensor


def ratio(norm: str) -> float:
    """The factor before a norm of ours, by its name."""
    return 1.0 if norm == "global" else RATIO


def take_layer(weights: Weights, name: str, outputs: int, inputs: int, *kernel: int, bias: bool = True) -> Layer:
    """A linear layer, or a convolution over single frames with so many axes of size 1."""
    weight = weights.take(f"{name}.weight", outputs, inputs, *kernel).flatten(1)
    return Layer(weight, weights.take(f"{name}.bias", outputs) if bias else torch.zeros(outputs))


def take_norm(weights: Weights, name: str, channels: int, gain: str = "gamma", bias: str = "beta") -> Norm:
    """The gain and bias of a norm."""
    return Norm(weights.take(f"{name}.{gain}", channels), weights.take(f"{name}.{bias}", channels))


def cat_layers(*layers: Layer) -> Layer:
    """Layers side by side, with the outputs of all of them."""
    return Layer(torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers]))


def under(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state of a layer as that of a part of another, of that name."""
    return {f"{name}.{key}": tensor for key, tensor in state.items()}


def tcn_block(
    expand: Layer, norm1: Norm, depthwise: Layer, norm2: Norm, project: Layer, slopes: list[Tensor], norm: str
) -> dict[str, Tensor]:
    """The state of a block of a TCN with `shift`. The published bias before the depthwise convolution becomes that
    shift, divided by the gain, which goes into the convolution."""
    factor = ratio(norm)
    gain = torch.where(norm1.gain.abs() < SMALLEST_GAIN, SMALLEST_GAIN, norm1.gain)
    filters = depthwise.times(factor)
    return {
        **expand.times(factor).named("expand"),
        "prelu1.weight": slopes[0],
        "shift": norm1.bias / gain,
        "depthwise.weight": (filters.weight * gain[:, None]).T,
        "depthwise.bias": filters.bias,
        "prelu2.weight": slopes[1],
        **project.after(norm2).named("project"),
    }
