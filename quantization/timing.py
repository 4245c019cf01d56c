"""Step times of several models, taken in turn, so that whatever else the machine does falls on all of them alike."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_sdk.interpreter import StepInterpreter
from quantization.artifact import Artifact

WARM = 50  # steps of each before the clock counts


def step_times(artifacts: Sequence[Artifact], steps: int = 1000) -> NDArray[np.float64]:
    """Seconds of every step of every model on one thread, `[steps, models]`: one step of each after the other."""
    interpreters, rng = [StepInterpreter(a.manifest, a.model) for a in artifacts], np.random.default_rng(0)
    for interpreter in interpreters:
        for given in interpreter.inputs.values():
            given[...] = 0.1 * rng.standard_normal(given.shape)
    taken = np.zeros((WARM + steps, len(interpreters)))
    for row in taken:
        for column, interpreter in enumerate(interpreters):
            begin = time.perf_counter()
            interpreter.step()
            row[column] = time.perf_counter() - begin
    return taken[WARM:]


def speedups(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many times faster each model's median step is than that of the first."""
    medians = np.median(times, axis=0)
    return np.asarray(medians[0] / medians)
