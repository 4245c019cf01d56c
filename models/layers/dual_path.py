"""Dual-path RNN (Luo, Chen & Yoshioka, 2020): one recurrence inside short chunks of a long sequence, one across them.

Frame by frame, the causal form needs no chunk to be complete. With chunks of K frames, none overlapping,

    frame            t-K           t-1   t
    within chunks                  o---->o         h and c of the frame before, nothing where a chunk begins
    across chunks    o------------------>o         h and c of K frames before: same place, last chunk

so both recurrences are functions of the past, and the separator adds no latency: a TasNet around it has that of its
window. What the published form has besides is left out of the causal one: both directions and the global norm need the
future; chunks overlapping by half would not (every frame would pass twice, in two chunks), but cost twice the
arithmetic. In an exported step the recurrence across chunks is two delay lines, one for h and one for c, of two taps K
frames apart: the host keeps K rows and moves one.

The form as published is here to train teachers; it takes whole signals and refuses to stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from models.layers.norms import future_norm, input_norm
from models.layers.recurrent import (
    ResidualProjection,
    SegmentLSTM,
    common_position,
    lstm_state,
    output_layer,
    run_lstm,
)
from models.streaming import State, Streaming, refuse_future


@dataclass(frozen=True)
class DualPathConfig:
    """Sizes of a dual-path RNN; letters are those of Luo, Chen & Yoshioka (2020)."""

    bottleneck: int = 64  # channels between blocks (N)
    hidden: int = 128  # units of an LSTM; of each direction where it is not causal (H)
    chunk: int = 100  # frames (K)
    blocks: int = 6  # (B)
    causal: bool = True  # False: as published, to train a teacher
    norm: str = "frame"  # "global" where it is not causal
    horizon: int = 4000  # frames a cumulative norm remembers
    kind: Literal["dual-path"] = "dual-path"

    def __post_init__(self) -> None:
        if min(self.bottleneck, self.hidden, self.blocks) < 1 or self.chunk < 2:
            raise ValueError(f"{self}: sizes must be positive and a chunk has two frames or more")
        if not self.causal and self.chunk % 2:
            raise ValueError(f"chunk = {self.chunk}: chunks that overlap by half have an even number of frames")
        input_norm(self, 1)  # refuses unknown norms and horizons

    @property
    def future(self) -> tuple[str, ...]:
        """The parts that need the future."""
        if self.causal:
            return ()
        both = ("intra-chunk LSTMs of both directions", "inter-chunk LSTMs of both directions")
        return (*both, *future_norm(self))


class DelayedLSTM(Streaming):
    """An LSTM whose every frame goes on from the state of `delay` frames before: `delay` recurrences, interleaved.

    Shape: `[B, T, inputs]` to `[B, T, hidden]`. State: `h` and `c` of the last `delay` frames, oldest first,
    `[B, delay, hidden]` each. A block is cut into rows of `delay` frames; columns run side by side.
    """

    def __init__(self, inputs: int, hidden: int, delay: int) -> None:
        super().__init__()
        self.delay = delay
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)

    def init_state(self, batch: int = 1) -> State:
        h, c = lstm_state(self.lstm, batch * self.delay)
        return h.unflatten(0, (batch, self.delay)), c.unflatten(0, (batch, self.delay))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        batch, frames, channels = x.shape
        rows, rest = divmod(frames, self.delay)
        outputs, frame = [], 0
        for height, width in ((rows, self.delay), (1, rest)):
            if height * width:
                part = x[:, frame : frame + height * width].reshape(batch, height, width, channels)
                columns = part.transpose(1, 2).reshape(batch * width, height, channels)
                y, after = run_lstm(self.lstm, columns, [s[:, :width].flatten(0, 1) for s in state])
                outputs.append(y.reshape(batch, width, height, -1).transpose(1, 2).flatten(1, 2))
                new = [s.unflatten(0, (batch, width)) for s in after]
                h, c = (torch.cat([s[:, width:], n], dim=1) for s, n in zip(state, new, strict=True))
                frame, state = frame + height * width, (h, c)
        return torch.cat(outputs, dim=1), state


class CausalBlock(nn.Module):
    """An LSTM within chunks, then one across them, each with its residual path.

    Shape: `[B, T, bottleneck]` to the same. State: for both, that of the LSTM and of the norm.
    """

    def __init__(self, config: DualPathConfig) -> None:
        super().__init__()
        width, hidden = config.bottleneck, config.hidden
        self.intra = SegmentLSTM(width, hidden, config.chunk)
        self.intra_out = ResidualProjection(hidden, width, input_norm(config, width))
        self.inter = DelayedLSTM(width, hidden, config.chunk)
        self.inter_out = ResidualProjection(hidden, width, input_norm(config, width))

    def init_state(self, batch: int = 1) -> State:
        parts = (self.intra, self.intra_out, self.inter, self.inter_out)
        return tuple(part.init_state(batch) for part in parts)

    def step(self, x: Tensor, state: State, position: int) -> tuple[Tensor, State]:
        intra, intra_norm, inter, inter_norm = state
        y, intra, _ = self.intra.step(x, intra, position)
        x, intra_norm = self.intra_out.step(x, y, intra_norm)
        y, inter = self.inter.step(x, inter)
        x, inter_norm = self.inter_out.step(x, y, inter_norm)
        return x, (intra, intra_norm, inter, inter_norm)


class OfflineBlock(nn.Module):
    """The block as published: both directions. Shape: chunks `[B, S, chunk, bottleneck]` to the same."""

    def __init__(self, config: DualPathConfig) -> None:
        super().__init__()
        width, hidden = config.bottleneck, config.hidden
        self.intra = nn.LSTM(width, hidden, batch_first=True, bidirectional=True)
        self.intra_out = ResidualProjection(2 * hidden, width, input_norm(config, width))
        self.inter = nn.LSTM(width, hidden, batch_first=True, bidirectional=True)
        self.inter_out = ResidualProjection(2 * hidden, width, input_norm(config, width))

    def forward(self, x: Tensor) -> Tensor:
        batch, chunks, _, _ = x.shape
        y = self.intra(x.flatten(0, 1))[0].unflatten(0, (batch, chunks))
        x = self.intra_out(x, y)
        across = x.transpose(1, 2)  # [B, chunk, S, bottleneck]
        y = self.inter(across.flatten(0, 1))[0].unflatten(0, across.shape[:2])
        return self.inter_out(x, y.transpose(1, 2))


class Masks(nn.Module):
    """A branch for every mask, and a gated layer that all branches share, as in the published code.

    `branch` takes `[..., channels]` to `[..., branches, channels]`, and `gated` that to `[..., outputs]`.
    """

    def __init__(self, channels: int, outputs: int, branches: int, quiet_start: bool) -> None:
        super().__init__()
        self.shape = (branches, channels)
        self.prelu = nn.PReLU()
        self.split = nn.Linear(channels, branches * channels)
        self.value = nn.Linear(channels, channels)
        self.gate = nn.Linear(channels, channels)
        self.output = output_layer(channels, outputs // branches, quiet_start, bias=False)

    def branch(self, x: Tensor) -> Tensor:
        return self.split(self.prelu(x)).unflatten(-1, self.shape)

    def gated(self, x: Tensor) -> Tensor:
        return self.output(self.value(x).tanh() * self.gate(x).sigmoid()).flatten(-2)


class DualPath(Streaming):
    """Norm, bottleneck, dual-path blocks, and gated layers to the masks.

    Shape: `[B, T, inputs]` to `[B, T, outputs]`; outputs are cut into `branches` that share their last layers, one for
    every `inputs` of them if not said. State: the position in the chunk `[B, 1]`, the norm's, that of each block.
    """

    def __init__(
        self,
        config: DualPathConfig,
        inputs: int,
        outputs: int,
        quiet_start: bool = False,
        branches: int | None = None,
    ) -> None:
        super().__init__()
        if outputs % (branches or inputs):
            raise ValueError(
                f"{outputs} outputs for {inputs} inputs in {branches or 'as many'} branches: expected a multiple, "
                "of the branches where they are given and else of the inputs"
            )
        branches = branches or outputs // inputs
        self.config = config
        self.norm = input_norm(config, inputs)
        self.bottleneck = nn.Linear(inputs, config.bottleneck)
        block = CausalBlock if config.causal else OfflineBlock
        self.blocks = nn.ModuleList(block(config) for _ in range(config.blocks))
        self.masks = Masks(config.bottleneck, outputs, branches, quiet_start)

    def init_state(self, batch: int = 1) -> State:
        refuse_future(self, self.config.future)
        position = self.bottleneck.weight.new_zeros(batch, 1)
        return position, self.norm.init_state(batch), tuple(block.init_state(batch) for block in self.blocks)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        refuse_future(self, self.config.future)
        position, norm, memories = state
        begin, after = common_position(position), []
        x, norm = self.norm.step(x, norm)
        x = self.bottleneck(x)
        for block, memory in zip(self.blocks, memories, strict=True):
            x, memory = block.step(x, memory, begin)
            after.append(memory)
        position = (position + x.shape[1]) % self.config.chunk
        return self.masks.gated(self.masks.branch(x)), (position, norm, tuple(after))

    def forward(self, x: Tensor) -> Tensor:
        if self.config.causal:
            return super().forward(x)
        frames, y = x.shape[1], chunks(self.bottleneck(self.norm(x)), self.config.chunk)
        for block in self.blocks:
            y = block(y)
        return self.masks.gated(joined(self.masks.branch(y).flatten(-2), frames).unflatten(-1, self.masks.shape))


def chunks(x: Tensor, chunk: int) -> Tensor:
    """Chunks that overlap by half, `[B, T, C]` to `[B, S, chunk, C]`; every frame is in two of them.

    A chunk of zeros stands before and after the sequence, as in Asteroid's DPRNN.
    """
    return nn.functional.pad(x, (0, 0, chunk, chunk)).unfold(1, chunk, chunk // 2).transpose(2, 3)


def joined(x: Tensor, frames: int) -> Tensor:
    """The sum of overlapping chunks, `[B, S, chunk, C]` back to `[B, frames, C]`."""
    first, second = x.chunk(2, dim=2)
    pad = nn.functional.pad
    total = pad(first, (0, 0, 0, 0, 0, 1)) + pad(second, (0, 0, 0, 0, 1, 0))
    return total.flatten(1, 2)[:, x.shape[2] : x.shape[2] + frames]
