"""Step times of several models side by side, so that their ratios are those of the models.

Whatever else the machine does falls on all alike, as they take a step each in turn. Two things would still favour some:
the place in the turn, and where in memory a model came to lie, which the order of loading decides. The first of seven
loaded copies of one int8 model took 4 to 10 % longer than the others for as long as it lived, whatever the turns. So
turns are shuffled, and the models are loaded anew several times, each of them first in its turn.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_sdk.interpreter import StepInterpreter
from quantization.artifact import Artifact

ROUNDS = 12  # of loading: two, three, four or six models are each loaded first equally often
WARM = 20  # steps of each in a round before the clock counts


def step_times(artifacts: Sequence[Artifact], steps: int = 1000) -> NDArray[np.float64]:
    """Seconds of every step of every model on one thread, `[steps, models]`."""
    rng, taken = np.random.default_rng(0), []
    for number, share in enumerate(np.array_split(np.arange(steps), min(ROUNDS, steps))):
        interpreters = loaded(artifacts, number % len(artifacts))
        seconds = np.zeros((WARM + len(share), len(artifacts)))
        for row in seconds:
            for column in rng.permutation(len(artifacts)):
                begin = time.perf_counter()
                interpreters[column].step()
                row[column] = time.perf_counter() - begin
        taken.append(seconds[WARM:])
    return np.concatenate(taken)


def loaded(artifacts: Sequence[Artifact], first: int) -> dict[int, StepInterpreter]:
    """An interpreter for each model by its number, loaded from the first on, with something in its inputs."""
    interpreters = dict[int, StepInterpreter]()
    for number in (*range(first, len(artifacts)), *range(first)):
        interpreter = StepInterpreter(artifacts[number].manifest, artifacts[number].model)
        for given in interpreter.inputs.values():
            given[...] = 0.1 * np.random.default_rng(0).standard_normal(given.shape)
        interpreters[number] = interpreter
    return interpreters


def speedups(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many times faster each model's median step is than that of the first."""
    medians = np.median(times, axis=0)
    return np.asarray(medians[0] / medians)
