"""The learning rate over a training: warm-up, plateau, decay.

Nothing on the plateau depends on how long the training will be (Hägele et al., 2024), so a training that was planned
too short goes on from where its decay began, and ends as if it had been planned longer.
"""

from __future__ import annotations

import math


def rate_factor(done: int, steps: int, warmup: int, decay_from: float) -> float:
    """What the learning rate is multiplied by after `done` steps: up in a line, one, then down to zero as a cosine."""
    share = done / steps
    rise = min(1.0, (done + 1) / max(1, warmup))
    falling = max(0.0, share - decay_from) / max(1e-9, 1 - decay_from)
    return rise * 0.5 * (1 + math.cos(math.pi * min(1.0, falling)))


def plateau_end(steps: int, decay_from: float) -> int:
    """Steps after which the decay begins."""
    return int(decay_from * steps)
