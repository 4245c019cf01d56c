"""What a network's masks still take off a beam: a filter can only place its nulls, noise from all around stays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_sdk.beamforming.signals import Real


@dataclass(frozen=True)
class PostFilterConfig:
    """Gains of a post-filter: the mask to the power of `exponent`, and never below `floor_db`.

    With an exponent of 1 masks of outputs and of what these leave of the mixture are those of a Wiener filter.
    """

    exponent: float = 0.25
    floor_db: float = -20.0

    def __post_init__(self) -> None:
        if not (0 < self.exponent <= 2 and -100 <= self.floor_db <= 0):
            raise ValueError(
                f"exponent = {self.exponent:g}, floor_db = {self.floor_db:g}: expected above 0 to 2, and -100 to 0"
            )

    def gains(self, masks: Real) -> Real:
        """For masks of any shape."""
        gains: Real = np.maximum(masks**self.exponent, 10 ** (self.floor_db / 20))
        return gains
