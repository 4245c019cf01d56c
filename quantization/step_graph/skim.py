"""The step of SkiM: the arithmetic of `SkiM`.

h and c of every LSTM are rows of one carry. A segment can end in a step only after as many frames as divide both,
`piece`. The memory LSTMs run there, and what they give counts only where a segment does end: so at one frame per step
they cost as much as if there were no segments, and where segments are whole steps, once per step.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from edge_sdk.contract import Carry
from models.layers.skim import MemoryLSTM, SkiM
from quantization.step_graph.form import Memory, StepForm
from quantization.step_graph.parts import Pointwise, Slope, join
from quantization.step_graph.recurrent import (
    LSTMStep,
    ResidualProjectionStep,
    before,
    state,
    states_carry,
)
from quantization.step_graph.tcn import Norms


class SkiMStep(StepForm):
    """Features `[T, F]` to masks `[T, outputs]`."""

    def __init__(self, skim: SkiM, frames: int) -> None:
        super().__init__()
        config = skim.config
        if config.norm == "cumulative":
            raise ValueError("SkiM with norm = 'cumulative' has no exported form yet: expected 'frame' or 'batch'")
        self.segment, self.piece = config.segment, math.gcd(frames, config.segment)
        self.norm = config.norm, config.horizon, frames
        self.bottleneck = Pointwise(*before(skim.norm, skim.bottleneck.weight, skim.bottleneck.bias))
        self.segments = nn.ModuleList(LSTMStep(segment.lstm) for segment in skim.segments)  # type: ignore[arg-type]
        self.projects = nn.ModuleList(ResidualProjectionStep(project) for project in skim.projects)  # type: ignore[arg-type]
        memories = [layer for layer in skim.memories.modules() if isinstance(layer, MemoryLSTM)]  # of h and c in turn
        self.memories = nn.ModuleList(MemoryStep(memory) for memory in memories)
        self.slope, self.output = Slope(skim.prelu), Pointwise(skim.output.weight, skim.output.bias)
        lstms = len(self.segments) + len(self.memories)
        self.carries = (states_carry(2 * lstms, config.hidden), Carry("position", "position_out", (1, 1)))

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        norms = Norms(*self.norm, None, None)
        x, states, position, outputs = self.bottleneck(norms(x)), memory["states"], memory["position"], list[Tensor]()
        for piece in [x] if len(x) == self.piece else x.split(self.piece):
            y, states, position = self.step(piece, states, position, norms)
            outputs.append(y)
        y = self.output(self.slope(join(outputs, 0)))
        return y, {"states_out": states, "position_out": position}

    def step(self, x: Tensor, states: Tensor, position: Tensor, norms: Norms) -> tuple[Tensor, Tensor, Tensor]:
        """Some frames of one segment, after which it may end; and states and position after them."""
        position = position + self.piece
        goes_on = (self.segment - position).clamp(max=1)  # 0 where the segment ends, else 1
        blocks, stay, remembered = len(self.segments), list[Tensor](), list[Tensor]()
        begin = [torch.zeros(2, states.shape[1])]  # what the next segment begins with, h and c of every block
        for index in range(blocks):
            cell: LSTMStep = self.segments[index]  # type: ignore[assignment]
            outputs, h, c = cell.run(cell.gates(x), *state(states, index))
            x = self.projects[index](x, join(outputs, 0), norms)
            stay += [h, c]
            for number, left in ((2 * index, h), (2 * index + 1, c)) if index < blocks - 1 else ():
                given, *after = self.memories[number](left, *state(states, blocks + number), norms)
                begin.append(given)
                remembered += after
        ended = join([*begin, *remembered], 0)
        going = join([*stay, states[2 * blocks :]] if remembered else stay, 0)
        return x, goes_on * going + (1 - goes_on) * ended, goes_on * position


class MemoryStep(nn.Module):
    """A memory LSTM with its residual path: what a segment ended with, `[1, hidden]`, to what the next begins with."""

    def __init__(self, memory: MemoryLSTM) -> None:
        super().__init__()
        self.cell, self.project = LSTMStep(memory.lstm.lstm), ResidualProjectionStep(memory.project)

    def forward(self, x: Tensor, h: Tensor, c: Tensor, norms: Norms) -> tuple[Tensor, Tensor, Tensor]:
        h, c = self.cell.advance(self.cell.gates(x), h, c)
        return self.project(x, h, norms), h, c
