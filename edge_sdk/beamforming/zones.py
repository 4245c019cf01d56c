"""Parts of the horizon that somebody is looked for in, or that are left out."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Zone:
    """Azimuths in radians, from one, turning from x towards y, to another; beyond pi they go on at -pi."""

    start_rad: float
    end_rad: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start_rad) and math.isfinite(self.end_rad)):
            raise ValueError(f"a zone from {self.start_rad} to {self.end_rad}: expected finite angles in radians")

    @property
    def width_rad(self) -> float:
        return (self.end_rad - self.start_rad) % math.tau

    def __contains__(self, azimuth_rad: float) -> bool:
        return (azimuth_rad - self.start_rad) % math.tau <= self.width_rad


def listened_to(azimuth_rad: float, keep: tuple[Zone, ...], null: tuple[Zone, ...]) -> bool:
    """Whether an azimuth lies in a zone to keep, or there is none of these, and in no zone to null."""
    return (not keep or any(azimuth_rad in zone for zone in keep)) and not any(azimuth_rad in zone for zone in null)
