"""A network whose layers round as a recipe says: which of its matrices is which layer of the exported step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from edge_sdk.errors import EdgeError
from models.layers.norms import EPS, BatchNorm, FrameNorm
from models.layers.recurrent import ResidualProjection
from models.layers.tac import TAC
from models.layers.tcn import TCN, TCNBlock
from models.network import Network
from quantization.calibration import Calibration, Limits
from quantization.layers import Layer, graph_layers
from quantization.qat.modules import FoldedNorm, RoundedLinear, RoundedLSTM, Rounding, become
from quantization.recipes import Overrides, Precision, precisions
from quantization.step_graph import step_graph
from quantization.step_graph.parts import Pointwise
from quantization.step_graph.recurrent import sorted_gates


@dataclass(frozen=True, eq=False)
class Matrix:
    """A matrix of the network, `[outputs, inputs]`, in the form that it is exported in.

    part: of an LSTM, 0 what multiplies the input, 1 the state; of an exchange of microphones, the half of its inputs.
    """

    module: nn.Module
    part: int
    weight: Tensor
    centred: bool = False


def prepare(network: Network, recipe: str, overrides: Overrides = (), calibration: Calibration | None = None) -> None:
    """Let a network's layers round as they will in a model of that recipe, in place, batch norms folded.

    Its parameters and their names stay. Raises `EdgeError` for a layer that cannot be followed, or lacks a range.
    """
    fold_batch_norms(network)
    graph = step_graph(network.eval(), 1)
    found = graph_layers(graph)
    chosen, recipes = precisions(found, recipe, overrides)
    of_name = {layer.name: layer for layer in found}
    left, roundings = list(matrices(network)), dict[nn.Module, dict[int, Rounding]]()
    for name, module in graph.named_modules():
        if not isinstance(module, Pointwise):
            continue
        weight, precision = module.weight[:, :, 0, 0], chosen[name]
        matrix = match(weight, left)
        if matrix is None:
            if precision == Precision():
                continue
            raise EdgeError(
                f"{recipes}: training cannot follow {name}, which is exported in another form than it is trained in; "
                f"leave it out with the override {name}=float32"
            )
        left.remove(matrix)
        limits = limits_of(of_name[name], precision, calibration)
        scaled = not torch.allclose(matrix.weight, weight, rtol=1e-4)
        if limits and (isinstance(matrix.module, nn.LSTM) or scaled):
            raise EdgeError(
                f"{recipes}: training cannot follow {name} with fixed scales, as its outputs are scaled or in a "
                f"recurrence; leave it out with the override {name}=dynamic_int8"
            )
        roundings.setdefault(matrix.module, {})[matrix.part] = Rounding(precision, limits, matrix.centred)
    for layer, parts in roundings.items():
        become(layer, RoundedLSTM if isinstance(layer, nn.LSTM) else RoundedLinear)
        layer.roundings = tuple(parts[number] for number in sorted(parts))  # type: ignore[assignment]


def limits_of(layer: Layer, precision: Precision, calibration: Calibration | None) -> Limits | None:
    """The range of a layer with fixed scales, None for others."""
    if not precision.static:
        return None
    if calibration is None or layer.name not in calibration.ranges:
        raise EdgeError(f"{layer.name} needs the range of its activations; calibrate this network first")
    return calibration.ranges[layer.name]


def matrices(network: Network) -> Iterator[Matrix]:
    """Every matrix of a network in the form of its export, as far as there is one."""
    projections = [module for module in network.modules() if isinstance(module, ResidualProjection)]
    centred = {project.linear for project in projections if isinstance(project.norm, FrameNorm)}
    exchanges: list[Any] = [module for module in network.modules() if isinstance(module, TAC)]
    joining = {exchange.concatenate[0] for exchange in exchanges}
    for module in network.modules():
        if isinstance(module, nn.Linear):
            weight = module.weight.detach()
            halves = weight.chunk(2, dim=1) if module in joining else (weight,)
            for part, half in enumerate(halves):
                yield Matrix(module, part, half - half.mean(0) if module in centred else half, module in centred)
        elif isinstance(module, nn.LSTM) and module.num_layers == 1 and not module.bidirectional:
            for part, name in enumerate(("weight_ih_l0", "weight_hh_l0")):
                yield Matrix(module, part, sorted_gates(module.get_parameter(name).detach()))


def match(weight: Tensor, candidates: list[Matrix]) -> Matrix | None:
    """The matrix whose rows are those of an exported one, each up to a factor: that does not change how they round."""
    for matrix in candidates:
        if matrix.weight.shape == weight.shape and torch.allclose(
            by_largest(matrix.weight), by_largest(weight), rtol=0, atol=1e-6
        ):
            return matrix
    return None


def by_largest(weight: Tensor) -> Tensor:
    """A matrix with every row divided by its greatest magnitude."""
    return weight / weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-30)


@torch.no_grad()
def fold_batch_norms(network: Network) -> None:
    """Put batch norms into the layers beside them, as export does, and fix them as identities.

    What is trained then are the weights that are exported; a checkpoint of it is of the same configuration.
    """
    for module in network.modules():
        if type(module) is TCN and isinstance(module.norm, BatchNorm):
            scale, shift = module.norm.scale_and_shift()
            module.bottleneck.bias.add_(module.bottleneck.weight @ shift)
            module.bottleneck.weight.mul_(scale)
            set_identity(module.norm)
        elif type(module) is TCNBlock and isinstance(module.norm1, BatchNorm) and isinstance(module.norm2, BatchNorm):
            scale, shift = module.norm1.scale_and_shift()
            module.expand.weight.mul_(scale[:, None])
            module.expand.bias.mul_(scale).add_(shift)
            scale, shift = module.norm2.scale_and_shift()
            module.depthwise.weight.mul_(scale)
            module.depthwise.bias.mul_(scale).add_(shift)
            set_identity(module.norm1)
            set_identity(module.norm2)
    if any(type(module) is BatchNorm for module in network.modules()):
        raise EdgeError("training cannot follow batch norms outside of a TCN yet; use a network with norm = 'frame'")


def set_identity(norm: BatchNorm) -> None:
    """Statistics with which a batch norm changes nothing; nobody gathers others."""
    statistics = dict(norm.norm.named_buffers())
    statistics["running_mean"].zero_()
    statistics["running_var"].fill_(1 - EPS)
    become(norm, FoldedNorm)
