"""The gate between a new bundle and its being kept: watched, then confirmed or rolled back."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

from edge_sdk.contract import Bundle
from firmware_bridge.golden import judge_clips, read_clips
from firmware_bridge.health import Verdict, Watch, reading_from_line
from firmware_bridge.slots import Slots
from firmware_bridge.state import Slot, State, described

LOOK_S = 0.25  # between looks at a stream that says nothing
PIECE = 2**16


class Lines:
    """Whole lines from pieces of a pipe."""

    def __init__(self) -> None:
        self._rest = b""

    def of(self, piece: bytes) -> Iterator[bytes]:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        yield from lines


def watched(source: int, watch: Watch) -> Verdict:
    """The verdict on the stream whose reports come from a descriptor."""
    lines = Lines()
    while (verdict := watch.verdict(time.monotonic())) is None:
        if not select.select([source], (), (), LOOK_S)[0]:
            continue
        if not (piece := os.read(source, PIECE)):
            return watch.ended()
        for line in lines.of(piece):
            watch.observe(reading_from_line(line), time.monotonic())
    return verdict


def judge_golden(slots: Slots, bundle: Bundle, folder: Path, budget_db: float) -> Verdict:
    """Whether the active bundle, this one, does on golden clips what the other slot's did."""
    state = slots.state_or_salvage()
    return judge_clips(read_clips(folder), bundle, slots.bundle(state, state.other), budget_db)


def settle(slots: Slots, bundle: Bundle, verdict: Verdict) -> State:
    """Confirm what was found good, roll back what was not, even where only the microphone is left."""
    watched_slot: Slot = described(bundle)
    return slots.confirm(watched_slot) if verdict.healthy else slots.rollback(watched_slot, to_bypass=True)
