r"""SkiM, the skipping-memory LSTM (Li, Yang, Zhang & Qian, 2022), causal.

A sequence is cut into segments. Each block's segment LSTM runs through one segment at a time; what it remembers at the
end, h and c, goes through two memory LSTMs, one step per segment, and the segment LSTM of the next block starts the
next segment from what comes out:

    block 1   |---------->|   |---------->|        starts every segment from zeros
                      h, c \                       memory LSTMs, once per segment
    block 2   |---------->| ->|---------->|

No frame waits for a later one, so the separator adds no latency. A norm and a linear layer stand before the first
block, as in the other separators; the published network has neither. An exported step carries h and c of all LSTMs and
the position; its memory LSTMs run at every frame and count at the last of a segment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from models.layers.norms import make_norm
from models.layers.recurrent import LSTM, ResidualProjection, SegmentLSTM, common_position, output_layer
from models.streaming import State, Streaming


@dataclass(frozen=True)
class SkiMConfig:
    """Sizes of a SkiM; segment, hidden and blocks as in the authors' recipe for WSJ0-2mix with windows of 2 samples."""

    bottleneck: int = 64  # channels between blocks
    hidden: int = 128  # units of an LSTM
    segment: int = 250  # frames (K)
    blocks: int = 6
    norm: str = "frame"
    horizon: int = 4000  # frames a cumulative norm remembers, or segments in a memory
    kind: Literal["skim"] = "skim"

    def __post_init__(self) -> None:
        if min(self.bottleneck, self.hidden, self.blocks, self.segment) < 1:
            raise ValueError(f"{self}: sizes must be positive")
        make_norm(self.norm, 1, self.horizon)  # refuses unknown norms and horizons


class MemoryLSTM(Streaming):
    """An LSTM over what segments end with, with a residual path. Shape: `[B, n, hidden]` to the same, `n` from 0 on."""

    def __init__(self, config: SkiMConfig) -> None:
        super().__init__()
        self.lstm = LSTM(config.hidden, config.hidden)
        norm = make_norm(config.norm, config.hidden, config.horizon)
        self.project = ResidualProjection(config.hidden, config.hidden, norm)

    def init_state(self, batch: int = 1) -> State:
        return self.lstm.init_state(batch), self.project.init_state(batch)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        if not x.shape[1]:
            return x, state
        memory, norm = state
        y, memory = self.lstm.step(x, memory)
        y, norm = self.project.step(x, y, norm)
        return y, (memory, norm)


class SkiM(Streaming):
    """Norm, bottleneck, segment LSTMs with memories between them, activation, and a linear layer to the outputs.

    Shape: `[B, T, inputs]` to `[B, T, outputs]`. State: the position in the segment `[B, 1]`, the norm's, those of the
    segment LSTMs, of the norms after them, and, for each block but the last, of the memories of h and of c.
    """

    def __init__(self, config: SkiMConfig, inputs: int, outputs: int, quiet_start: bool = False) -> None:
        super().__init__()
        self.config = config
        self.norm = make_norm(config.norm, inputs, config.horizon)
        self.bottleneck = nn.Linear(inputs, config.bottleneck)
        width, between = config.bottleneck, range(config.blocks - 1)
        self.segments = nn.ModuleList(SegmentLSTM(width, config.hidden, config.segment) for _ in range(config.blocks))
        self.projects = nn.ModuleList(
            ResidualProjection(config.hidden, width, make_norm(config.norm, width, config.horizon))
            for _ in range(config.blocks)
        )
        self.memories = nn.ModuleList(nn.ModuleList([MemoryLSTM(config), MemoryLSTM(config)]) for _ in between)
        self.prelu = nn.PReLU()
        self.output = output_layer(width, outputs, quiet_start)

    def init_state(self, batch: int = 1) -> State:
        return (
            self.bottleneck.weight.new_zeros(batch, 1),
            self.norm.init_state(batch),
            tuple(segment.init_state(batch) for segment in self.segments),
            tuple(project.init_state(batch) for project in self.projects),
            tuple((h.init_state(batch), c.init_state(batch)) for h, c in self.memories),
        )

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        position, norm, within, norms, memories = state
        begin, given = common_position(position), None
        x, norm = self.norm.step(x, norm)
        x = self.bottleneck(x)
        within, norms, memories = list(within), list(norms), list(memories)
        for block, (segment, project) in enumerate(zip(self.segments, self.projects, strict=True)):
            y, within[block], ends = segment.step(x, within[block], begin, given)
            x, norms[block] = project.step(x, y, norms[block])
            if block < len(memories):
                given, memories[block] = self.remember(block, ends, memories[block])
        position = (position + x.shape[1]) % self.config.segment
        return self.output(self.prelu(x)), (position, norm, tuple(within), tuple(norms), tuple(memories))

    def remember(self, block: int, ends: State, state: State) -> tuple[State, State]:
        """What the next block's segments start from, given how this one's ended; and the memories after that."""
        pairs = [memory.step(e, s) for memory, e, s in zip(self.memories[block], ends, state, strict=True)]
        given, after = zip(*pairs, strict=True)
        return given, after
