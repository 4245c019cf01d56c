"""More threads than one only where they clearly help; on a clock that the steps themselves turn."""

from collections.abc import Callable, Iterator
from itertools import cycle

import pytest

from edge_sdk.accelerators import threads
from edge_sdk.contract import Bundle
from tests.edge_sdk.bundles import MODEL, manifest

BUNDLE = Bundle(manifest(), MODEL)  # never run
US = 1e-6
Steps = dict[int, list[float]]  # by the number of threads, the times of one step after another, over and over


@pytest.fixture
def quickest(monkeypatch: pytest.MonkeyPatch) -> Callable[[Steps], int]:
    def run(steps: Steps) -> int:
        now = 0.0

        def stepper(bundle: Bundle, backend: str, count: int) -> Callable[[], None]:
            times: Iterator[float] = cycle(steps[count])

            def step() -> None:
                nonlocal now
                now += next(times)

            return step

        monkeypatch.setattr(threads, "stepper", stepper)
        monkeypatch.setattr(threads.time, "perf_counter", lambda: now)
        return threads.quickest(BUNDLE, "ai-edge-litert", max(steps)).count

    return run


@pytest.mark.parametrize(
    ("steps", "want"),
    [
        ({1: [400 * US]}, 1),
        ({1: [400 * US], 2: [230 * US]}, 2),
        ({1: [400 * US], 2: [390 * US]}, 1),  # noise
        ({1: [400 * US], 2: [900 * US]}, 1),
        ({1: [400 * US], 2: [230 * US], 3: [180 * US], 4: [200 * US]}, 3),
        ({1: [400 * US], 2: [200 * US] * 8 + [3000 * US] * 2}, 1),  # quicker as a rule, but a stream breaks
        ({1: [0.5], 2: [0.2]}, 2),  # a step that fills a round
        ({1: [0.0], 2: [0.0]}, 1),  # a clock too coarse to see anything
    ],
)
def test_the_quickest_is_found(quickest: Callable[[Steps], int], steps: Steps, want: int) -> None:
    assert quickest(steps) == want


def test_a_machine_that_is_busy_for_a_while_decides_nothing(quickest: Callable[[Steps], int]) -> None:
    """Every fourth round of both is three times as long: what is compared stands side by side."""
    slow = [400 * US] * 75 + [1200 * US] * 25
    assert quickest({1: slow, 2: slow}) == 1


def test_a_model_that_runs_gets_a_number(tiny: Bundle) -> None:
    assert 1 <= threads.quickest(tiny, "ai-edge-litert", 2).count <= 2
