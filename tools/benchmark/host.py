"""The host's share of a block, what of its time is not the model's: with NumPy, and with the C extension where it is
installed, in turns."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np

from edge_sdk import Separator, native
from edge_sdk.bench import Stopwatch
from edge_sdk.bench_report import Row
from edge_sdk.contract import Bundle
from tools.benchmark.alternatives import noise
from tools.benchmark.turns import BURST, TURNS, WARM, in_turns

ROUNDS = 3
NUMPY, EXTENSION = "NumPy", "C extension"


class Stream:
    """Called, it runs one block of noise; gives the seconds outside the model, and all of them."""

    def __init__(self, bundle: Bundle, way: str) -> None:
        with switched(way == EXTENSION):
            separator = Separator(bundle)
        m = separator.manifest
        self._process, self._x = separator.process, noise(m.mics, m.block)
        self._out = np.empty((m.sources, m.block), np.float32)
        self._model = Stopwatch(separator.interpreter.invoke)
        separator.interpreter.invoke = self._model
        self.block_s = m.block / m.sample_rate

    def __call__(self) -> tuple[float, float]:
        inside, begin = self._model.total_s, time.perf_counter()
        self._process(self._x, self._out)
        taken = time.perf_counter() - begin
        return taken - (self._model.total_s - inside), taken


def rows(bundle: Bundle, subject: str, rounds: int = ROUNDS, turns: int = TURNS) -> Iterator[Row]:
    """Medians of the host's time and of its share, block after block and as each is due."""
    ways = [NUMPY, EXTENSION] if native.installed().module else [NUMPY]
    for pace, timed in (("hot", hot), ("paced", paced)):
        makers = {way: partial(Stream, bundle, way) for way in ways}
        for way, times in in_turns(makers, rounds, turns, timed).items():
            host, whole = times.T
            variant = f"{bundle.manifest.recipe}, {pace}, {way}"
            yield Row("host", subject, variant, "host", 1e6 * float(np.median(host)), "us")
            yield Row("host", subject, variant, "host share", float(np.median(host / whole)))


def hot(stream: Stream) -> list[tuple[float, float]]:
    return [stream() for _ in range(WARM + BURST)][WARM:]


def paced(stream: Stream) -> list[tuple[float, float]]:
    """Each block when it is due, as a sound card has it: meanwhile the processor does something else, or nothing."""
    due, found = time.perf_counter(), []
    for _ in range(WARM + BURST):
        due += stream.block_s
        time.sleep(max(0.0, due - time.perf_counter()))
        found.append(stream())
    return found[WARM:]


@contextmanager
def switched(on: bool) -> Iterator[None]:
    """The extension on or off for streams that open meanwhile."""
    before = os.environ.get(native.SWITCH)
    os.environ[native.SWITCH] = "1" if on else "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[native.SWITCH]
        else:
            os.environ[native.SWITCH] = before
