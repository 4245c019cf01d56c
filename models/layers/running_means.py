"""Running means that equal plain ones at first and fade exponentially later, of many frames at once.

Step sizes are `1 / min(frames so far, horizon)`, so a mean of a few frames is theirs alone, and one of many never stops
adapting. The recursion is solved in closed form, chunk by chunk.
"""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK = 64  # frames solved at once; keeps the products of (1 - step size) far from underflow
SHORTEST_HORIZON = 2  # frames; one would be the frame itself


def running_means(x: Tensor, before: Tensor, count: Tensor, horizon: int) -> Tensor:
    """The running means after every frame of `x`, `[B, T, C]` to the same.

    `before` is the one before the first of them, `[B, C]`, and `count` the frames behind it, `[B, 1]`.
    """
    parts = []
    for part in x.split(CHUNK, dim=1):
        decay, weights = running_mean_weights(count, part.shape[1], horizon)
        means = decay[:, :, None] * before[:, None] + weights @ part
        parts.append(means)
        before, count = means[:, -1], (count + part.shape[1]).clamp(max=horizon)
    return torch.cat(parts, dim=1)


def running_mean_weights(count: Tensor, frames: int, horizon: int) -> tuple[Tensor, Tensor]:
    """How much of the past mean, `[B, T]`, and of each new frame, `[B, T, T]`, is in each of the new running means.

    `count` are the frames behind the past mean, `[B, 1]`. The recursion `r_t = (1 - a_t) r_(t-1) + a_t s_t` with
    `a_t = 1 / min(count + t, horizon)` is solved with cumulative sums of logarithms.
    """
    numbers = count + torch.arange(1, frames + 1, device=count.device)
    step_size = 1 / numbers.clamp(max=horizon)
    # With nothing in the past its weight does not matter, and 1 - a_1 = 0 would have no logarithm.
    log_keep = torch.where(numbers > 1.5, 1 - step_size, torch.ones_like(step_size)).log().cumsum(dim=1)
    weights = (log_keep[:, :, None] - log_keep[:, None, :]).exp() * step_size[:, None, :]
    return log_keep.exp(), weights.tril()
