"""The service of a device: `edge-sdk run` with what the slots hold, for as long as the device is on.

A new bundle takes the place of the old one as soon as it is installed: it is verified, tried on golden clips, loaded
and warmed while the old one still plays, and then the two cross-fade within a block. Where a stream cannot do that,
because the new model has other blocks, more delay or another number of sources, it is started anew, and silent
meanwhile. What dies again and again before it is confirmed is rolled back, because `Slots.start` counts; where nothing
is left to run, the reference microphone goes out.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edge_sdk.errors import EdgeError
from firmware_bridge.gate import PIECE, judge_golden, settle
from firmware_bridge.health import HealthConfig, HealthError, Verdict, Watch, reading_from_line
from firmware_bridge.relay import environment, relay_for
from firmware_bridge.slots import Slots, Started
from firmware_bridge.stream import FailedError, RefusedError, Stream, begin, document_of

log = logging.getLogger(__name__)

BYPASS = ("--model", "none")  # the reference microphone alone is heard
USAGE, NO_DEVICE = 2, 3  # exit status of edge-sdk run: options it does not know, a sound device that cannot be opened
LOOK_S = 0.5
PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0  # before what died is started again: doubled each time
STEADY_S = 60.0  # a stream that ran so long begins with the shortest pause again
Source = int | IO[bytes]


@dataclass(frozen=True)
class ServeConfig:
    """options: for `edge-sdk run`. health: what confirms a bundle, None where somebody else does. golden: clips that it
    has to pass, budget_db: by how much it may be worse there than the bundle before."""

    options: tuple[str, ...]
    health: HealthConfig | None = None
    golden: Path | None = None
    budget_db: float = 1.0


class Service:
    """Runs the slots of a device until it is told to stop (SIGTERM, SIGINT) or a recording ends. SIGHUP: look now."""

    def __init__(self, slots: Slots, config: ServeConfig) -> None:
        self.slots, self.config = slots, config
        self._stopping = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._relay = relay_for()
        self._stamp: tuple[int, int] | None = None

    def run(self) -> int:
        """The exit status of the last stream."""
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, self._wake)
            if self._relay is not None:
                stack.callback(self._relay.close)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                stack.callback(signal.signal, number, signal.signal(number, self._signalled))
            return self._serve()

    def _serve(self) -> int:
        started, pause_s = self._next(), PAUSE_S
        while not self._stopping:
            stream = self._start(started)
            try:
                replacement = self._attend(stream)
            finally:
                status = stream.end()
            if replacement is not None:
                started = replacement[0]
                continue
            if self._stopping:
                break
            if status in (0, USAGE):
                return status
            log.warning("the stream died (exit status %d); started again in %.1f s", status, pause_s)
            self._wait([], pause_s)
            if status == NO_DEVICE:  # which says nothing of the bundle: this start does not count
                continue
            steady = time.monotonic() - stream.began_s > STEADY_S
            pause_s = PAUSE_S if steady else min(2 * pause_s, LONGEST_PAUSE_S)
            if not self._stopping:
                started = self._next()
        return 0

    def _next(self) -> Started | None:
        """What to run now; bundles that golden clips speak against are rolled back on the way."""
        while True:
            started = self.slots.start()
            self._stamp = self._state_stamp()
            if started is None:
                log.warning("%s: no slot can run; the microphone goes through", self.slots.folder)
            if started is None or started.confirmed or self.config.golden is None:
                return started
            try:
                verdict = judge_golden(self.slots, started.bundle, self.config.golden, self.config.budget_db)
                if verdict.healthy:
                    return started
                self._tell(started, verdict)
                settle(self.slots, started.bundle, verdict)
            except EdgeError as error:
                log.warning("%s; goes on without", error)
                return started

    def _start(self, started: Started | None) -> Stream:
        """A process that runs it."""
        reports = self.config.health is not None
        options = [*self.config.options, *(["--json"] if reports else []), *(BYPASS if started is None else ())]
        output = subprocess.PIPE if reports else None
        return begin(options, started, self._watch(started), stdout=output, env=environment(self._relay))

    def _watch(self, started: Started | None) -> Watch | None:
        """Over what is not confirmed, if anybody wants to know."""
        if self.config.health is None or started is None or started.confirmed:
            return None
        return Watch(self.config.health, started.bundle.manifest.name, time.monotonic())

    def _attend(self, stream: Stream) -> tuple[Started | None] | None:
        """Until it ends or we are to stop, None; or until something else is to run, which is ready then."""
        while not self._stopping:
            reports = stream.process.stdout
            ready = self._wait([stream.pidfd] if reports is None else [stream.pidfd, reports], LOOK_S)
            if reports is not None and reports in ready:
                self._read(stream, os.read(reports.fileno(), PIECE))
            if stream.pidfd in ready:
                return None
            self._judge(stream)
            if self._state_stamp() != self._stamp:
                self._stamp = self._state_stamp()
                state = self.slots.state_or_salvage()
                active = state.slot(state.active)
                if (None if active is None else active.document) != stream.document:
                    started = self._next()
                    # Not where golden clips spoke against the new one.
                    if document_of(started) != stream.document and not self._swapped(stream, started):
                        return (started,)
        return None

    def _swapped(self, stream: Stream, started: Started | None) -> bool:
        """Whether the stream plays it by now, without having been silent."""
        if started is None:
            return False
        m = started.bundle.manifest
        try:
            stream.take(started, lambda: self._stopping)
        except FailedError as error:
            return self._rolled_back(started, str(error))
        except RefusedError as error:
            if not self._stopping:
                log.warning("%s %s: %s; the stream starts anew, silent until it is loaded", m.name, m.version, error)
            return False
        stream.watch = self._watch(started)
        return True

    def _rolled_back(self, started: Started, why: str) -> bool:
        """Whether a bundle that was never heard is given up, and what plays goes on."""
        if started.confirmed:
            return False
        verdict = Verdict(False, why)
        try:
            settle(self.slots, started.bundle, verdict)
        except EdgeError as error:
            log.warning("%s; the stream starts anew", error)
            return False
        self._tell(started, verdict)
        return True

    def _read(self, stream: Stream, piece: bytes) -> None:
        """Show reports to the watch."""
        for line in stream.lines.of(piece):
            if stream.watch is None or stream.verdict is not None:
                return
            try:
                if (reading := reading_from_line(line)).swaps == stream.swaps:  # not of the model before
                    stream.watch.observe(reading, time.monotonic())
            except HealthError as error:
                log.warning("%s; the bundle stays unconfirmed", error)
                stream.watch = None

    def _judge(self, stream: Stream) -> None:
        """Confirm or roll back, once it is known which; again at the next look where somebody else has the slots."""
        if stream.watch is None or stream.started is None:
            return
        if stream.verdict is None:
            stream.verdict = stream.watch.verdict(time.monotonic())
            if stream.verdict is not None:
                self._tell(stream.started, stream.verdict)
        if stream.verdict is not None:
            try:
                settle(self.slots, stream.started.bundle, stream.verdict)
                stream.watch = None
            except EdgeError as error:
                log.info("%s; tried again", error)

    def _tell(self, started: Started, verdict: Verdict) -> None:
        m, done = started.bundle.manifest, "confirmed" if verdict.healthy else "rolled back"
        log.warning("%s %s: %s (%s)", m.name, m.version, done, verdict.reason)

    def _wait(self, sources: list[Source], seconds: float) -> list[Source]:
        """Which sources have something, or sooner none, after a signal."""
        ready, _, _ = select.select([self._wake, *sources], (), (), seconds)
        if self._wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._wake)
        return ready

    def _signalled(self, number: int, _: object) -> None:
        if number == signal.SIGHUP:
            self._stamp = None
        else:
            self._stopping = True
        os.eventfd_write(self._wake, 1)

    def _state_stamp(self) -> tuple[int, int]:
        """Changes whenever the state is replaced."""
        try:
            status = os.stat(self.slots.folder / "state.json")
        except OSError:
            return 0, 0
        return status.st_ino, status.st_mtime_ns
