"""The same step with whole contexts going in and out of the model: how a network is usually made to stream.

Every layer that looks back is given all frames that it may look at, and gives them back moved on; the caller carries
them over. The arithmetic is that of the step with delay lines on the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor

from edge_sdk.contract import Carry, DelayLine
from models.network import Network
from quantization.step_graph import step_graph
from quantization.step_graph.delay_lines import LinesByWidth
from quantization.step_graph.form import Memory
from quantization.step_graph.graph import StepGraph
from quantization.step_graph.parts import join


class Contexts(LinesByWidth):
    """In place of delay lines: one context per block, `[depth, width]`."""

    def __init__(self, widths: Sequence[int], lines: Sequence[DelayLine], frames: int) -> None:
        super().__init__(widths, lines, frames)
        self.lines, self.frames = tuple(lines), frames
        self.carries = tuple(
            Carry(f"context{number}", f"context{number}_out", (line.depth, width))
            for number, (line, width) in enumerate(zip(lines, widths, strict=True))
        )
        self.given: list[Tensor] = []

    def past(self, memory: Memory) -> list[Tensor]:
        self.given = [memory[carry.input] for carry in self.carries]
        return [rows_of(context, line, self.frames) for context, line in zip(self.given, self.lines, strict=True)]

    def after(self, rows: Sequence[Tensor]) -> Memory:
        return {
            carry.output: torch.cat([context[self.frames :], row])[-line.depth :]
            for carry, context, row, line in zip(self.carries, self.given, rows, self.lines, strict=True)
        }


def rows_of(context: Tensor, line: DelayLine, frames: int) -> Tensor:
    """The rows of a context that a block's taps fall on, as `DelayLine.past` lists them: a slice for every run."""
    places = [line.depth + offset for offset in line.past(frames)]
    runs = [
        [place for _, place in run] for _, run in groupby(enumerate(places), lambda numbered: numbered[1] - numbered[0])
    ]
    return join([context[run[0] : run[-1] + 1] for run in runs], 0)


def with_contexts(network: Network, frames_per_step: int) -> StepGraph:
    """The step of a network whose separator is a TCN, with all its memory in carries."""
    graph = step_graph(network.cpu().eval(), frames_per_step)
    separator = graph.separator
    lines = separator.lines
    if not isinstance(lines, LinesByWidth):
        raise ValueError(f"{type(network).__name__}: expected a separator that is a TCN")
    every = [line for group in graph.delays for line in group.lines]
    if len(graph.delays) != 1:
        raise ValueError(f"blocks of {len(graph.delays)} widths: expected blocks of one width")
    separator.lines = contexts = Contexts(lines.widths, every, frames_per_step)
    graph.delays, graph.carries = (), (*graph.carries, *contexts.carries)
    graph.inputs = {name: graph.inputs[name] for name in graph.inputs if not name.startswith("taps")}
    graph.inputs |= {carry.input: torch.zeros(carry.shape) for carry in contexts.carries}
    return graph
