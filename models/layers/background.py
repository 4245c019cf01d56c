"""What every feature is against its background: running means of it, shown beside it.

Whether a bin holds speech is told less by its level than by how that compares with what the bin was like before: a
steady noise is its own mean, an onset stands out of it. Noise estimators rest on such means (Martin, 2001; Cohen,
2003), and they say the same of noises that were never heard in training. A separator that looks back would have to
learn them, from every bin through a bottleneck of a hundred channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.layers.running_means import SHORTEST_HORIZON, running_means
from models.streaming import State, Streaming


class Background(Streaming):
    """Features and their running means over each of the horizons, in frames.

    A mean is the plain one of all frames so far until there are as many as its horizon, and fades exponentially from
    then on. Shape: `[B, T, C]` to `[B, T, (1 + horizons) * C]`, the features first. State: `(means [B, horizons, C],
    frames so far [B, 1])`.
    """

    def __init__(self, horizons: tuple[int, ...], channels: int) -> None:
        super().__init__()
        if not horizons or min(horizons) < SHORTEST_HORIZON:
            raise ValueError(f"background = {list(horizons)}: expected horizons of {SHORTEST_HORIZON} frames or more")
        self.horizons, self.channels = horizons, channels
        self.register_buffer("nothing", torch.zeros(1, len(horizons), channels), persistent=False)

    def init_state(self, batch: int = 1) -> State:
        return self.nothing.expand(batch, -1, -1), self.nothing[:, 0, :1].expand(batch, -1)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        before, count = state
        with torch.autocast(x.device.type, enabled=False):  # a mean of a thousand frames moves by less than 2**-8
            levels = x.to(self.nothing.dtype)
            means = [
                running_means(levels, past, count, horizon)
                for past, horizon in zip(before.unbind(1), self.horizons, strict=True)
            ]
        after = torch.stack([mean[:, -1] for mean in means], dim=1)
        count = (count + x.shape[1]).clamp(max=max(self.horizons))
        return torch.cat([x, *(mean.to(x.dtype) for mean in means)], dim=-1), (after, count)
