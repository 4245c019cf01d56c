"""A worker as seen from the process that started it: asked for blocks, waited for, ended."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from edge_sdk.errors import BackendError
from edge_sdk.live.engine import Outcome
from edge_sdk.live.exchange import SLOTS, Exchange, shared_memory
from edge_sdk.live.worker import LAST_WORDS, Inherited, Order

Samples = NDArray[np.float32]
# No address space for threads that would have nothing to do; no modules from the folder that somebody stands in.
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"}
SELECTABLE = 1024  # descriptors from here on are too large for select(), the only wait with better steps than 1 ms


class Worker:
    """A process that makes blocks, and what it shares with this one.

    life: readable once the process has ended, whatever ended it. alive: whether it may be asked.
    """

    def __init__(self, order: Order, model: int, manifest_bytes: int) -> None:
        self.alive = True
        blocks = shared_memory(Exchange.size(order.mics, order.sources, order.block), "edge-sdk-blocks")
        self._todo, self._done = os.eventfd(0, os.EFD_CLOEXEC), os.eventfd(0, os.EFD_CLOEXEC)
        self.life, theirs = os.pipe()
        self._waits = [self._done, self.life]
        self._blocks = Exchange(blocks, order.mics, order.sources, order.block)
        inherited = Inherited(os.getpid(), model, manifest_bytes, blocks, self._todo, self._done, theirs)
        try:
            if max(self._waits) >= SELECTABLE:
                raise BackendError(f"{max(self._waits)} open files: expected fewer than {SELECTABLE}; close some")
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "edge_sdk.live.worker",
                    json.dumps(asdict(order)),
                    json.dumps(asdict(inherited)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=os.environ | ENVIRONMENT,
                pass_fds=[model, blocks, self._todo, self._done, theirs],
            )
        except BaseException:
            self._close()
            raise
        finally:
            os.close(blocks)
            os.close(theirs)

    def ready(self, timeout_s: float) -> bool:
        """Whether the model is loaded within that time."""
        ready, _, _ = select.select([self._done], (), (), timeout_s)
        if ready:
            os.eventfd_read(self._done)
        return bool(ready)

    def ask(self, x: Samples, out: Samples, forget: bool, budget_s: float) -> Outcome:
        """Send a block and wait for its result. One that comes later is nobody's, but the model has heard the block;
        a worker that does not come back for `SLOTS` blocks is no longer `alive`."""
        end = time.monotonic() + budget_s
        blocks, number = self._blocks, self._blocks.sent
        if number - blocks.done >= SLOTS:
            self.alive = False
            return Outcome.DEAD
        blocks.put(x, forget)
        os.eventfd_write(self._todo, 1)
        while blocks.done <= number:
            ready, _, _ = select.select(self._waits, (), (), max(0.0, end - time.monotonic()))
            if self._done in ready:
                os.eventfd_read(self._done)
            elif ready:
                self.alive = False
                return Outcome.DEAD
            else:
                return Outcome.LATE
        return blocks.take(number, out)

    def end(self) -> str:
        """End the process and give everything back. What it had ended by before, in its own words if it left any."""
        status = self.process.poll()
        why = "it did not answer"
        if status is not None:
            why = os.read(self.life, LAST_WORDS).decode(errors="replace") or ended_by(status)
        self.process.kill()
        self.process.wait()
        self._close()
        return why

    def _close(self) -> None:
        for descriptor in (self._todo, self._done, self.life):
            os.close(descriptor)


def ended_by(status: int) -> str:
    """What an exit status says."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
