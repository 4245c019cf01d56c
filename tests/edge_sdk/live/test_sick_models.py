"""A model that is not finite or raises errors is reset and heard again, or gives way to the next rung."""

import numpy as np
import pytest

from edge_sdk import Separator
from edge_sdk.live.engine import Outcome
from edge_sdk.live.highpass import HighPass
from edge_sdk.live.local import Bypass, Local, model_engine
from tests.edge_sdk.live.devices import RATE
from tests.edge_sdk.live.engines import Scripted, noise
from tests.edge_sdk.live.guards import guarded, run
from tests.edge_sdk.live.stage import BLOCK, delayed


class Corrupted:
    """A separator whose output is NaN from one block on, as with a memory that went bad, until it is reset."""

    def __init__(self, separator: Separator, block: int) -> None:
        self.separator, self.left = separator, block
        self.mics, self.delay = separator.mics, separator.delay
        self.sick = False

    def process(self, x: np.ndarray) -> np.ndarray:
        y = self.separator.process(x)
        self.left -= 1
        self.sick |= self.left == 0
        return np.full_like(y, np.nan) if self.sick else y

    def reset(self) -> None:
        self.sick = False
        self.separator.reset()


def test_a_model_whose_memory_is_not_finite_is_reset_and_heard_again() -> None:
    """Fault: NaN from the model, which would stay in its memory for ever."""
    separator = Separator.open("enhance-mono")
    guard = guarded([Local("model", Corrupted(separator, 20), 1, 1, BLOCK)])
    x = noise(100 * BLOCK)
    y = run(guard, x)
    assert guard.metrics.fallbacks == {"late": 0, "bad": 2, "dead": 0}  # the block, and one to warm up
    anew = Separator.open("enhance-mono").process(x[:, 20 * BLOCK :])
    end = guard.delay - separator.delay
    np.testing.assert_array_equal(y[:, end + 24 * BLOCK :], anew[:, 4 * BLOCK : anew.shape[1] - end])


def test_a_model_that_is_never_finite_ends_on_the_next_rung() -> None:
    guard = guarded([Scripted(fails=lambda number: Outcome.BAD), Scripted(gain=0.5)])
    x = noise(90 * BLOCK)
    y = run(guard, x)
    assert guard.metrics.rung == 1 and guard.metrics.fallbacks["bad"] == 3
    np.testing.assert_array_equal(y[:, 5 * BLOCK :], np.float32(0.5) * delayed(x, guard.delay)[:, 5 * BLOCK :])


class Failing:
    """A stream that raises an error at every block."""

    mics, delay = 1, 0

    def process(self, x: np.ndarray) -> np.ndarray:
        raise RuntimeError("no memory\nin the interpreter")

    def reset(self) -> None:
        pass


def test_an_error_of_an_engine_is_an_outcome_and_a_line(caplog: pytest.LogCaptureFixture) -> None:
    guard = guarded([Local("model", Failing(), 1, 1, BLOCK), Bypass(1, 1, BLOCK)])
    x = noise(50 * BLOCK)
    np.testing.assert_array_equal(run(guard, x), delayed(x, guard.delay))
    assert guard.metrics.fallbacks["dead"] == 3
    lines = [record.getMessage() for record in caplog.records if "failed" in record.getMessage()]
    assert lines == ["model failed: RuntimeError: no memory in the interpreter"] * 3


def test_a_microphone_that_is_not_finite_does_not_stay_in_the_chain() -> None:
    """Fault: NaN comes in, and would stay in the memory of a model."""
    x = noise(100 * BLOCK)
    x[0, 1000:1100] = np.nan
    highpass = HighPass(1, RATE)
    highpass.filter(x)
    guard = guarded([model_engine(Separator.open("enhance-mono"), 1)])
    run(guard, x, 160)
    assert not sum(guard.metrics.fallbacks.values())
    assert highpass.repaired == 100
