"""Feedback from the loudspeakers into the microphones: heard as a tone that grows, and stopped by less gain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
FRAME_S = 0.032
LOBE = 3  # bins to either side: a tone fills two under a Hann window; those that a long path favours alike lie near
STEADY_DB = 1.0  # from frame to frame: what a limiter holds, and no voice
HELD_DB = -3.0  # re the ceiling of the limiter: a tone that it would hold, and how far frames misjudge its level


@dataclass(frozen=True)
class HowlConfig:
    """When a tone is feedback, and what is done then.

    tonal: part of the power of a frame that lies in one tone. frames: in a row in which the same tone is heard and
    grows by at least step_db each; growth_db: since the first of them. A voice or a whistle jumps up and stays; what
    goes round a loop with a gain above one grows by the same factor each time, until the limiter holds it. loud_frames:
    in a row in which it would hold the same tone.
    down_db: taken off each time. hold_s: then the gain stays, and comes back at up_db_per_s; lowest_db: no less.
    """

    tonal: float = 0.9
    frames: int = 6
    step_db: float = 0.1
    growth_db: float = 6.0
    loud_frames: int = 8
    down_db: float = 6.0
    hold_s: float = 2.0
    up_db_per_s: float = 0.5
    lowest_db: float = -40.0

    def __post_init__(self) -> None:
        if not 0 < self.tonal < 1 or min(self.frames, self.loud_frames) < 2:
            raise ValueError(f"{self}: expected a part of one for tonal, and at least 2 frames")
        if not (min(self.step_db, self.growth_db, self.down_db, self.hold_s, self.up_db_per_s) > 0 > self.lowest_db):
            raise ValueError(f"{self}: expected numbers above 0, and lowest_db below")


class Howl:
    """Turns all channels down when one tone grows in their mean. What came before leaves as it is; each frame of 32 ms
    decides the gain at the end of the next one, to which it goes in a straight line.

    ceiling: of the limiter behind. gain_db: now. detected: how often there was feedback.
    """

    gain_db: float
    _peak: int  # bin of the tone
    _growing: int  # frames in a row
    _loud: int  # frames in a row
    _first_db: float  # of the tone, in the first of those in which it grew
    _last_db: float

    def __init__(self, rate_hz: int, ceiling: float, config: HowlConfig | None = None) -> None:
        c = self.config = config or HowlConfig()
        frame = max(8, round(FRAME_S * rate_hz))
        self.detected = 0
        self._hold = max(1, round(c.hold_s * rate_hz / frame))  # frames
        self._up_db = c.up_db_per_s * frame / rate_hz  # in a frame
        self._mean = np.zeros(frame, np.float32)
        self._ramp = np.arange(1, frame + 1, dtype=np.float32) / np.float32(frame)
        self._curve = np.empty(frame, np.float32)
        self._window = np.hanning(frame + 1)[:frame]
        # Power of a sine as loud as the ceiling: half of it lies at the negative frequencies.
        self._held_db = 10 * np.log10(ceiling**2 / 4 * frame * np.square(self._window).sum()) + HELD_DB
        self.reset()

    def reset(self) -> None:
        """Gain one, nothing heard; the count stays."""
        self.gain_db = 0.0
        self._mean.fill(0)
        self._filled = 0
        self._from, self._to = np.float32(1), np.float32(1)
        self._calm = self._hold  # frames since feedback
        self._forget()

    def suppress(self, x: Samples) -> None:
        """Suppress feedback in samples `[channels, n]` that are on their way to the loudspeakers, in place, any n."""
        begin, samples = 0, x.shape[1]
        while begin < samples:
            at = self._filled
            count = min(samples - begin, self._mean.size - at)
            piece, curve = x[:, begin : begin + count], self._curve[:count]
            np.mean(piece, axis=0, out=self._mean[at : at + count])
            if self._from != 1 or self._to != 1:
                np.multiply(self._ramp[at : at + count], self._to - self._from, out=curve)
                np.add(curve, self._from, out=curve)
                np.multiply(piece, curve, out=piece)
            begin, self._filled = begin + count, at + count
            if self._filled == self._mean.size:
                self._filled = 0
                self._decide()

    def _decide(self) -> None:
        """Judge a frame, and set the gain at the end of the next."""
        c = self.config
        self._calm += 1
        if self._howls():
            self.detected += 1
            self._calm = 0
            self.gain_db = max(c.lowest_db, self.gain_db - c.down_db)
            self._forget()
        elif self._calm > self._hold:
            self.gain_db = min(0.0, self.gain_db + self._up_db)
        self._from, self._to = self._to, np.float32(10 ** (self.gain_db / 20))

    def _howls(self) -> bool:
        """Whether the tone that this frame ends is feedback."""
        c = self.config
        power = np.abs(np.fft.rfft(self._mean * self._window)) ** 2
        power[:LOBE] = 0  # an offset is no tone
        peak = int(power.argmax())
        lobe = float(power[max(0, peak - LOBE) : peak + LOBE + 1].sum())
        if not lobe > c.tonal * float(power.sum()):  # fails for silence and NaN, too
            self._forget()
            return False
        level_db = 10 * np.log10(lobe)
        if abs(peak - self._peak) > LOBE:
            self._forget()
        steady = abs(peak - self._peak) <= 1 and abs(level_db - self._last_db) < STEADY_DB
        self._loud = self._loud + 1 if steady and level_db > self._held_db else 0
        self._growing = self._growing + 1 if level_db >= self._last_db + c.step_db else 0
        if not self._growing:
            self._first_db = level_db
        self._peak, self._last_db = peak, level_db
        grown = self._growing >= c.frames and level_db - self._first_db >= c.growth_db
        return grown or self._loud >= c.loud_frames

    def _forget(self) -> None:
        """No tone is heard."""
        self._peak, self._growing, self._loud = -LOBE - 1, 0, 0
        self._first_db = self._last_db = np.inf
