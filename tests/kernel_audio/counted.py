"""A capture that may go away, and the clock that what came of it is held against."""

from __future__ import annotations

import time
from collections.abc import Callable

from edge_sdk.audio.alsa import PcmConfig
from edge_sdk.live.reopening import ReopeningCapture

RATE = 16_000
DUMMY = PcmConfig("hw:CARD=Dummy,DEV=0", RATE, 2, period=160, periods=100)
LATE_S = 0.25  # by which a read may come late here
BACK_S = 10.0  # ten times what `ReopeningCapture` needs where nothing is slow


class Counted:
    """Reads a capture, and knows how long it has and how much came of it."""

    def __init__(self, capture: ReopeningCapture) -> None:
        self.capture, self.captured, self.lost = capture, 0, 0
        self.turn()
        self.start_s = time.monotonic() - (self.captured + self.lost) / RATE

    def turn(self) -> None:
        samples, lost = self.capture.read()
        self.captured += samples.shape[1]
        self.lost += lost

    def until(self, happened: Callable[[], bool], limit_s: float = BACK_S) -> None:
        end_s = time.monotonic() + limit_s
        while not happened():
            assert time.monotonic() < end_s, f"not within {limit_s:g} s"
            self.turn()

    def for_s(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.turn()

    def late_s(self) -> float:
        """How much less time went by in the samples, those lost with them, than by the clock."""
        return time.monotonic() - self.start_s - (self.captured + self.lost) / RATE
