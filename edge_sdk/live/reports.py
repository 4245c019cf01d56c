"""The thread that looks at a stream and tells others: JSON lines, the terminal, the service manager, a browser.

The audio thread knows nothing of it. Whoever is told may fail: it is left out from then on, and the sound goes on.
"""

from __future__ import annotations

import json
import logging
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

from edge_sdk.contract import to_plain
from edge_sdk.live.metrics import Metrics, Snapshot
from edge_sdk.live.system import System, SystemState

log = logging.getLogger(__name__)

TICK_S = 0.1  # between looks at the stream
SYSTEM_S = 1.0  # between looks at the computer, which cost more


@dataclass(frozen=True)
class Report:
    """A stream and the computer it runs on, at one moment."""

    stream: Snapshot
    system: SystemState

    def as_plain(self) -> dict[str, Any]:
        """For JSON, without the bins of the histogram."""
        plain = to_plain(self)
        del plain["stream"]["step_bins"]
        return plain


Listener = Callable[[Report], None]


class Reporter:
    """Looks at `metrics` ten times a second while it runs, keeps what it saw in `latest`, and tells its listeners."""

    def __init__(self, metrics: Metrics, system: System | None = None) -> None:
        self.metrics, self.system = metrics, system or System()
        self._state, self._state_due_s = self.system.read(), time.monotonic() + SYSTEM_S
        self.latest = Report(metrics.snapshot(), self._state)
        self._listeners: list[tuple[float, Listener]] = []
        self._due_s: dict[Listener, float] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reports", daemon=True)

    def every(self, interval_s: float, listener: Listener) -> None:
        """Tell a listener at this pace, from the next look on. Before the reporter starts."""
        self._listeners.append((interval_s, listener))

    def __enter__(self) -> Reporter:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self._thread.join()

    def look(self, now_s: float) -> None:
        """One look; `now_s`: seconds of the monotonic clock."""
        if now_s >= self._state_due_s:
            self._state, self._state_due_s = self.system.read(), now_s + SYSTEM_S
        self.latest = report = Report(self.metrics.snapshot(), self._state)
        for interval_s, listener in list(self._listeners):
            if now_s < (due_s := self._due_s.get(listener, now_s)):
                continue
            on_time = due_s + interval_s
            self._due_s[listener] = on_time if on_time > now_s else now_s + interval_s  # after a stall, no burst
            try:
                listener(report)
            except Exception as error:
                self._listeners.remove((interval_s, listener))
                log.warning("a report failed (%s: %s) and is left out from now on", type(error).__name__, error)
                log.debug("", exc_info=error)

    def _run(self) -> None:
        while not self._stopped.wait(TICK_S):
            self.look(time.monotonic())


class JsonLines:
    """A listener that writes a line of JSON for each report.

    Where the reader of a pipe does not keep up, lines are left out and counted in the next one's `skipped`: waiting
    would hold up everything else that is told.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.skipped = stream, 0

    def __call__(self, report: Report) -> None:
        if not writable(self.stream):
            self.skipped += 1
            return
        self.stream.write(json.dumps({**report.as_plain(), "skipped": self.skipped}, allow_nan=False) + "\n")
        self.stream.flush()


def writable(stream: TextIO) -> bool:
    """Whether a line can be written without waiting; also where the write will only say that the reader is gone."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLOUT)
    except (OSError, ValueError):  # no file behind it
        return True
    return bool(poll.poll(0))
