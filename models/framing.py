"""From samples to overlapping frames and back, as streaming layers.

    context        window
    |-------------|------|        analysis frame t: ends at sample (t + 1) * hop
                  |------|        synthesis frame t
              hop  ->|--|         every frame starts one hop later

The analysis frame may reach into the past by `context` samples: that costs no delay. Only the synthesis window does: a
sample is complete when the last frame that covers it has arrived, so the output runs `window - hop` samples behind.
The NumPy twin that runs on a board is `edge_sdk/framing.py`; a test holds the two together.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.streaming import State, Streaming


class Frames(Streaming):
    """Overlapping frames of a signal, the past before the stream being silence.

    Shape: `[B, n]` to `[B, T, length]` with `n = T * hop`. State: the last `length - hop` samples.
    """

    def __init__(self, length: int, hop: int) -> None:
        super().__init__()
        if not 0 < hop <= length:
            raise ValueError(f"frames of {length} samples every {hop}: the hop must be between 1 and the length")
        self.length, self.hop = length, hop
        self.register_buffer("silence", torch.zeros(1, length - hop), persistent=False)

    def init_state(self, batch: int = 1) -> State:
        return self.silence.expand(batch, -1)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        _, samples = x.shape
        if not samples or samples % self.hop:
            raise ValueError(f"a block of {samples} samples: expected a positive multiple of the hop, {self.hop}")
        signal = torch.cat([state, x], dim=1)
        return signal.unfold(1, self.length, self.hop), signal[:, samples:]


class OverlapAdd(Streaming):
    """The sum of overlapping frames.

    Shape: `[B, T, window]` to `[B, T * hop]`, `window - hop` samples behind the frames' ends.
    State: the last `window - hop` samples of the sum, not complete yet.
    """

    def __init__(self, window: int, hop: int) -> None:
        super().__init__()
        if window % hop:
            raise ValueError(f"window {window} must be a multiple of the hop {hop}")
        self.window, self.hop = window, hop
        self.register_buffer("silence", torch.zeros(1, window - hop), persistent=False)

    def init_state(self, batch: int = 1) -> State:
        return self.silence.expand(batch, -1)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        batch, frames, _ = x.shape
        overlap = self.window // self.hop
        parts = x.reshape(batch, frames, overlap, self.hop)
        total = torch.cat([state, x.new_zeros(batch, frames * self.hop)], dim=1).reshape(batch, -1, self.hop)
        for part in range(overlap):  # the part-th hop of every frame lands `part` hops after the frame's start
            landed = torch.nn.functional.pad(parts[:, :, part], (0, 0, part, overlap - 1 - part))
            total = total + landed
        signal = total.reshape(batch, -1)
        return signal[:, : frames * self.hop], signal[:, frames * self.hop :]
