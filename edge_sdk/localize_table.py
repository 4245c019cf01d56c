"""Moments of a localizer as lines: fewer of them, for people or for programs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_sdk.beamforming.localizer import Moment, Talker


def thinned(moments: Iterable[Moment], every_s: float) -> Iterator[Moment]:
    """One moment per so many seconds, and the last, in which everybody is heard who was since the one before."""
    due, heard, last = every_s, set[int](), None
    for moment in moments:
        heard |= {slot for slot, talker in enumerate(moment.talkers) if talker is not None and talker.heard}
        talkers = (t and dataclasses.replace(t, heard=slot in heard) for slot, t in enumerate(moment.talkers))
        last = dataclasses.replace(moment, talkers=tuple(talkers))
        if moment.time_s > due - 1e-9:
            yield last
            due += every_s * max(1, math.ceil((moment.time_s - due) / every_s))
            heard, last = set(), None
    if last is not None:
        yield last


def plain(talker: Talker | None) -> dict[str, Any] | None:
    """A talker in degrees."""
    return None if talker is None else talker.in_degrees()


def table(rows: Sequence[Moment]) -> Iterator[str]:
    """Lines for people."""
    yield from header(len(rows[0].talkers))
    yield from map(line, rows)


def header(talkers: int) -> Iterator[str]:
    yield "azimuth in degrees from the array's x towards its y, and elevation where asked for; in brackets while silent"
    yield f"{'time s':>8}" + "".join(f"{f'talker {slot + 1}':>20}" for slot in range(talkers))


def line(row: Moment) -> str:
    return f"{row.time_s:8.2f}" + "".join(f"{cell(talker):>20}" for talker in row.talkers)


def cell(talker: Talker | None) -> str:
    if talker is None:
        return "- "
    azimuth = f"{math.degrees(talker.azimuth_rad):.1f} ±{math.degrees(talker.unsure_rad):.0f}"
    above = "" if talker.elevation_rad is None else f" up {math.degrees(talker.elevation_rad):.0f}"
    return f"{azimuth}{above} " if talker.heard else f"({azimuth}{above})"
