"""How loud samples may be before they are no sound but a fault."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOUDEST = 1e6  # 120 dB above full scale: no recording has it, and squares in a network stay far from infinity


def implausible(samples: NDArray[np.float32]) -> str:
    """What is wrong with samples that are NaN, infinite or absurdly loud; nothing where they are neither."""
    if np.vdot(samples, samples) <= LOUDEST:  # their energy: one pass, and nothing allocated, for every block there is
        return ""
    loudest = float(np.abs(samples).max(initial=0))
    if loudest <= LOUDEST:
        return ""
    return "NaN or infinite samples" if not np.isfinite(loudest) else f"samples up to {loudest:g} times full scale"
