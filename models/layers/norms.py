"""Normalizations that need no future and stay the same after hours; and one for teachers, which needs it.

None has a gain or bias of its own: a linear layer follows each of them and holds both.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from models.layers.running_means import CHUNK, running_means
from models.streaming import State, Streaming

EPS = 1e-5
GLOBAL_EPS = 1e-8  # of the published global layer norm
NORMS = ("frame", "batch", "cumulative")


class FrameNorm(Streaming):
    """Zero mean and unit variance over the channels of each frame: no memory at all, the edge default.

    Shape: `[B, T, C]` to the same.
    """

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        return nn.functional.layer_norm(x, x.shape[-1:], eps=EPS), state


class BatchNorm(Streaming):
    """Per-channel statistics of the training data, constant afterwards: folds into a neighbouring linear layer.

    Shape: `[B, T, C]` to the same. In training mode the statistics are those of the batch, so streaming
    equals the whole sequence in evaluation mode only.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels, eps=EPS, affine=False)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        return self.norm(x.flatten(0, 1)).unflatten(0, x.shape[:2]), state

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """`a`, `c` with `norm(x) = a * x + c` in evaluation mode, `[C]` each."""
        scale = (self.norm.running_var + EPS).rsqrt()
        return scale, -self.norm.running_mean * scale


class CumulativeNorm(Streaming):
    """Statistics over channels and all frames so far, cLN of Luo & Mesgarani (2019), with a bounded horizon.

    A plain cumulative sum grows for ever and stops adapting. Here the mean and mean square are running means whose
    step size is `1 / min(frames so far, horizon)`: equal to cLN for the first `horizon` frames, then an exponential
    window. Mean, mean square and a counter that stops at the horizon are the whole state.

    Shape: `[B, T, C]` to the same. State: `(statistics [B, 2], frames so far [B, 1])`.
    """

    def __init__(self, horizon: int) -> None:
        super().__init__()
        if horizon <= CHUNK:
            raise ValueError(f"a horizon of {horizon} frames: expected more than {CHUNK}")
        self.horizon = horizon
        self.register_buffer("nothing", torch.zeros(1, 2), persistent=False)

    def init_state(self, batch: int = 1) -> State:
        return self.nothing.expand(batch, -1), self.nothing[:, :1].expand(batch, -1)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        running, count = state
        per_frame = torch.stack([x.mean(-1), x.square().mean(-1)], dim=-1)  # [B, T, 2]
        means = running_means(per_frame, running, count, self.horizon)
        mean, square = means.split(1, dim=-1)
        after = means[:, -1], (count + x.shape[1]).clamp(max=self.horizon)
        return (x - mean) * (square - mean.square() + EPS).clamp(min=EPS).rsqrt(), after


class GlobalNorm(Streaming):
    """Zero mean and unit variance over everything but the batch, gLN of Luo & Mesgarani (2019): for teachers.

    Its one block is the whole sequence: what has such a norm must refuse to stream. Shape: `[B, ...]` to the same.
    """

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        return nn.functional.layer_norm(x, x.shape[1:], eps=GLOBAL_EPS), state


def make_norm(kind: str, channels: int, horizon: int) -> Streaming:
    """The norm of that name; refuses those that look into the future."""
    if kind == "frame":
        return FrameNorm()
    if kind == "batch":
        return BatchNorm(channels)
    if kind == "cumulative":
        return CumulativeNorm(horizon)
    future = " (it averages over the future, so it cannot stream)" if kind in ("global", "gLN") else ""
    raise ValueError(f"norm {kind!r}{future}: expected one of {', '.join(NORMS)}")


def input_norm(config: Any, channels: int) -> Streaming:
    """The norm that the fields `causal`, `norm` and `horizon` of a configuration ask for."""
    if config.norm == "global" and not config.causal:
        return GlobalNorm()
    return make_norm(config.norm, channels, config.horizon)


def future_norm(config: Any) -> tuple[str, ...]:
    """The norm of a configuration, if it needs the future."""
    return ("global norm",) if config.norm == "global" else ()
