"""A guard whose ladder decides quickly, and all that it gives for a signal."""

from collections.abc import Iterable

import numpy as np

from edge_sdk.live.engine import Engine
from edge_sdk.live.guard import Guard
from edge_sdk.live.ladder import Ladder
from edge_sdk.live.ladder_config import LadderConfig
from tests.edge_sdk.live.devices import RATE
from tests.edge_sdk.live.engines import Clock, metrics
from tests.edge_sdk.live.stage import QUICK


def guarded(engines: Iterable[Engine], period: int = 1, config: LadderConfig = QUICK) -> Guard:
    ladder = Ladder(list(engines), config, Clock())
    return Guard(ladder, metrics(ladder.mics, ladder.sources, ladder.block), RATE, period)


def run(guard: Guard, x: np.ndarray, period: int | None = None) -> np.ndarray:
    """All outputs; the last period may be shorter where the guard takes any."""
    y = np.full((guard.ladder.sources, x.shape[1]), np.nan, np.float32)
    for begin in range(0, x.shape[1], period or x.shape[1]):
        end = begin + (period or x.shape[1])
        guard.process(x[:, begin:end], y[:, begin:end])
    assert np.isfinite(y).all()
    return y
