"""A model in a process of its own: whatever kills or stops it there, the stream goes on here.

A second worker waits, its model loaded, to take over at the next block; a third is started meanwhile.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
import time
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_sdk.backends import AUTO
from edge_sdk.contract import Bundle, canonical_json
from edge_sdk.errors import BackendError
from edge_sdk.live.engine import Outcome
from edge_sdk.live.exchange import shared_memory
from edge_sdk.live.realtime import RealtimeConfig
from edge_sdk.live.worker import Order
from edge_sdk.live.worker_process import Worker

log = logging.getLogger(__name__)
Samples = NDArray[np.float32]
LOOK_S = 0.1  # how often a start looks whether it is still wanted


@dataclass(frozen=True)
class IsolationConfig:
    """respawns: workers that may be lost within window_s; with one more the model counts as broken and gets no more.

    memory_bytes: of address space that a worker may have. start_s: how long it may take to load the model.
    realtime: of the workers, if the stream has it.
    """

    respawns: int = 3
    window_s: float = 60.0
    memory_bytes: int = 1 << 30
    start_s: float = 30.0
    realtime: RealtimeConfig | None = None

    def __post_init__(self) -> None:
        if self.respawns < 0 or self.memory_bytes < 1:
            raise ValueError(f"{self}: expected 0 respawns or more, and some memory")
        if not (self.window_s > 0 and self.start_s > 0):
            raise ValueError(f"{self}: expected times above 0")


class Isolated:
    """An engine whose model runs in another process.

    A block that is not back within its budget is `LATE`, the model goes on; where the process died, or has been silent
    for `SLOTS` blocks, the block is `DEAD` and the next one goes to the worker in waiting. Where none waits, blocks are
    dead until one does; once the model is `quarantined`, none is started any more.
    """

    def __init__(
        self,
        bundle: Bundle,
        mics: int,
        sources: int | None = None,
        block: int | None = None,
        reference: int = 0,
        backend: str = AUTO,
        threads: int = 1,
        config: IsolationConfig | None = None,
    ) -> None:
        m = bundle.manifest
        self.config = config or IsolationConfig()
        self.name, self.mics, self.sources = m.name, mics, sources or m.sources
        self.block, self.delay = block or m.block, m.delay
        self.quarantined = False
        realtime = self.config.realtime or RealtimeConfig(priority=0)
        self._order = Order(
            mics,
            self.sources,
            self.block,
            reference,
            backend,
            threads,
            self.config.memory_bytes,
            realtime.priority,
            realtime.cpus,
        )
        self._manifest, self._model = canonical_json(m.to_plain()), bundle.model
        self._forget = False
        self._current: Worker | None = None
        self._waiting: deque[Worker] = deque()  # started by the keeper, taken by the stream
        self._lost: deque[Worker] = deque()  # the other way
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._closing = False
        self._failure: BackendError | None = None  # of the first start
        self._begun = threading.Event()
        # Workers end with the thread that started them, so there is one for all their life.
        self._keeper = threading.Thread(target=self._keep, name=f"keeper of {m.name}", daemon=True)
        self._keeper.start()
        self._begun.wait()
        if self._failure is not None:
            self.close()
            raise self._failure
        self._current = self._waiting.pop()
        self._call()

    @property
    def pid(self) -> int | None:
        """Of the process in use."""
        return None if self._current is None else self._current.process.pid

    def process(self, x: Samples, out: Samples, budget_s: float) -> Outcome:
        if self._current is None:
            if not self._waiting:
                return Outcome.DEAD
            self._current = self._waiting.pop()
            self._call()  # for another one to wait
        worker = self._current
        outcome = worker.ask(x, out, self._forget, budget_s)
        self._forget = False
        if outcome is Outcome.BAD or (outcome is Outcome.DEAD and worker.alive):
            log.warning("%s: a block of its process was %s", self.name, outcome.value)
        if not worker.alive:
            self._current = None
            self._lost.append(worker)
            self._call()
        return outcome

    def reset(self) -> None:
        self._forget = True

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._call()
            self._keeper.join()
            os.close(self._wake)

    def _call(self) -> None:
        """Tell the keeper that there is something to do."""
        os.eventfd_write(self._wake, 1)

    def _keep(self) -> None:
        """See to it that a worker waits, until the engine is closed."""
        descriptor = shared_memory(0, "edge-sdk-model")
        with open(descriptor, "wb") as memory:
            memory.write(self._manifest)
            memory.write(self._model)  # apart: joining them would hold up every thread
            memory.flush()
            try:
                self._watch(descriptor)
            finally:
                self._begun.set()
                if self._current is not None:
                    self._lost.append(self._current)
                    self._current = None
                for workers in (self._waiting, self._lost):
                    while workers:
                        workers.popleft().end()

    def _watch(self, model: int) -> None:
        watched: list[Worker] = []
        losses: deque[float] = deque(maxlen=self.config.respawns + 1)
        while not self._closing:
            while self._lost:
                self._count(losses, self._lost.popleft().end())
            if not self.quarantined and not self._waiting:
                try:
                    worker = self._start(model)
                except BackendError as error:
                    if not self._begun.is_set():
                        self._failure = error
                        return
                    self._count(losses, str(error))
                    continue
                watched.append(worker)
                self._waiting.append(worker)
            self._begun.set()
            watched = [worker for worker in watched if worker.process.returncode is None]
            ready, _, _ = select.select([self._wake, *(worker.life for worker in watched)], (), ())
            if self._wake in ready:
                os.eventfd_read(self._wake)
            for worker in watched:
                if worker.life in ready:
                    worker.process.wait()
                    with contextlib.suppress(ValueError):  # the stream has it, and hands it back when it sees
                        self._waiting.remove(worker)
                        self._lost.append(worker)

    def _start(self, model: int) -> Worker:
        """A worker whose model is loaded."""
        try:
            worker = Worker(self._order, model, len(self._manifest))
        except OSError as error:
            raise BackendError(f"{self.name}: no process for it ({error}); run it without isolation") from error
        end = time.monotonic() + self.config.start_s
        while not worker.ready(LOOK_S):
            if worker.process.poll() is not None or self._closing or time.monotonic() > end:
                raise BackendError(
                    f"{self.name}: its process did not start ({worker.end()}); allow it more than"
                    f" {self.config.memory_bytes >> 20} MiB and {self.config.start_s:g} s, or run it without isolation"
                )
        return worker

    def _count(self, losses: deque[float], why: str) -> None:
        """Note that a worker was lost."""
        losses.append(time.monotonic())
        log.error("%s: lost its process (%s)", self.name, why)
        if not self.quarantined and len(losses) == losses.maxlen and losses[-1] - losses[0] < self.config.window_s:
            self.quarantined = True
            log.error(
                "%s: %d processes lost within %g s, it gets no more", self.name, len(losses), self.config.window_s
            )
