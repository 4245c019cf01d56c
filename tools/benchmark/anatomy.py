"""Where the time of a step goes: its matrices alone, then with one kind of part after the other added, in int8.

Only the arithmetic is of interest: what is left out leaves the output wrong, and it is thrown away. For TCNs, whose
parts are these.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from edge_sdk.bench_report import Row
from models.network import Network
from quantization import export
from quantization.quantize import quantize
from quantization.step_graph import step_graph
from quantization.step_graph.form import Memory
from quantization.step_graph.graph import StepGraph
from quantization.step_graph.parts import Depthwise, Slope
from quantization.step_graph.tcn import TCNStep
from tools.benchmark import floor
from tools.benchmark.alternatives import MATRICES, OURS, stream
from tools.benchmark.turns import Step, hot

RECIPE = "dynamic_int8"
AS_EXPORTED, SLOPES, NORMS = "matrices in their exported form, and sums", "with slopes", "with slopes and norms"
WHOLE = "with slopes, norms and filters over time: the whole step"
HOST = f"{OURS}: with the host's part, samples to samples"


def rows(network: Network, subject: str, frames: int) -> list[Row]:
    """Median time of a step for each, in microseconds, and as a multiple of the matrices alone."""
    label = f"{subject}, {frames} frame{'s' if frames > 1 else ''} per step"
    p50 = {name: 1e6 * float(np.median(seconds)) for name, seconds in hot(makers(network, frames)).items()}
    found = []
    for name, us in p50.items():
        found.append(Row("anatomy", label, name, "p50", us, "us"))
        found.append(Row("anatomy", label, name, "times matrices", us / p50[MATRICES]))
    return found


def makers(network: Network, frames: int) -> dict[str, Callable[[], Step]]:
    """What makes a step of each."""
    left_out = {AS_EXPORTED: (filters, norms, slopes), SLOPES: (filters, norms), NORMS: (filters,), WHOLE: ()}
    matrices = floor.convert(floor.Matrices(step_graph(network, frames)), RECIPE)
    found: dict[str, Callable[[], Step]] = {MATRICES: partial(floor.runner, matrices)}
    for name, parts in left_out.items():
        graph = step_graph(network, frames)
        for leave_out in parts:
            leave_out(graph)
        found[name] = partial(floor.runner, floor.dynamic(export.convert(graph), "CONV_2D"))
    found[HOST] = partial(stream, quantize(export.export(network, "ours", frames), RECIPE, RECIPE))
    return found


def slopes(graph: StepGraph) -> None:
    """Leave out activations."""
    replace(graph, Slope, nn.Identity)


def norms(graph: StepGraph) -> None:
    """Leave out norms, and the statistics of cumulative ones."""
    separator = tcn_of(graph)
    separator.norm = "batch"  # as if folded away
    for carry in separator.carries:
        del graph.inputs[carry.input]
    separator.carries = ()


def filters(graph: StepGraph) -> None:
    """Leave out filters over time; no row of the past goes in and no new one comes out."""
    separator = tcn_of(graph)
    replace(graph, Depthwise, Present)
    separator.lines = NoLines(separator.lines.widths)  # type: ignore[assignment]
    for group in separator.delays:
        del graph.inputs[group.taps]


class Present(nn.Module):
    """A filter over time that looks at the present alone, and passes it."""

    def forward(self, x: Tensor, past: Tensor) -> Tensor:
        return x


class NoLines:
    """Delay lines of blocks of these widths, without memory."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        self.widths = widths

    def past(self, memory: Memory) -> list[Tensor]:
        return [torch.zeros(1, width) for width in self.widths]

    def after(self, rows: list[Tensor]) -> Memory:
        return {}


def tcn_of(graph: StepGraph) -> TCNStep:
    """The separator's step; `ValueError` where that is no TCN."""
    separator = graph.separator
    if not isinstance(separator, TCNStep):
        raise ValueError(f"a separator of type {type(separator).__name__}: expected a TCN")
    return separator


def replace(graph: StepGraph, kind: type[nn.Module], other: type[nn.Module]) -> None:
    """Another layer in the place of each of that kind."""
    for name, module in list(graph.named_modules()):
        if isinstance(module, kind):
            graph.set_submodule(name, other())
