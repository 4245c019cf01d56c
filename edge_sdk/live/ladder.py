"""Which engine makes the output: the chosen model, or while that fails a smaller one, a fixed beam, the microphone."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from edge_sdk.live.engine import Engine, Outcome
from edge_sdk.live.history import History

log = logging.getLogger(__name__)
Samples = NDArray[np.float32]


@dataclass(frozen=True)
class LadderConfig:
    """When to change the engine; times in blocks, so that a simulated day is like a real one.

    bad: blocks within `window` that were not finite or whose engine died, late: blocks that took too long, overruns:
    times that the sound card lost samples or ran dry; after so many the ladder steps down. Lateness may be the
    machine's, now and then, and to lose a block in twenty is better than to lose the model; what is not finite is the
    model's own.
    calm: blocks without any of it until a step up is tried, twice as many after each that failed or did not last, up to
    calm_limit. trial: blocks for which the upper engine runs beside, without a fault, before it takes over.
    """

    bad: int = 3
    late: int = 62
    overruns: int = 5
    window: int = 1250
    calm: int = 1250
    calm_limit: int = 75_000
    trial: int = 25

    def __post_init__(self) -> None:
        if min(self.bad, self.late, self.overruns, self.window, self.calm, self.trial) < 1:
            raise ValueError(f"{self}: expected at least 1 of each")
        if self.calm_limit < self.calm:
            raise ValueError(f"calm_limit = {self.calm_limit}: expected at least calm = {self.calm}")

    @classmethod
    def for_blocks(cls, block: int, rate_hz: int) -> LadderConfig:
        """A window of 10 s, of which 5 % may be late; the first calm 10 s, the longest 10 min, a trial of 0.2 s."""
        per_s = rate_hz / block
        return cls(
            late=max(1, round(0.05 * 10 * per_s)),
            window=max(1, round(10 * per_s)),
            calm=max(1, round(10 * per_s)),
            calm_limit=max(1, round(600 * per_s)),
            trial=max(1, round(0.2 * per_s)),
        )


class Strikes:
    """Faults within a window of blocks."""

    def __init__(self, limit: int, window: int) -> None:
        self._window = window
        self._blocks: deque[int] = deque(maxlen=limit)

    def out(self, block: int) -> bool:
        """Count one; whether that makes as many as there may be."""
        self._blocks.append(block)
        return len(self._blocks) == self._blocks.maxlen and block - self._blocks[0] < self._window

    def clear(self) -> None:
        self._blocks.clear()


class Rung:
    """An engine that hears the microphones so late that all rungs come out together.

    out: the block that it made; seconds: what that took.
    """

    def __init__(self, engine: Engine, delay: int) -> None:
        self.engine = engine
        self.out: Samples = np.zeros((engine.sources, engine.block), np.float32)
        self.seconds = 0.0
        self._lag = delay - engine.delay
        # Blocks after a reset that hold samples of before it, which the engine has forgotten.
        self._warm_up = -(-engine.delay // engine.block)
        self._cold = 0
        self._reason = Outcome.LATE

    def run(self, history: History, budget_s: float, clock: Callable[[], float]) -> tuple[Outcome, Outcome]:
        """What to tell of this block, and how it went now: they differ while the engine warms up after a fault."""
        begin = clock()
        outcome = self.engine.process(history.read(self._lag, self.engine.block), self.out, budget_s)
        self.seconds = clock() - begin
        if outcome in (Outcome.BAD, Outcome.DEAD):
            self.restart(outcome)
            return outcome, outcome
        told: Outcome = outcome
        if self._cold:
            self._cold -= 1
            told = self._reason
        late = self.seconds > budget_s or outcome is Outcome.LATE
        return told, Outcome.LATE if late else Outcome.GOOD

    def restart(self, reason: Outcome) -> None:
        """Begin anew in the midst of the stream: until the engine is warm its blocks count as lost, for this reason."""
        self.engine.reset()
        self._cold, self._reason = self._warm_up, reason

    def begin(self) -> None:
        """Begin a stream: before it was silence, which is what a new engine remembers."""
        self.engine.reset()
        self._cold = 0


class Ladder:
    """Engines from the wanted one down to one that never fails, and the one that is in use.

    Every block: `step`. The first rung that fails too often is left for the next one down; after a calm time the one
    above runs beside the present one for a trial and takes over where it had no fault. Counts blocks, asks no calendar:
    the same outcomes and durations give the same steps.
    rung: place of the engine in use, 0 is the wanted one. delay: of all of them, the greatest. seconds: what the newest
    block took, with a trial the time of both. before: the newest block of an engine from which another just took over.
    """

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
        self.names = tuple(engine.name for engine in engines)
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

    @property
    def out(self) -> Samples:
        """The newest block of the engine in use, `[sources, block]`."""
        return self._rungs[self.rung].out

    def step(self, history: History, budget_s: float) -> Outcome:
        """Let the engine in use make the newest block: `GOOD` says that it is in `out`."""
        self._block += 1
        self.before = None
        active = self._rungs[self.rung]
        told, outcome = active.run(history, budget_s, self._clock)
        self.seconds = active.seconds
        if outcome is not Outcome.GOOD:
            self._strike(self._late if outcome is Outcome.LATE else self._bad, outcome)
        if self._rungs[self.rung] is not active:
            return outcome
        if self._upper is not None:
            self._try(self._rungs[self._upper], history, budget_s)
            if self._rungs[self.rung] is not active and told is Outcome.GOOD:
                self.before = active.out
        elif self.rung and self._block - self._quiet_since >= self._calm:
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

    def _wait_longer(self) -> None:
        self._calm = min(2 * self._calm, self.config.calm_limit)

    def _move(self, rung: int) -> None:
        log.warning("%s instead of %s", self.names[rung], self.names[self.rung])
        self._climbed = rung < self.rung
        self.rung, self._moved, self._quiet_since = rung, self._block, self._block
        self._upper, self._reach = None, 1
        for strikes in (self._bad, self._late, self._overruns):
            strikes.clear()
