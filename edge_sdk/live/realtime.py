"""The audio thread's claim on the machine: memory that stays, time before others, and no pauses for tidying up.

Each part is refused on a machine where the permission is missing; the stream then runs without it.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import resource
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

log = logging.getLogger(__name__)

MCL_CURRENT, MCL_FUTURE = 1, 2
RLIMIT_RTTIME = 15  # of Linux; Python's resource module has no name for it
RUN_LIMIT_US = 500_000  # of computing without a wait: catching up with a full buffer takes less, a loop all of it


@dataclass(frozen=True)
class RealtimeConfig:
    """priority: of SCHED_FIFO, 1 to 99; 0 leaves the scheduler alone. cpus: that the audio thread may run on, all
    where there are none."""

    priority: int = 60
    cpus: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.priority <= 99:
            raise ValueError(f"priority = {self.priority}: expected 1 to 99, or 0 for none")
        if any(cpu < 0 for cpu in self.cpus):
            raise ValueError(f"cpus = {list(self.cpus)}: expected numbers from 0 on")


def claim(config: RealtimeConfig) -> list[str]:
    """Take all that this process is given, for the calling thread; one line for each part that was refused.

    Call it when everything is opened and has run once: what exists then is neither moved, nor swapped, nor searched for
    garbage any more.
    """
    quiet_collector()
    parts: list[tuple[str, Callable[[], None]]] = [("memory stays in RAM (mlockall)", lock_memory)]
    if config.cpus:
        parts.append((f"runs on cores {list(config.cpus)}", lambda: pin(config.cpus)))
    if config.priority:
        parts.append((f"before others (SCHED_FIFO {config.priority})", lambda: before_others(config.priority)))
    refused = []
    for what, take in parts:
        try:
            take()
        except OSError as error:
            refused.append(f"{what}: refused ({error.strerror or error})")
    return refused


def follow(config: RealtimeConfig | None) -> None:
    """The same scheduling for a further thread of a process that has made its claim; less where that is refused."""
    if config is not None and os.sched_getscheduler(os.getpid()) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO:
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(config.priority))


def quiet_collector() -> None:
    """No search for garbage while audio runs: with 600,000 objects one takes 59 ms. What is made without cycles is
    freed as ever; for the rest there is `tidy`."""
    gc.collect()
    gc.freeze()
    gc.disable()


def tidy() -> None:
    """Free what was made since with cycles, as web servers do. Takes as long as there is much of it: to be called now
    and then from a thread that reports, so that months of it stay little."""
    gc.collect()


def lock_memory() -> None:
    """No page of this process is swapped out."""
    if ctypes.CDLL(None, use_errno=True).mlockall(MCL_CURRENT | MCL_FUTURE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def pin(cpus: Sequence[int]) -> None:
    os.sched_setaffinity(0, cpus)


def before_others(priority: int) -> None:
    """First in, first out, with a limit: a thread that computes longer than that without waiting is put back among the
    others (SIGXCPU), before it has frozen a board of one core. Children start as ordinary processes."""
    signal.signal(signal.SIGXCPU, step_back)
    _, hard = resource.getrlimit(RLIMIT_RTTIME)
    resource.setrlimit(RLIMIT_RTTIME, (RUN_LIMIT_US, hard))
    os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))


def step_back(*_: object) -> None:
    """An ordinary thread again."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    log.warning("computed %d ms without a pause: goes on without real-time priority", RUN_LIMIT_US // 1000)
