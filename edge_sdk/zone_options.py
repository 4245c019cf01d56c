"""Azimuths on the command line, and `--keep` and `--null`: zones to look in, and zones to hear nothing from."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _ActionsContainer

    from edge_sdk.beamforming.zones import Zone


def degrees(text: str) -> float:
    """An azimuth."""
    if not -180 <= (value := float(text)) <= 360:
        raise argparse.ArgumentTypeError(f"{text}: expected degrees from -180 to 360, from the array's x towards its y")
    return value


def add_zones(command: _ActionsContainer, keep: str, null: str) -> None:
    """Add `--keep` and `--null`, each with what it does there."""
    for flag, does in (("--keep", keep), ("--null", null)):
        command.add_argument(
            flag,
            type=degrees,
            nargs=2,
            action="append",
            default=[],
            metavar=("FROM", "TO"),
            help=f"{does}; degrees from the array's x towards its y, several times for several zones",
        )


def zones(given: Sequence[Sequence[float]]) -> tuple[Zone, ...]:
    """What was given to one of them."""
    from edge_sdk.beamforming.zones import Zone

    return tuple(Zone(*map(math.radians, zone)) for zone in given)
