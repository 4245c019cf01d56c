"""How much worse a model may get. Standard library only: pytest loads this at the start of every run."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """What a model may lose against its baseline, in dB SI-SDR; `quantization.regression.verdict` is the rule.

    mean_db: of the mean over all clips. Where the baseline is of another training it must be above what the mean
    differs by from one seed to the next: the gate knows the spread among clips, not the one among seeds.
    worst_db: of any one clip. A plain limit, for nothing tells the noise of a single clip. The default is for one
    network in two precisions; two trainings may differ by more on one clip, so measure it on two of them first.
    """

    mean_db: float = 0.15
    worst_db: float = 0.5

    def __post_init__(self) -> None:
        for name in ("mean_db", "worst_db"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
                raise ValueError(f"{name} = {value!r}: expected a loss in dB, 0 or more")
        if self.worst_db < self.mean_db:
            raise ValueError(
                f"worst_db = {self.worst_db} is below mean_db = {self.mean_db}: expected a clip to be allowed no less"
            )
