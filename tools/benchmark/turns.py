"""Times of several ways to do the same, taken in turns, so that whatever else the machine does falls on all alike.

As in `quantization.timing`: the order is shuffled, and everything is made anew several times, because where in memory a
model came to lie decides some percent of its time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

Step = Callable[[], object]
Makers = Mapping[str, Callable[[], Step]]
ROUNDS = 4  # of making
TURNS = 6  # of each in a round
WARM, BURST = 5, 20  # steps of a turn before the clock counts, and those that count
LONGEST_S = 0.1  # of a turn: steps that take longer have fewer in it, but one of each kind
EVICTED = 64 << 20  # bytes gone through before a cold step: more than the caches of small processors


def hot(makers: Makers, rounds: int = ROUNDS, turns: int = TURNS) -> dict[str, NDArray[np.float64]]:
    """Seconds of steps that follow upon their like: each in bursts."""
    return in_turns(makers, rounds, turns, burst)


def cold(makers: Makers, rounds: int = ROUNDS, turns: int = TURNS) -> dict[str, NDArray[np.float64]]:
    """Seconds of steps whose code and weights have left the caches, as after other work on the same core."""
    everything = np.zeros(EVICTED // 8)

    def step_after_eviction(step: Step) -> list[float]:
        np.add(everything, 1.0, out=everything)
        return [seconds_of(step)]

    return in_turns(makers, rounds, turns, step_after_eviction)


def in_turns(
    makers: Makers, rounds: int, turns: int, timed: Callable[[Step], list[float]]
) -> dict[str, NDArray[np.float64]]:
    """What `timed` gives for each, over all rounds and turns."""
    rng, names = np.random.default_rng(0), list(makers)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        steps = {name: makers[name]() for name in (*names[first:], *names[:first])}
        for _ in range(turns):
            for name in rng.permutation(names):
                taken[name] += timed(steps[name])
    return {name: np.array(seconds) for name, seconds in taken.items()}


def burst(step: Step) -> list[float]:
    """Seconds of each step of a burst, without the first."""
    for _ in steps_within(WARM, LONGEST_S / 4):
        step()
    return [seconds_of(step) for _ in steps_within(BURST, LONGEST_S)]


def steps_within(most: int, seconds: float) -> Iterator[int]:
    """At least one number and at most so many, until the time is up."""
    end = time.perf_counter() + seconds
    for number in range(most):
        yield number
        if time.perf_counter() > end:
            return


def seconds_of(step: Step) -> float:
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin
