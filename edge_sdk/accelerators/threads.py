"""How many threads of the CPU a model's step is quickest with, measured."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_sdk.contract import Bundle
from edge_sdk.interpreter import MAX_THREADS, StepInterpreter

MOST = 8  # each number takes a third of a second to try, and once more the memory of the model
ROUNDS = 15
ROUND_S = 0.01  # at least one step
GAIN = 0.85  # of one thread's time: what gains less is other programs' noise, and heats more cores


@dataclass(frozen=True)
class Threads:
    """Of the interpreter."""

    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_THREADS:
            raise ValueError(f"{self.count} threads: expected 1 to {MAX_THREADS}")


def quickest(bundle: Bundle, backend: str, most: int | None = None) -> Threads:
    """The number of threads with the quickest step, 1 unless another is clearly quicker.

    most: as many as this process may run on, unless given. Each number runs against one thread, in turns, because a
    busy machine slows down both; who wins has to win once more.
    """
    cores = most or min(MOST, len(os.sched_getaffinity(0)))
    one = stepper(bundle, backend, 1)
    gains = {n: gain(stepper(bundle, backend, n), one) for n in range(2, cores + 1)}
    best = min(gains, key=lambda n: gains[n], default=1)
    if best > 1 and gains[best] < GAIN and gain(stepper(bundle, backend, best), one) < GAIN:
        return Threads(best)
    return Threads(1)


def stepper(bundle: Bundle, backend: str, threads: int) -> Callable[[], None]:
    """A step of the model, with threads of its own that have woken up."""
    interpreter = StepInterpreter(bundle.manifest, bundle.model, backend, threads)
    interpreter.step()
    return interpreter.step


def gain(step: Callable[[], None], one: Callable[[], None]) -> float:
    """Time of a step over that of the other, 1 or more also where its slow ones are slower: a stream breaks there."""
    begin = time.perf_counter()
    one()
    steps = max(1, round(ROUND_S / max(1e-6, time.perf_counter() - begin)))
    times_s = np.empty((ROUNDS, steps, 2))
    for number in range(ROUNDS):
        for who, run in ((0, step), (1, one)) if number % 2 else ((1, one), (0, step)):
            for turn in range(steps):
                start = time.perf_counter()
                run()
                times_s[number, turn, who] = time.perf_counter() - start
    medians = np.maximum(np.median(times_s, axis=1), 1e-9)  # clocks may be coarse
    slow = np.percentile(times_s.reshape(-1, 2), 90, axis=0)
    ratio = float(np.median(medians[:, 0] / medians[:, 1]))
    return ratio if slow[0] <= slow[1] else max(1.0, ratio)
