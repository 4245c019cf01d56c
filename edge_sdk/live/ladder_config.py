"""When a ladder changes the engine."""

from __future__ import annotations

from dataclasses import dataclass


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
