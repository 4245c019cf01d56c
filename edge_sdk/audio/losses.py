"""How many samples an overrun has lost: what the clock expects less what was counted."""

from __future__ import annotations

import math

WINDOW_S = 1.0  # of its arrivals the earliest counts
FOLLOW, LEARN = 0.5, 0.1  # share of its deviation that corrects the line's place and, per second, its slope
STEEPEST = 1e-3  # of the slope; two quartz clocks differ by some 1e-4
JUMP_S = 0.02  # more than clocks drift apart in a window: samples went missing and nobody said so


class LossCounter:
    """The line between the samples of a stream and the times of their arrival, drawn on across overruns.

    Samples may come late, never early, so the earliest arrival of every second corrects the line, which thereby follows
    the difference of the two clocks. The first arrival after an overrun shows how many samples are missing. If it came
    late that is too many, and the second that follows tells by how many; they cannot be taken back, but the next
    overrun loses as many less, so that errors do not add up.
    """

    def __init__(self, rate_hz: int) -> None:
        if rate_hz < 1:
            raise ValueError(f"rate_hz = {rate_hz}: expected samples per second")
        self.rate_hz = rate_hz
        self.count = 0  # samples on the line, the lost ones with them
        self.ahead = 0  # samples said to be lost beyond those
        self.start_s = 0.0  # where sample 0 lies on the line, at the begin of the window
        self.slope = 0.0  # seconds by which it moves per second
        self.window_s = 0.0  # begin of the window
        self.earliest_s = math.inf  # smallest deviation from the line in the window
        self.first = True  # whether this is the first window
        self.resumed = False  # whether this is the first window after an overrun

    def arrived(self, samples: int, now_s: float, overrun: bool = False) -> int:
        """How many samples were lost before these, which have arrived now by a monotonic clock.

        Never negative, and 0 where no overrun came before them.
        """
        lost = 0
        if not self.count:
            self.start_s, self.window_s = now_s - samples / self.rate_hz, now_s
        elif overrun:
            self.turn(now_s, whole=False)
            missing = max(0, round(self.deviation_s(now_s) * self.rate_hz) - samples)
            lost = max(0, missing - self.ahead)
            self.ahead += lost - missing
            self.count += missing
            self.resumed = True
        self.count += samples
        self.earliest_s = min(self.earliest_s, self.deviation_s(now_s))
        if now_s - self.window_s >= WINDOW_S:
            self.turn(now_s, whole=True)
        return lost

    def deviation_s(self, now_s: float) -> float:
        """By how much the last sample counted is later than the line has it, if it arrives now."""
        return now_s - self.start_s - self.slope * (now_s - self.window_s) - self.count / self.rate_hz

    def turn(self, now_s: float, whole: bool) -> None:
        """End the window: its earliest arrival corrects the line, or the count after an overrun; and begin another."""
        took_s, early_s = now_s - self.window_s, self.earliest_s
        self.start_s += self.slope * took_s
        if early_s == math.inf:
            pass  # nothing arrived in it
        elif self.resumed:
            early = max(0, round(-early_s * self.rate_hz))
            self.count -= early
            self.ahead += early
        elif self.first or early_s < -JUMP_S or (whole and early_s > JUMP_S):
            self.start_s += early_s
        elif whole:
            self.start_s += FOLLOW * early_s
            self.slope = min(STEEPEST, max(-STEEPEST, self.slope + LEARN * early_s / took_s))
        self.window_s, self.earliest_s = now_s, math.inf
        self.first = self.resumed = False
