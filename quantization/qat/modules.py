"""Layers that round as they will on the board, with the parameters of ordinary ones: a checkpoint cannot tell."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.layers.norms import BatchNorm
from models.streaming import State
from quantization.calibration import Limits
from quantization.qat.rounding import round_fixed, round_rows, round_weights
from quantization.recipes import Precision


@dataclass(frozen=True)
class Rounding:
    """What one matrix does. limits: of activations with fixed scales. centred: export takes the outputs' mean away."""

    precision: Precision
    limits: Limits | None = None
    centred: bool = False

    def weights(self, weight: Tensor) -> Tensor:
        """The matrix as it is stored."""
        return round_weights(weight - weight.mean(0) if self.centred else weight, self.precision.weights)

    def inputs(self, x: Tensor) -> Tensor:
        """What the products see of the features."""
        if self.precision.activations == "dynamic":
            return round_rows(x)
        return round_fixed(x, self.limits.inputs, self.bits) if self.limits else x

    def outputs(self, y: Tensor) -> Tensor:
        """What the next operator sees of the products."""
        return round_fixed(y, self.limits.outputs, self.bits) if self.limits else y

    @property
    def bits(self) -> int:
        return 8 if self.precision.activations == "int8" else 16


class RoundedLinear(nn.Linear):
    """A linear layer that rounds; made of one by `become`. Export may take it apart, inputs in equal parts."""

    roundings: tuple[Rounding, ...]  # of each part

    def forward(self, x: Tensor) -> Tensor:
        parts, outputs = len(self.roundings), list[Tensor]()
        for index, (rounding, features, weight) in enumerate(
            zip(self.roundings, x.chunk(parts, dim=-1), self.weight.chunk(parts, dim=1), strict=True)
        ):
            bias: Tensor | None = self.bias if index == 0 else None
            if rounding.centred and bias is not None:
                bias = bias - bias.mean()
            y = nn.functional.linear(rounding.inputs(features), rounding.weights(weight), bias)
            outputs.append(rounding.outputs(y))
        return sum(outputs[1:], outputs[0])


class RoundedLSTM(nn.LSTM):
    """An LSTM whose matrices are rounded, and the input's activations.

    What the recurrent product sees of the state is not: torch keeps that inside. A dynamic recipe rounds it too, frame
    by frame, by 1/510 of its range at most.
    """

    roundings: tuple[Rounding, ...]  # of the input's matrix, of the state's

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:  # type: ignore[override]
        of_input, of_state = self.roundings
        parameters = dict(self.named_parameters())
        weights = [of_input.weights(parameters["weight_ih_l0"]), of_state.weights(parameters["weight_hh_l0"])]
        weights += [parameters[name] for name in ("bias_ih_l0", "bias_hh_l0") if name in parameters]
        y, h, c = torch._VF.lstm(
            of_input.inputs(x), state, weights, self.bias, 1, 0.0, self.training, False, self.batch_first
        )
        return y, (h, c)


class FoldedNorm(BatchNorm):
    """A batch norm that was folded into the layers beside it: the identity, in training too."""

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        return x, state


def become(module: nn.Module, kind: type[nn.Module]) -> None:
    """Change what a module does, and nothing of what it holds."""
    module.__class__ = kind
