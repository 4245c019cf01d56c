"""Where an engine takes over from another while a stream plays, block by block."""

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from edge_sdk.errors import EdgeError
from edge_sdk.live.engine import Engine
from edge_sdk.live.guard import Guard
from edge_sdk.live.ladder import Ladder
from edge_sdk.live.ladder_config import LadderConfig
from edge_sdk.live.local import Bypass
from edge_sdk.live.swap import Swap
from tests.edge_sdk.live.devices import RATE
from tests.edge_sdk.live.engines import Clock, metrics, noise

BLOCK, BUDGET = 64, 0.003
QUICK = LadderConfig(bad=3, late=4, overruns=4, window=50, calm=100, calm_limit=800, trial=5)
MEMORY = 5 * BLOCK  # of a scripted engine, said to whoever warms it
PATIENCE_S = 60.0


class Stage:
    """A guard whose blocks are asked for one by one, and a helper that brings engines to it."""

    def __init__(self, *engines: Engine, clock: Clock | None = None, memory: int = MEMORY) -> None:
        self.ladder = Ladder([*engines, Bypass(1, 1, BLOCK)], QUICK, clock or Clock())
        self.metrics = metrics(block=BLOCK)
        self.guard = Guard(self.ladder, self.metrics, RATE, BLOCK, budget_s=BUDGET)
        self.open: dict[Engine, int] = dict.fromkeys(engines, memory)
        self.swap = Swap(self.ladder, lambda bundle: bundle.engine, self.open)  # type: ignore[attr-defined]
        self.x = noise(4000 * BLOCK)
        self.y = np.zeros_like(self.x)
        self.blocks = 0

    def play(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            place = slice(self.blocks * BLOCK, (self.blocks + 1) * BLOCK)
            self.guard.process(self.x[:, place].copy(), self.y[:, place])
            self.blocks += 1

    def bring(self, ask: Callable[[], int]) -> int | EdgeError:
        """Let a helper do it, and play meanwhile, never faster than it follows; its answer."""
        answer: list[int | EdgeError] = []

        def help_it() -> None:
            try:
                answer.append(ask())
            except EdgeError as error:
                answer.append(error)

        thread = threading.Thread(target=help_it)
        thread.start()
        end = time.monotonic() + PATIENCE_S
        while thread.is_alive() and time.monotonic() < end:
            if self.ladder.newcomer is None:
                time.sleep(0.0005)
            else:
                self.play()
                follow(self.ladder, thread)
        thread.join(PATIENCE_S)
        return answer[0]

    def load(self, engine: Engine, memory: int = MEMORY) -> int | EdgeError:
        """Bring this engine, of a model that remembers so many samples."""
        return self.bring(lambda: self.swap.load(bundle_of(engine, memory)))


def bundle_of(engine: Engine, memory: int) -> Any:
    """As much of a bundle as `Swap` looks at."""
    m = SimpleNamespace(name=engine.name, version="2", delays=(), carries=(), hop=1, context=memory, window=0)
    return SimpleNamespace(manifest=m, engine=engine)


def follow(ladder: Ladder, helper: threading.Thread) -> None:
    """Wait until the helper has done what the last block gave it to do."""
    while helper.is_alive() and (newcomer := ladder.newcomer) is not None:
        if not newcomer.met or newcomer.ready or newcomer.unwanted is not None:
            return
        if newcomer._heard == newcomer._copied < newcomer._warm:
            return
        time.sleep(0.0005)


def delayed(x: np.ndarray, delay: int) -> np.ndarray:
    return np.pad(x, ((0, 0), (delay, 0)))[:, : x.shape[1]]
