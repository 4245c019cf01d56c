"""Which engine makes the output: the chosen model, or while that fails a smaller one, a fixed beam, the microphone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from edge_sdk.live.engine import Engine, Outcome
from edge_sdk.live.history import History
from edge_sdk.live.ladder_config import LadderConfig
from edge_sdk.live.newcomer import Newcomer
from edge_sdk.live.rung import Rung, Strikes

log = logging.getLogger(__name__)
BEGAN_ANEW = "the stream began anew meanwhile"
Samples = NDArray[np.float32]


class Ladder:
    """Engines from the wanted one down to one that never fails, and the one that is in use.

    Every block: `step`. The first rung that fails too often is left for the next one down; after a calm time the one
    above runs beside the present one for a trial and takes over where it had no fault. Counts blocks, asks no calendar:
    the same outcomes and durations give the same steps.
    rung: place of the engine in use, 0 is the wanted one. delay: of all of them, the greatest. seconds: what the newest
    block took, with a trial the time of both. before: the newest block of an engine from which another just took over.
    newcomer: what is to be the wanted one, put there by a helper thread; swaps: how many got there. previous: the rung
    that was the wanted one before, and is now the second.
    """

    names: tuple[str, ...]
    rung: int
    seconds: float
    before: Samples | None
    _upper: int | None  # the rung on trial
    _climbed: bool  # to this rung, not stepped down
    _calm: int  # blocks until the next trial
    _reach: int  # rungs from this one up to the one that it will be of

    def __init__(
        self, engines: Sequence[Engine], config: LadderConfig | None = None, clock: Callable[[], float] = perf_counter
    ) -> None:
        if not engines:
            raise ValueError("no engines: expected at least one")
        first = engines[0]
        for engine in engines:
            if (engine.mics, engine.sources, engine.block) != (first.mics, first.sources, first.block):
                raise ValueError(
                    f"{engine.name} turns {engine.mics} microphones into {engine.sources} sources by blocks of"
                    f" {engine.block}: expected {first.mics}, {first.sources} and {first.block}, as {first.name} does"
                )
        self.mics, self.sources, self.block = first.mics, first.sources, first.block
        self.delay = max(engine.delay for engine in engines)
        self.config = config or LadderConfig()
        self._clock = clock
        self._rungs = [Rung(engine, self.delay) for engine in engines]
        self._bad = Strikes(self.config.bad, self.config.window)
        self._late = Strikes(self.config.late, self.config.window)
        self._overruns = Strikes(self.config.overruns, self.config.window)
        self.rung = 0
        self.seconds = 0.0
        self.before = None
        self._block = self._quiet_since = self._moved = 0
        self._upper = None
        self._trial_left = 0
        self._climbed = False
        self._calm = self.config.calm
        self._reach = 1
        self.newcomer: Newcomer | None = None
        self.previous: Rung | None = None
        self.swaps = 0
        self._name()

    @property
    def out(self) -> Samples:
        """The newest block of the engine in use, `[sources, block]`."""
        return self._rungs[self.rung].out

    def step(self, history: History, budget_s: float) -> Outcome:
        """Let the engine in use make the newest block: `GOOD` says that it is in `out`."""
        self._block += 1
        self.before, self.seconds = None, 0.0
        newcomer = self.newcomer
        joins = newcomer is not None and self._hear(newcomer, history, budget_s)
        active = self._rungs[self.rung]  # one that comes back may be heard already
        told = self._play(active, history, budget_s)
        if newcomer is not None and joins:
            self._take_over(newcomer)
            if told is Outcome.GOOD:
                self.before = active.out
        return told

    def _play(self, active: Rung, history: History, budget_s: float) -> Outcome:
        """A block of the engine in use, and of one on trial."""
        told, outcome = active.run(history, budget_s, self._clock)
        self.seconds += active.seconds
        if outcome is not Outcome.GOOD:
            self._strike(self._late if outcome is Outcome.LATE else self._bad, outcome)
        if self._rungs[self.rung] is not active:
            return outcome
        if self._upper is not None:
            self._try(self._rungs[self._upper], history, budget_s)
            if self._rungs[self.rung] is not active and told is Outcome.GOOD:
                self.before = active.out
        elif self.rung and self._block - self._quiet_since >= self._calm and self.newcomer is None:
            self._upper, self._trial_left = max(0, self.rung - self._reach), self.config.trial
            self._rungs[self._upper].restart(Outcome.LATE)
        return told

    def overrun(self) -> None:
        """The sound card lost samples or ran dry: held against the engine in use."""
        self._strike(self._overruns, Outcome.LATE)

    def forget(self) -> None:
        """The stream begins anew: nothing of its past is remembered but how the engines did, and which is in use."""
        for rung in self._rungs:
            rung.begin()
        self._upper, self.before = None, None
        if self.newcomer is not None:
            self._refuse(self.newcomer, BEGAN_ANEW)

    def close(self) -> None:
        """End what runs beside."""
        for rung in self._rungs:
            rung.engine.close()

    def _strike(self, strikes: Strikes, outcome: Outcome) -> None:
        """Hold a fault against the engine in use."""
        self._quiet_since = self._block
        if strikes.out(self._block) and self.rung + 1 < len(self._rungs):
            lasted = self._block - self._moved
            if lasted >= self._calm:
                self._calm = self.config.calm
            elif self._climbed:
                self._wait_longer()
            self._move(self.rung + 1)
            self._rungs[self.rung].restart(outcome)

    def _try(self, upper: Rung, history: History, budget_s: float) -> None:
        """A block of a trial, which costs the time of both engines."""
        told, outcome = upper.run(history, budget_s, self._clock)
        self.seconds += upper.seconds
        if outcome is not Outcome.GOOD:
            self._upper, self._quiet_since = None, self._block
            self._wait_longer()
            self._reach = self._reach % self.rung + 1  # the next trial is of another rung, if there is one
            return
        self._trial_left -= 1
        if self._trial_left <= 0 and told is Outcome.GOOD:
            self._move(self._rungs.index(upper))

    def _hear(self, newcomer: Newcomer, history: History, budget_s: float) -> bool:
        """A block for the newcomer; whether it ran beside the engine in use, and takes over."""
        if not newcomer.met:
            self._meet(newcomer)
        if newcomer.unwanted is not None:
            self._refuse(newcomer, newcomer.unwanted)
        if newcomer.over:
            return False
        if not newcomer.in_step:
            if not newcomer.copy(history):
                self._refuse(newcomer, "it is too slow beside the engine that plays")
            return False
        told, outcome = newcomer.rung.run(history, budget_s, self._clock)
        self.seconds += newcomer.rung.seconds
        if told is outcome is Outcome.GOOD:
            return True
        newcomer.late += 1
        if outcome is Outcome.LATE and newcomer.late <= self.config.trial:
            newcomer.skip()
        else:
            newcomer.failed = outcome is not Outcome.LATE
            self._refuse(newcomer, f"beside the engine that plays its blocks were {outcome.value}")
        return False

    def _meet(self, newcomer: Newcomer) -> None:
        """Make way for it: one that comes back is no rung meanwhile, unless it is in use already."""
        self._upper = None
        if newcomer.rung in self._rungs:
            place, self.previous = self._rungs.index(newcomer.rung), None
            if plays := place == self.rung:
                newcomer.left, self._rungs = self._rungs[:place], self._rungs[place:]
                self._settle()
            else:
                del self._rungs[place]
                self.rung -= self.rung > place
            self._name()
            if plays:
                newcomer.over, self.newcomer = True, None
        newcomer.met = True  # last: from here on a helper may have the engine

    def _take_over(self, newcomer: Newcomer) -> None:
        """The newcomer is the wanted one, and what was is the next; unless it failed, or is left for good."""
        models = self._rungs[:-1][: 1 if self.previous is None else 2]
        kept = self._rungs[self.rung] if self.rung < len(models) else models[0] if models else None
        self.previous = None if newcomer.back else kept
        newcomer.left = [rung for rung in models if rung is not self.previous]
        first = [newcomer.rung] if self.previous is None else [newcomer.rung, self.previous]
        self._rungs = [*first, *self._rungs[len(models) :]]
        self._settle()
        self._name()
        newcomer.over, self.newcomer = True, None

    def _refuse(self, newcomer: Newcomer, why: str) -> None:
        newcomer.refuse(why)
        self.newcomer = None

    def _settle(self) -> None:
        """The first rung is in use, and nothing is held against it."""
        self.rung, self._moved, self._quiet_since = 0, self._block, self._block
        self._upper, self._reach, self._climbed, self._calm = None, 1, False, self.config.calm
        self.swaps += 1
        for strikes in (self._bad, self._late, self._overruns):
            strikes.clear()

    def _name(self) -> None:
        """Names of the rungs; two versions of a model may have the same."""
        names = [rung.engine.name for rung in self._rungs]
        if self.previous is not None and names[0] == names[1]:
            names[1] += " (before)"
        self.names = tuple(names)

    def _wait_longer(self) -> None:
        self._calm = min(2 * self._calm, self.config.calm_limit)

    def _move(self, rung: int) -> None:
        log.warning("%s instead of %s", self.names[rung], self.names[self.rung])
        self._climbed = rung < self.rung
        self.rung, self._moved, self._quiet_since = rung, self._block, self._block
        self._upper, self._reach = None, 1
        for strikes in (self._bad, self._late, self._overruns):
            strikes.clear()
