"""Two clocks are kept together for hours, on a virtual clock, and a tone passes without a click."""

import numpy as np
import pytest

from edge_sdk.audio.drift import DriftResampler, FillLoop, Resampler

RATE, PERIOD, TARGET = 16_000, 160, 480


def tone(hz: float, samples: int) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz / RATE * np.arange(samples)))[None].astype(np.float32)


def resampled(x: np.ndarray, step: float, blocks: list[int]) -> np.ndarray:
    resampler, parts, start = Resampler(len(x), max(blocks)), [], 0
    while start < x.shape[1]:
        block = blocks[len(parts) % len(blocks)]
        parts.append(resampler.process(x[:, start : start + block], step))
        start += block
    return np.concatenate(parts, axis=1)


def distortion_db(y: np.ndarray, hz: float) -> float:
    """Power of all that is not this tone, over that of the tone."""
    at = 2 * np.pi * hz / RATE * np.arange(len(y))
    tones = np.stack([np.sin(at), np.cos(at)], axis=1)
    rest = y - tones @ np.linalg.lstsq(tones, y, rcond=None)[0]
    return float(10 * np.log10(np.sum(rest**2) / np.sum(y**2)))


@pytest.mark.parametrize(
    ("hz", "at_most_db"), [(100, -90), (1000, -100), (3000, -95), (6000, -75), (6500, -70), (7000, -48)]
)
@pytest.mark.parametrize("ppm", [-200, 137, 1000])
def test_a_tone_stays_a_tone(hz: float, ppm: float, at_most_db: float) -> None:
    step = 1 + 1e-6 * ppm
    y = resampled(tone(hz, 5 * RATE), step, [PERIOD])[0, RATE // 2 :].astype(np.float64)
    assert distortion_db(y, hz * step) < at_most_db
    assert abs(np.sqrt(2 * np.mean(y**2)) / 0.5 - 1) < 0.01


def test_at_equal_rates_the_samples_come_as_they_are_later_by_the_delay() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (2, 2000)).astype(np.float32)
    y = resampled(x, 1.0, [PERIOD])
    delay = Resampler.delay
    assert y.shape == x.shape and np.abs(y[:, : delay - 1]).max() < 1e-4  # fitted polynomials, not sincs
    np.testing.assert_allclose(y[:, delay:], x[:, :-delay], rtol=0, atol=1e-4)


def test_blocks_of_any_size_give_the_same_samples() -> None:
    x = np.random.default_rng(1).uniform(-1, 1, (1, 3000)).astype(np.float32)
    whole, parts = resampled(x, 1.0002, [3000]), resampled(x, 1.0002, [1, 7, 160, 33])
    assert whole.shape == parts.shape
    np.testing.assert_allclose(parts, whole, rtol=0, atol=1e-5)  # the order of sums


@pytest.mark.parametrize("quantum", [1, PERIOD])
@pytest.mark.parametrize("ppm", [200, -200])
def test_the_fill_level_stays_within_bounds_for_hours(ppm: float, quantum: int) -> None:
    """The device is `ppm` slower and tells its level in steps of `quantum`; temperature moves its clock by 20 ppm."""
    loop, queued, levels, found = FillLoop(RATE, TARGET), float(TARGET), [], []
    block = 5 * PERIOD
    for k in range(3 * 3600 * RATE // block):
        off = 1e-6 * (ppm + 20 * np.sin(2 * np.pi * k * block / RATE / 3600))
        queued += block / loop.step(block, int(np.ceil(queued / quantum)) * quantum) - block * (1 - off)
        levels.append(queued)
        found.append(1e6 * loop.learnt)
    far = np.abs(np.array(levels) - TARGET)
    assert far.max() < 60 + quantum  # until the difference is learnt: 3.6 ms
    settled = len(levels) // 12  # a quarter of an hour
    assert far[settled:].max() < 4 + quantum
    assert np.abs(np.array(found[settled:]) - ppm).max() < 25 + (quantum > 1) * 40


def test_a_tone_has_no_click_while_the_clocks_are_brought_together() -> None:
    rng, drift = np.random.default_rng(2), DriftResampler(1, RATE, TARGET, PERIOD)
    x, queued, parts = tone(1000, 40 * RATE), 2.0 * TARGET, []  # begins far too full, and the level jumps as it is read
    for start in range(0, x.shape[1], PERIOD):
        parts.append(drift.process(x[:, start : start + PERIOD], int(queued + rng.integers(-PERIOD, PERIOD))))
        queued += parts[-1].shape[1] - PERIOD * (1 - 2e-4)
    y = np.concatenate(parts, axis=1)[0, 100:].astype(np.float64)
    # Of a pure tone each sample follows from the two before. 1e-3 of rate deviation leaves 2 sin(w) w 1e-3 of it.
    turn = 2 * np.pi * 1000 / RATE
    wrong = np.abs(y[2:] + y[:-2] - 2 * np.cos(turn) * y[1:-1])
    assert wrong.max() < 2 * np.sin(turn) * turn * 1e-3
    assert {part.shape[1] for part in parts} <= {PERIOD - 1, PERIOD, PERIOD + 1}
    slipped = np.delete(y, 5000)
    assert np.abs(slipped[2:] + slipped[:-2] - 2 * np.cos(turn) * slipped[1:-1]).max() > 100 * wrong.max()


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Resampler(0, 1), "channels = 0"),
        (lambda: Resampler(1, 4).process(np.zeros((1, 5), np.float32), 1.0), r"expected \(1, up to 4\)"),
        (lambda: FillLoop(RATE, 0), "target = 0"),
    ],
)
def test_what_cannot_be_is_refused(make: object, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        make()  # type: ignore[operator]
