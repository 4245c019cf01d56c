"""The step of a causal dual-path RNN: the arithmetic of `DualPath`, with the memory its docstring names.

Within chunks h and c are carried from frame to frame, and forgotten where a chunk begins. Across chunks they are delay
lines: all frames of a step go on from states of a chunk ago, so they are one matrix product and not one per frame.

A chunk can begin in a step only after as many frames as divide both, `piece`: where chunks are whole steps, only with
the step itself. Then forgetting is one product for all blocks together.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from edge_sdk.contract import Carry, DelayLine, DelayLines
from models.layers.dual_path import CausalBlock, DualPath, DualPathConfig, Masks
from quantization.step_graph.form import Memory, StepForm
from quantization.step_graph.parts import Pointwise, Slope, join
from quantization.step_graph.recurrent import (
    LSTMStep,
    ResidualProjectionStep,
    before,
    norm_carries,
    norms_after,
    state,
    states_carry,
)
from quantization.step_graph.tcn import Norms


class DualPathStep(StepForm):
    """Features `[T, F]` to masks `[T, outputs]`."""

    def __init__(self, separator: DualPath, frames: int) -> None:
        super().__init__()
        config = separator.config
        self.norm = config.norm, config.horizon, frames
        self.bottleneck = Pointwise(*before(separator.norm, separator.bottleneck.weight, separator.bottleneck.bias))
        self.blocks = Blocks(config, list(separator.blocks), frames)  # type: ignore[arg-type]
        self.masks = MasksStep(separator.masks)
        self.delays = self.blocks.delays
        self.carries = (*self.blocks.carries, *norm_carries(config.norm, 1 + 2 * config.blocks))

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        norms = Norms(*self.norm, memory.get("statistics"), memory.get("count"))
        chunked = Chunked(self.blocks, memory)
        x = self.bottleneck(norms(x))
        for number in range(len(self.blocks.blocks)):
            x = chunked.step(number, x, norms)
        return self.masks(x), {**chunked.after(), **norms_after(norms)}


class Blocks(nn.Module):
    """Dual-path blocks, and how they are remembered; `Chunked` runs them.

    Rows may be `[T * streams, C]`, microphones for one: see `tcn`.
    """

    def __init__(self, config: DualPathConfig, blocks: list[CausalBlock], frames: int, streams: int = 1) -> None:
        super().__init__()
        self.frames, self.streams = frames, streams
        self.chunk, self.piece = config.chunk, math.gcd(frames, config.chunk)
        self.blocks = nn.ModuleList(BlockStep(block) for block in blocks)
        self.line = DelayLine(2, config.chunk)
        width = streams * config.hidden
        self.delays = (DelayLines("taps", "rows", width, 2 * len(blocks) * (self.line,)),)  # h and c of each block
        self.carries = (states_carry(2 * len(blocks), width), Carry("position", "position_out", (1, 1)))


class BlockStep(nn.Module):
    """An LSTM within chunks, one across them, and what follows each."""

    def __init__(self, block: CausalBlock) -> None:
        super().__init__()
        self.intra, self.intra_out = LSTMStep(block.intra.lstm), ResidualProjectionStep(block.intra_out)
        self.inter, self.inter_out = LSTMStep(block.inter.lstm), ResidualProjectionStep(block.inter_out)


class Chunked:
    """The blocks of one step, in their order: what they remember comes from `memory` and is collected."""

    def __init__(self, blocks: Blocks, memory: Memory) -> None:
        self.blocks, self.rows, self.states = blocks, list[Tensor](), list[Tensor]()
        self.taps, self.needed = memory["taps"], len(blocks.line.past(blocks.frames))
        position, self.goes_on = memory["position"], list[Tensor]()
        for _ in range(blocks.frames // blocks.piece):
            self.goes_on.append(position.clamp(max=1))  # 0 where a chunk begins, else 1
            position = position + blocks.piece
            position = position * (blocks.chunk - position).clamp(max=1)
        self.position = position
        self.begin = memory["states"] * self.goes_on[0]

    def step(self, number: int, x: Tensor, norms: Norms) -> Tensor:
        """Rows `[T * streams, bottleneck]` through one block."""
        block: BlockStep = self.blocks.blocks[number]  # type: ignore[assignment]
        x = block.intra_out(x, self.within(number, block.intra, x), norms)
        return block.inter_out(x, self.across(number, block.inter, x), norms)  # type: ignore[no-any-return]

    def within(self, number: int, cell: LSTMStep, x: Tensor) -> Tensor:
        """An LSTM that forgets where a chunk begins."""
        gates, streams, outputs = cell.gates(x), self.blocks.streams, list[Tensor]()
        h, c = state(self.begin, number, streams)
        pieces = gates.split(self.blocks.piece * streams) if len(self.goes_on) > 1 else [gates]
        for index, (piece, goes_on) in enumerate(zip(pieces, self.goes_on, strict=True)):
            if index:
                h, c = h * goes_on, c * goes_on
            given, h, c = cell.run(piece, h, c)
            outputs += given
        self.states += [h.reshape(1, -1), c.reshape(1, -1)]
        return join(outputs, 0)

    def across(self, number: int, cell: LSTMStep, x: Tensor) -> Tensor:
        """An LSTM that goes on from a chunk ago: all frames at once, but for those that are a chunk apart."""
        gates, streams, width = cell.gates(x), self.blocks.streams, cell.hidden
        first = 2 * number * self.needed
        h = self.taps[first : first + self.needed].reshape(-1, width)
        c = self.taps[first + self.needed : first + 2 * self.needed].reshape(-1, width)
        outputs, cells = list[Tensor](), list[Tensor]()
        for piece in gates.split(self.blocks.chunk * streams) if len(gates) > len(h) else [gates]:
            h, c = cell.advance(piece, h[: len(piece)], c[: len(piece)])
            outputs.append(h)
            cells.append(c)
        y = join(outputs, 0)
        self.rows += [y.reshape(self.blocks.frames, -1), join(cells, 0).reshape(self.blocks.frames, -1)]
        return y

    def after(self) -> Memory:
        """The memory that comes out."""
        return {"rows": torch.cat(self.rows), "states_out": torch.cat(self.states), "position_out": self.position}


class MasksStep(nn.Module):
    """Gated layers from the blocks to the masks, `[T, bottleneck]` to `[T, outputs]`."""

    def __init__(self, masks: Masks) -> None:
        super().__init__()
        self.channels = masks.value.in_features
        self.slope = Slope(masks.prelu)
        self.split, self.value, self.gate = (
            Pointwise(m.weight, m.bias) for m in (masks.split, masks.value, masks.gate)
        )
        self.output = Pointwise(masks.output.weight, None)

    def forward(self, x: Tensor) -> Tensor:
        branches = self.split(self.slope(x)).reshape(-1, self.channels)  # [T * branches, bottleneck]
        y: Tensor = self.output(torch.tanh(self.value(branches)) * torch.sigmoid(self.gate(branches)))
        return y.reshape(len(x), -1)
