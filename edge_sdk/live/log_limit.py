"""A log that nothing can flood: for months on a board's disk, whatever goes wrong, and however often."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

INTERVAL_S = 30.0


@dataclass
class Kind:
    """What one place in the code has logged."""

    passed_s: float  # when a line was let through last
    left_out: int = 0
    last: logging.LogRecord | None = None  # of those left out


class LogLimit(logging.Handler):
    """Lets a line through in 30 s from each place in the code; the next one from there says how many were left out.

    Time is the monotonic clock's: the date may jump as it likes. Memory is bounded by the code's length.
    """

    def __init__(
        self, inner: logging.Handler, interval_s: float = INTERVAL_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(inner.level)
        self.inner, self.interval_s, self.clock = inner, interval_s, clock
        self._kinds: dict[tuple[str, int], Kind] = {}

    def emit(self, record: logging.LogRecord) -> None:
        place, now_s = (record.pathname, record.lineno), self.clock()
        kind = self._kinds.get(place)
        if kind is not None and now_s - kind.passed_s < self.interval_s:
            kind.left_out, kind.last = kind.left_out + 1, record
            return
        self._kinds[place] = Kind(now_s)
        self.inner.handle(counted(record, kind.left_out) if kind is not None and kind.left_out else record)

    def overdue(self) -> None:
        """Write the last line of each kind that has been left out and may be written by now. To be called at times."""
        self.acquire()  # as whoever calls emit does
        try:
            now_s = self.clock()
            for kind in self._kinds.values():
                if kind.last is not None and now_s - kind.passed_s >= self.interval_s:
                    self.inner.handle(counted(kind.last, kind.left_out - 1))
                    kind.passed_s, kind.left_out, kind.last = now_s, 0, None
        finally:
            self.release()


def counted(record: logging.LogRecord, left_out: int) -> logging.LogRecord:
    """The record with how many like it nobody saw."""
    if not left_out:
        return record
    told = copy.copy(record)
    told.msg, told.args = f"{record.getMessage()} ({left_out} more like this left out)", ()
    return told


@contextmanager
def limited_log(interval_s: float = INTERVAL_S) -> Iterator[LogLimit]:
    """What the first handler of all logs writes goes through a limit for as long as this lasts."""
    root = logging.getLogger()
    before = list(root.handlers)
    inner = before[0] if before else logging.StreamHandler()
    limit = LogLimit(inner, interval_s)
    root.handlers[:] = [limit, *before[1:]]
    try:
        yield limit
    finally:
        limit.interval_s = 0.0  # what is left is told now
        limit.overdue()
        root.handlers[:] = before
