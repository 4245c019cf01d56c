"""Questions and answers over a line that damages them: each question is answered once, however often it is sent.

Who asks sends a question again until its answer comes: at once when something damaged arrives, after a time that
doubles when nothing does. Who answers keeps the last answer, so what is asked twice is done once, and says so when it
could not read something. Sessions tell the answers of today from those that a buffer still held from yesterday.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from firmware_bridge.transports.frames import Frame, Frames, encoded
from firmware_bridge.transports.transport import TransportError

DAMAGED = Frame(0, 0, b"!")  # says: what came cannot be read; sessions begin at 1
BITS_PER_BYTE = 10  # with start and stop bit


class Line(Protocol):
    """A serial port; `Port` is one."""

    baud: int

    def read(self, seconds: float) -> bytes: ...

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Patience:
    """wait_s: for an answer, beside the time that the bytes need; doubled with each silence up to longest_s.
    silences: in a row, until nobody is there. damages: of one question, until the line is of no use."""

    wait_s: float = 0.25
    longest_s: float = 4.0
    silences: int = 8
    damages: int = 200


class Asker:
    """The end that asks."""

    def __init__(self, line: Line, place: str, patience: Patience | None = None) -> None:
        self.place, self._line, self._patience = place, line, patience or Patience()
        self._session, self._number, self._frames = secrets.randbelow(2**32 - 1) + 1, 0, Frames()

    def ask(self, kind: bytes, payload: bytes = b"") -> Frame:
        """The answer. `TransportError` where none comes."""
        self._number += 1
        question = encoded(Frame(self._session, self._number, kind, payload))
        p, silences, damages = self._patience, 0, 0
        while silences < p.silences and damages < p.damages:
            self._line.write(question)
            sent_s = (len(question) + 64) * BITS_PER_BYTE / self._line.baud
            answer, damaged = self._heard(sent_s + min(p.wait_s * 2**silences, p.longest_s))
            if answer is not None:
                return answer
            damages, silences = damages + damaged, 0 if damaged else silences + 1
        if damages:
            raise TransportError(f"{self.place}: too much is damaged on the way; check the cable, or take a lower rate")
        raise TransportError(
            f"{self.place}: nobody answers; start edge-sdk receive there, at the same rate; TX and RX have to cross"
        )

    def close(self) -> None:
        self._line.close()

    def _heard(self, seconds: float) -> tuple[Frame | None, bool]:
        """The answer to the latest question, or whether something damaged came first."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            damaged = False
            for frame in self._frames.of(self._line.read(left_s)):
                if frame is not None and (frame.session, frame.number) == (self._session, self._number):
                    return frame, False
                damaged = damaged or frame is None or frame == DAMAGED
            if damaged:
                return None, True
        return None, False


class Answerer:
    """The end that answers, with what `reply` makes of a question; its number, in a session, is the question's."""

    def __init__(self, line: Line, reply: Callable[[Frame], Frame]) -> None:
        self._line, self._reply, self._frames = line, reply, Frames()
        self._last: Frame | None = None

    def attend(self, seconds: float) -> None:
        """Answer what comes within this time."""
        for frame in self._frames.of(self._line.read(seconds)):
            if frame is None:
                self._line.write(encoded(DAMAGED))
            elif frame != DAMAGED:
                if (last := self._last) is None or (frame.session, frame.number) != (last.session, last.number):
                    if last is not None and last.session == frame.session and frame.number < last.number:
                        continue  # a duplicate that was late: it has its answer
                    self._last = self._reply(frame)
                assert self._last is not None
                self._line.write(encoded(self._last))
