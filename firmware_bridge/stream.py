"""A process of `edge-sdk run` as the service sees it: what it runs, what it reports, and how it gets another model."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_sdk.contract import Bundle, canonical_json, parse_json
from edge_sdk.errors import EdgeError
from firmware_bridge import launch
from firmware_bridge.bundle import pack
from firmware_bridge.gate import Lines
from firmware_bridge.health import Verdict, Watch
from firmware_bridge.slots import Started
from firmware_bridge.state import described

SWAP_S = 90.0  # for another model to be loaded, warmed and taken in
LONGEST = 65_536  # bytes of an answer
SET_PARENT_DEATH_SIGNAL = 1  # of prctl(2)
libc = ctypes.CDLL(None)


class RefusedError(EdgeError):
    """A stream does not take another model while it plays; it plays on as it did."""


class FailedError(RefusedError):
    """The model itself is broken, and was not heard."""


@dataclass
class Stream:
    """started: what it runs; None for the microphone alone. swaps: models that took another's place; before: the one
    that the present one replaced, still loaded there."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    started: Started | None
    pidfd: int
    watch: Watch | None
    verdict: Verdict | None = None
    swaps: int = 0
    before: Started | None = None
    lines: Lines = field(default_factory=Lines)
    began_s: float = field(default_factory=time.monotonic)

    @property
    def document(self) -> str | None:
        """Which bundle it runs."""
        return document_of(self.started)

    def take(self, started: Started, stopping: Callable[[], bool]) -> None:
        """Let it play another bundle without an end of the sound; `RefusedError` where it cannot."""
        if self.started is None:
            raise RefusedError("the microphone alone goes through")
        if document_of(self.before) == document_of(started):
            answer, before = self.ask({"back": True}, None, stopping), None
        else:
            m = started.bundle.manifest
            answer, before = self.ask({"model": f"{m.name} {m.version}"}, started.bundle, stopping), self.started
        self.swaps, self.started, self.before = answer, started, before
        self.watch, self.verdict = None, None

    def ask(self, request: dict[str, object], bundle: Bundle | None, stopping: Callable[[], bool]) -> int:
        """Send a request, with a bundle that nobody can change; how many swaps there were then."""
        with contextlib.ExitStack() as held:
            files = []
            if bundle is not None:
                files = [held.enter_context(launch.in_memory(pack(bundle.manifest, bundle.model)))]
            try:
                socket.send_fds(self.control, [canonical_json(request)], files)
                end_s = time.monotonic() + SWAP_S
                while not select.select([self.control], (), (), 0.1)[0]:
                    if stopping() or time.monotonic() > end_s:
                        raise RefusedError("no answer yet")
                plain = parse_json(self.control.recv(LONGEST))
            except (OSError, ValueError) as error:
                raise RefusedError(f"no answer ({error})") from error
        if not isinstance(plain, dict) or not isinstance(swaps := plain.get("swaps"), int):
            about = plain if isinstance(plain, dict) else {"error": plain}
            raise (FailedError if about.get("failed") is True else RefusedError)(str(about.get("error", plain)))
        return swaps

    def end(self) -> int:
        """Let it fade out, if it has not ended; its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.control.close()
        with contextlib.suppress(OSError):
            os.close(self.pidfd)
        return self.process.wait()


def begin(options: Sequence[str], started: Started | None, watch: Watch | None, **about: Any) -> Stream:
    """A new process with these options. about: for `subprocess.Popen`."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = launch.start(
            ["run", *options, "--control", str(theirs.fileno())],
            None if started is None else started.bundle,
            keep=(theirs.fileno(),),
            preexec_fn=die_with_parent,
            **about,
        )
    return Stream(process, ours, started, os.pidfd_open(process.pid), watch)


def document_of(started: Started | None) -> str | None:
    """Which bundle it is; None for the microphone."""
    return None if started is None else described(started.bundle).document


def die_with_parent() -> None:
    """In a new process: end when the one that started it does, or it would keep the sound card from the next."""
    libc.prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
