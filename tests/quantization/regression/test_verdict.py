"""The gate sees a real loss, and none where there is only luck."""

from __future__ import annotations

import numpy as np
import pytest

from edge_sdk.errors import DataError
from quantization.regression import Budget
from quantization.regression.verdict import Verdict, judge

RERUNS = 20
RETRAINED = Budget(mean_db=0.15, worst_db=2.0)


def scores(seed: int, clips: int = 60) -> np.ndarray:
    """Of a set from easy to hard: 10 dB in the mean, 5 dB of spread."""
    return np.random.default_rng(seed).normal(10, 5, clips)


def retrained(before: np.ndarray, seed: int, spread_db: float = 0.3) -> np.ndarray:
    """Another seed of the same quality: every clip a little better or worse.

    The mean of 60 clips is then off by 0.04 dB (one standard deviation), and a limit of 0.15 dB four of them away.
    """
    return before + np.random.default_rng(1000 + seed).normal(0, spread_db, len(before))


def verdict(before: np.ndarray, now: np.ndarray, budget: Budget = Budget()) -> Verdict:  # noqa: B008
    named = ({f"{i:03}": round(float(score), 3) for i, score in enumerate(each)} for each in (before, now))
    return judge(*named, budget)


def test_twenty_reruns_of_the_same_quality_pass() -> None:
    before = scores(0)
    assert all(verdict(before, retrained(before, seed), RETRAINED).passed for seed in range(RERUNS))


def test_unpaired_scores_would_hide_what_paired_ones_show() -> None:
    before = scores(0)
    now = before - 0.2
    assert not verdict(before, now).passed
    assert not verdict(before, np.random.default_rng(0).permutation(now), Budget(0.15, 100)).mean_exceeds


@pytest.mark.parametrize("spread_db", [0.0, 0.1, 0.2])
def test_a_loss_of_a_fifth_of_a_decibel_in_the_mean_is_caught(spread_db: float) -> None:
    before, caught = scores(0), 0
    for seed in range(RERUNS):
        caught += verdict(before, retrained(before, seed, spread_db) - 0.2, RETRAINED).mean_exceeds
    # The mean of 60 clips is off by 0.026 dB (one standard deviation) at most: 0.15 is two of them away from 0.2.
    assert caught >= RERUNS - 1


def test_a_loss_of_a_fifth_of_a_decibel_is_caught_in_retrainings_too_where_the_set_is_large() -> None:
    before = scores(0, 300)
    for seed in range(RERUNS):
        assert verdict(before, retrained(before, seed), RETRAINED).passed
        assert verdict(before, retrained(before, seed) - 0.2, RETRAINED).mean_exceeds


def test_one_ruined_clip_is_caught_though_the_mean_hardly_moves() -> None:
    before = scores(0)
    now = before.copy()
    now[17] -= 0.6
    found = verdict(before, now)
    assert found.mean_db == pytest.approx(0.01) and not found.mean_exceeds
    assert [loss.clip for loss in found.ruined] == ["017"] and not found.passed
    assert found.losses[0].db == 0.6


@pytest.mark.parametrize("clips", [5, 8, 30])
def test_luck_is_called_a_loss_no_more_often_than_promised(clips: int) -> None:
    """One side of a 95 % interval: 2.5 % of 400 reruns, 10, and three standard deviations of that number more."""
    before = scores(0, clips)
    alarms = [verdict(before, retrained(before, seed), Budget(0, 100)).mean_exceeds for seed in range(400)]
    assert sum(alarms) <= 20


def test_what_the_interval_says_does_not_depend_on_the_run() -> None:
    before = scores(0)
    assert verdict(before, retrained(before, 1)) == verdict(before, retrained(before, 1))


def test_the_limits_themselves_are_allowed() -> None:
    before = scores(0)
    assert verdict(before, before - 0.15, Budget(0.15, 0.15)).passed
    assert not verdict(before, before - 0.151, Budget(0.15, 0.15)).passed


def test_getting_better_passes_by_any_amount() -> None:
    before = scores(0)
    assert verdict(before, before + 3, Budget(0, 0)).passed


def test_clips_without_a_score_count_nowhere() -> None:
    before: dict[str, float | None] = {f"{i}": 10.0 for i in range(6)}
    now: dict[str, float | None] = {**before, "0": 9.4}
    assert judge({**before, "silent": None}, {**now, "silent": None}, Budget()) == judge(before, now, Budget())
    with pytest.raises(DataError, match="clip 1 has a score in the baseline or now, not both"):
        judge(before, {**now, "1": None}, Budget())


def test_other_clips_and_too_few_are_refused() -> None:
    five: dict[str, float | None] = {f"{i}": 10.0 for i in range(5)}
    with pytest.raises(DataError, match="differ in clip 4"):
        judge(five, {k: v for k, v in five.items() if k != "4"}, Budget())
    four = {k: v for k, v in five.items() if k != "4"}
    with pytest.raises(DataError, match="4 clips with sound: expected 5 or more"):
        judge(four, four, Budget())


@pytest.mark.parametrize("limits", [(-0.1, 1.0), (float("nan"), 1.0), (0.1, float("inf")), (True, 2.0), ("0.1", 2.0)])
def test_a_budget_is_a_loss(limits: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="expected a loss in dB, 0 or more"):
        Budget(*limits)


def test_a_clip_may_not_be_allowed_less_than_the_mean() -> None:
    with pytest.raises(ValueError, match=r"worst_db = 0.1 is below mean_db = 0.2"):
        Budget(0.2, 0.1)
