"""What the findings of a search depend on; budgets, ratios and recipes only choose among them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.runs import Pairs
from models.training.provenance import sha256_of
from quantization.compression.origins import Pruning


def identity(
    checkpoints: Sequence[Path], mixtures: Pairs, count: int, pruning: Pruning | None, frames_per_step: int
) -> dict[str, Any]:
    """Plain data by names that an error can say: hashes of the networks, of every sample, of the training recipe."""
    samples = hashlib.sha256()
    for pair in mixtures:
        for sound in pair:
            samples.update(str(sound.shape).encode() + sound.tobytes())
    return {
        "checkpoints": [sha256_of(path) for path in checkpoints],
        "set": samples.hexdigest(),
        "count": count,
        "training recipe": sha256_of(pruning.training) if pruning else None,
        "multiple": pruning.multiple if pruning else None,
        "frames per step": frames_per_step,
    }
