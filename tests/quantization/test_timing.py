"""Models that are timed side by side are so in every order: of turns, and of where they lie in memory."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from edge_sdk.interpreter import StepInterpreter
from quantization import timing
from quantization.artifact import Artifact
from quantization.timing import ROUNDS, WARM, speedups, step_times


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What interpreters do while the test runs, and whose they are: loading, steps."""
    done: list[tuple[str, str]] = []

    class Logged(StepInterpreter):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.name = args[0].name
            done.append(("loaded", self.name))

        def step(self) -> None:
            super().step()
            done.append(("step", self.name))

    monkeypatch.setattr(timing, "StepInterpreter", Logged)
    return done


def test_every_model_takes_every_step_and_each_is_first_about_equally_often(
    exported: Artifact, log: list[tuple[str, str]]
) -> None:
    steps, names = 300, ["a", "b", "c"]
    times = step_times([exported.with_model(exported.model, "float32", name) for name in names], steps)
    assert times.shape == (steps, 3) and (times > 0).all()
    taken = [name for what, name in log if what == "step"]
    turns = [taken[at : at + 3] for at in range(0, len(taken), 3)]
    assert len(turns) == steps + WARM * ROUNDS and all(sorted(turn) == names for turn in turns)
    # Of 540 turns a third; four standard deviations of a fair draw are 44.
    assert all(abs(count - len(turns) / 3) < 44 for count in Counter(turn[0] for turn in turns).values())


def test_models_are_loaded_anew_in_every_round_and_each_is_first_equally_often(
    exported: Artifact, log: list[tuple[str, str]]
) -> None:
    step_times([exported.with_model(exported.model, "float32", name) for name in "ab"], 40)
    loads = [name for what, name in log if what == "loaded"]
    orders = Counter(tuple(loads[at : at + 2]) for at in range(0, len(loads), 2))
    assert orders == {("a", "b"): ROUNDS / 2, ("b", "a"): ROUNDS / 2}


def test_fewer_steps_than_rounds_are_still_taken(exported: Artifact) -> None:
    assert step_times([exported], 3).shape == (3, 1)


def test_speedups_are_of_medians_so_one_stall_counts_for_nothing() -> None:
    times = np.array([[4.0, 2.0, 4.0], [4.0, 2.0, 4.0], [4.0, 900.0, 4.0]])
    assert speedups(times).tolist() == [1.0, 2.0, 1.0]
