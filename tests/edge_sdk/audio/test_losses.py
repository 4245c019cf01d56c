"""An overrun is counted as long as it was, on a virtual clock: with late arrivals, and clocks that differ."""

from collections.abc import Callable

import numpy as np
import pytest

from edge_sdk.audio.losses import LossCounter

RATE, PERIOD = 16_000, 320
Late = Callable[[np.random.Generator], float]


def errors(ppm: float, late_s: Late, seconds: float, every_s: float, gap_s: float = 1.0) -> tuple[list[int], list[int]]:
    """What each overrun of a device that is `ppm` too fast was counted too much, and the sums of these."""
    rng, losses = np.random.default_rng(0), LossCounter(RATE)
    each: list[int] = []
    position, gap, now_s, next_s = 0, 0, 0.0, every_s
    while position < seconds * RATE:
        position += PERIOD
        due_s = position / (RATE * (1 + 1e-6 * ppm))
        now_s = max(now_s, due_s + late_s(rng))
        lost = losses.arrived(PERIOD, 1e5 + now_s, overrun=gap > 0)
        if gap:
            each.append(lost - gap)
        gap = 0
        if due_s > next_s:
            next_s += every_s
            gap = int(rng.uniform(0.01, gap_s) * RATE)
            position += gap
    return each, list(np.cumsum(each))


@pytest.mark.parametrize("ppm", [0, 200, -200])
def test_without_jitter_every_overrun_is_exact_whatever_the_clocks_differ_by(ppm: float) -> None:
    each, sums = errors(ppm, lambda rng: 0.0, seconds=900, every_s=30)
    # Half a minute after the start the slope is known to some ppm: half a sample in a gap of a second, and rounding.
    assert len(each) > 20 and max(map(abs, each)) <= 1 and max(map(abs, sums)) <= 2


@pytest.mark.parametrize("ppm", [0, 200, -200])
@pytest.mark.parametrize(
    ("late", "largest_s"),
    [
        (lambda rng: min(0.002, rng.exponential(1e-4)), 0.002),  # a board
        (lambda rng: 0.02 * (rng.random() < 0.02) + rng.uniform(0, 0.001), 0.021),  # a busy machine
        (lambda rng: rng.uniform(0, 0.01), 0.01),
    ],
)
def test_late_arrivals_cost_at_most_their_lateness_and_do_not_add_up(late: Late, largest_s: float, ppm: float) -> None:
    each, sums = errors(ppm, late, seconds=900, every_s=10)
    # The line is off as the earliest of the 50 arrivals of a second is late, and so is what an overrun leaves over: in
    # the last case 0.2 ms, at random, 89 times.
    bound = RATE * (largest_s + 0.005)
    assert len(each) > 60 and max(map(abs, each)) <= bound and max(map(abs, sums)) <= bound


def test_counts_are_never_negative_and_none_without_an_overrun() -> None:
    losses, rng, now_s = LossCounter(RATE), np.random.default_rng(1), 0.0
    for _ in range(5000):
        now_s += rng.exponential(0.01)  # arrivals that have nothing to do with the samples
        overrun = bool(rng.random() < 0.1)
        lost = losses.arrived(int(rng.integers(1, 500)), now_s, overrun)
        assert lost >= 0 and (overrun or lost == 0)


def test_an_overrun_before_anything_arrived_loses_nothing() -> None:
    assert LossCounter(RATE).arrived(PERIOD, 5.0, overrun=True) == 0


def test_a_backlog_read_at_once_is_no_loss_and_leaves_the_next_count_right() -> None:
    """A sound server keeps what its reader did not fetch, so a reader that stalled finds it all."""
    losses, position = LossCounter(RATE), 0
    for second in (0.0, 20.0):
        for k in range(1000):
            position += PERIOD
            stalled_until_s = second + 15.0 if 10 < position / RATE - second < 15 else 0.0
            assert losses.arrived(PERIOD, max(stalled_until_s, position / RATE)) == 0, k
    position += RATE + PERIOD
    assert losses.arrived(PERIOD, position / RATE, overrun=True) == RATE


def test_samples_missing_untold_move_the_line_but_not_its_slope() -> None:
    losses, position = LossCounter(RATE), 0
    for k in range(3000):
        position += PERIOD + (RATE // 2 if k == 1500 else 0)
        losses.arrived(PERIOD, position / RATE)
    position += 5 * RATE + PERIOD
    assert abs(losses.arrived(PERIOD, position / RATE, overrun=True) - 5 * RATE) <= 1


def test_a_rate_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="rate_hz = 0"):
        LossCounter(0)
