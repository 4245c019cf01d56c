"""The weights of running means, `models.layers.norms.running_mean_weights` in operations that stay in the delegate.

Neither a choice between two tensors nor a cumulative sum does; products with constants of zeros and ones do.
"""

from __future__ import annotations

import torch
from torch import Tensor


def running_mean_weights(count: Tensor, frames: int, horizon: int) -> tuple[Tensor, Tensor]:
    """How much of the past mean, `[1, T]`, and of each new frame, `[1, T, T]`, is in each of the new running means.

    `count` are the frames behind the past mean, `[1, 1]`.
    """
    numbers = count + torch.arange(1, frames + 1)
    step_size = 1 / numbers.clamp(max=horizon)
    if frames == 1:
        return 1 - step_size, step_size[:, None]
    # With nothing in the past its weight does not matter, and 1 - a_1 = 0 would have no logarithm.
    first = (2 - numbers).clamp(min=0)
    until = torch.tensor([[float(s <= t) for s in range(frames)] for t in range(frames)])  # row t: the frames up to t
    log_keep = ((1 - step_size + first).log()[:, None] * until).sum(-1)
    weights = (log_keep[:, :, None] - log_keep[:, None]).exp() * step_size[:, None]
    return log_keep.exp(), weights * until
