"""The rule of the gate: which losses are real, and too large.

On a frozen set a model's scores are fixed numbers, so comparing two files has no noise at all. Noise comes in with the
question that is asked: is this model worse, or only worse on these few clips? Two networks of the same quality, such as
the same recipe trained with another seed, differ on every single clip, some up and some down, and the mean of a small
set is off by the luck of its draw. The absolute scores spread by many dB, from easy clips to hard ones; what counts is
the difference on the same clip, which spreads far less, and so everything here is paired.

    mean        fails where the mean loss exceeds `mean_db` AND its 95 % interval lies above zero.
                The first says that the loss is larger than was agreed, the second that it is one: other clips would
                show it too. The interval is not held against `mean_db` itself: then a loss had to exceed the limit by
                all of the set's uncertainty, and 0.2 dB on a small set would pass a limit of 0.15 for ever.
    worst clip  fails where any clip lost more than `worst_db`, whatever the mean.

The interval is the expanded percentile bootstrap over clips (Hesterberg, 2015, "What teachers should know about the
bootstrap"): plain percentiles are too narrow on small sets by the factor that Student's t is wider than the normal
distribution, and cry wolf. Draws are seeded: the same scores always get the same verdict.

What the bootstrap cannot see is a shift of all clips that goes with a seed. `mean_db` has to leave room for that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edge_sdk.errors import DataError
from quantization.regression.budget import Budget

RESAMPLES = 4000
TAIL = 0.025  # of the interval, on either side
FEWEST = 5  # clips: four of the same quality all get worse by chance once in 16 times, so nobody could tell
PRECISION = 3  # decimals of a score in dB: below that are rounding errors of different processors


@dataclass(frozen=True)
class Loss:
    """One clip: its score in the baseline and now, in dB."""

    clip: str
    before_db: float
    now_db: float

    @property
    def db(self) -> float:
        """What it lost; negative where it got better."""
        return round(self.before_db - self.now_db, PRECISION)


@dataclass(frozen=True)
class Verdict:
    """The losses, the worst first, and their mean with its 95 % interval, in dB."""

    losses: tuple[Loss, ...]
    mean_db: float
    low_db: float
    high_db: float
    budget: Budget

    @property
    def mean_exceeds(self) -> bool:
        """Whether the mean loss is real and larger than allowed."""
        return self.mean_db > self.budget.mean_db and self.low_db > 0

    @property
    def ruined(self) -> tuple[Loss, ...]:
        """The clips that lost more than any may."""
        return tuple(loss for loss in self.losses if loss.db > self.budget.worst_db)

    @property
    def passed(self) -> bool:
        return not self.mean_exceeds and not self.ruined


def judge(
    before: Mapping[str, float | None], now: Mapping[str, float | None], budget: Budget, seed: int = 0
) -> Verdict:
    """The verdict on scores in dB by clip; clips whose targets are silent have none (None) and count nowhere.

    `DataError` where the clips are not the same, or too few to tell anything.
    """
    if before.keys() != now.keys():
        other = sorted(before.keys() ^ now.keys())
        raise DataError(f"baseline and set differ in clip {other[0]}; write the baseline again with --update-baseline")
    losses = []
    for clip, (was, score) in ((clip, (before[clip], now[clip])) for clip in before):
        if (was is None) != (score is None):
            raise DataError(f"clip {clip} has a score in the baseline or now, not both; write the baseline again")
        if was is not None and score is not None:
            losses.append(Loss(clip, was, score))
    if len(losses) < FEWEST:
        raise DataError(f"{len(losses)} clips with sound: expected {FEWEST} or more, fewer tell nothing of a mean")
    differences = np.array([loss.db for loss in losses])
    low, high = interval(differences, seed)
    ordered = tuple(sorted(losses, key=lambda loss: (-loss.db, loss.clip)))
    mean = round(float(differences.mean()), 2 * PRECISION)  # so that a limit met exactly is met
    return Verdict(ordered, mean, low, high, budget)


def interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of the mean by expanded percentile bootstrap."""
    from scipy.special import ndtr, stdtrit

    count = len(values)
    tail = ndtr(math.sqrt(count / (count - 1)) * stdtrit(count - 1, TAIL))
    drawn = np.random.default_rng(seed).choice(values, size=(RESAMPLES, count)).mean(axis=1)
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return round(float(low), 2 * PRECISION), round(float(high), 2 * PRECISION)
