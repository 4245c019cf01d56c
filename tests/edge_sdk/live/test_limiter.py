"""Nothing leaves above the ceiling, and what is below it is left alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from edge_sdk.live.limiter import STRETCH, Limiter, LimiterConfig

RATE = 16_000
ANY_FLOAT = st.floats(width=32, allow_nan=True, allow_infinity=True, allow_subnormal=True)


def limited(limiter: Limiter, x: np.ndarray, sizes: tuple[int, ...] = (10**9,)) -> np.ndarray:
    """The samples after the limiter, which gets them in pieces of these sizes, over and over."""
    y, at, number = x.copy(), 0, 0
    while at < x.shape[1]:
        size = sizes[number % len(sizes)]
        limiter.limit(y[:, at : at + size])
        at, number = at + size, number + 1
    return y


def by_hand(x: np.ndarray, config: LimiterConfig) -> np.ndarray:
    """The same, sample by sample, in dB and double precision."""
    ceiling, gain_db, y = 10 ** (config.ceiling_db / 20), 0.0, np.empty(x.shape)
    for n, peak in enumerate(np.abs(x.astype(np.float64)).max(axis=0)):
        needed_db = min(0.0, config.ceiling_db - 20 * np.log10(max(peak, 1e-300)))
        gain_db = min(needed_db, gain_db + config.release_db_per_s / RATE)
        y[:, n] = np.clip(x[:, n] * 10 ** (gain_db / 20), -ceiling, ceiling)
    return y


def shouts(samples: int, channels: int = 2, seed: int = 0) -> np.ndarray:
    """Noise whose level jumps about, from 60 dB below to 40 dB above full scale."""
    rng = np.random.default_rng(seed)
    levels = np.repeat(rng.uniform(-60, 40, samples // 100 + 1), 100)[:samples]
    return (10 ** (levels / 20) * rng.standard_normal((channels, samples))).astype(np.float32)


@settings(max_examples=150, deadline=None)
@given(
    x=arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=ANY_FLOAT),
    ceiling_db=st.floats(-60, 0),
    release=st.floats(1, 10_000),
)
def test_whatever_comes_in_nothing_leaves_above_the_ceiling(x: np.ndarray, ceiling_db: float, release: float) -> None:
    limiter = Limiter(x.shape[0], RATE, LimiterConfig(ceiling_db, release))
    for _ in range(3):
        y = limited(limiter, x)
        assert np.isfinite(y).all()
        assert (np.abs(y) <= limiter.ceiling).all()
    assert limiter.repaired == 3 * np.count_nonzero(~np.isfinite(x))


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 1500), min_size=1, max_size=8), seed=st.integers(0, 1000))
def test_output_does_not_depend_on_where_the_stream_is_cut(sizes: list[int], seed: int) -> None:
    x = shouts(4000, seed=seed)
    x[0, 17] = np.nan
    one, other = Limiter(2, RATE), Limiter(2, RATE)
    np.testing.assert_array_equal(limited(one, x), limited(other, x, tuple(sizes)))
    assert (one.limited, one.repaired) == (other.limited, other.repaired)


@pytest.mark.parametrize("config", [LimiterConfig(), LimiterConfig(-1.0, 400.0), LimiterConfig(-20.0, 7.0)])
def test_it_is_the_recursion_sample_by_sample(config: LimiterConfig) -> None:
    x = shouts(6000)
    # The release is a whole number of steps, off by up to one in 20,000, over the 40 dB that it may have to climb.
    np.testing.assert_allclose(limited(Limiter(2, RATE, config), x), by_hand(x, config), rtol=2e-4, atol=1e-7)


def test_what_is_below_the_ceiling_passes_to_the_bit() -> None:
    limiter = Limiter(3, RATE)
    x = (np.random.default_rng(0).uniform(-1, 1, (3, 5000)) * limiter.ceiling).astype(np.float32)
    np.testing.assert_array_equal(limited(limiter, x), x)
    assert limiter.limited == 0


def test_channels_get_one_gain() -> None:
    x = np.stack([np.full(800, 4.0), np.full(800, 0.04)]).astype(np.float32)
    y = limited(Limiter(2, RATE), x)
    np.testing.assert_allclose(y[0] / y[1], 100, rtol=1e-6)  # float32


def test_the_gain_comes_back_at_the_release_and_then_is_one_again() -> None:
    config = LimiterConfig(-6.0, 60.0)
    limiter = Limiter(1, RATE, config)
    x = np.full((1, RATE // 2), 0.1, np.float32)
    x[0, 0] = 10 ** (18 / 20)  # 24 dB above the ceiling: 0.4 s
    y = limited(limiter, x)
    gain_db = 20 * np.log10(y[0] / x[0])
    assert gain_db[0] == pytest.approx(-24, abs=1e-3)
    assert gain_db[RATE // 10] == pytest.approx(-18, abs=1e-2)  # whole steps of the gain
    np.testing.assert_array_equal(y[0, int(0.401 * RATE) :], x[0, int(0.401 * RATE) :])
    assert limiter.limited == pytest.approx(0.4 * RATE, abs=3)


def test_a_model_that_became_a_thousand_times_louder_is_held() -> None:
    """Fault: the output is 1000 times what it should be."""
    voice = (0.3 * np.sin(2 * np.pi * 220 / RATE * np.arange(RATE))).astype(np.float32)[np.newaxis]
    limiter = Limiter(1, RATE)
    y = limited(limiter, 1000 * voice, (160,))
    assert np.abs(y).max() <= limiter.ceiling
    assert np.abs(y[0, 1000:]).max() > 0.9 * limiter.ceiling  # and still heard


def test_reset_gives_the_gain_back() -> None:
    limiter = Limiter(1, RATE)
    limiter.limit(np.full((1, 10), 100, np.float32))
    limiter.reset()
    x = np.full((1, 10), 0.1, np.float32)
    np.testing.assert_array_equal(limited(limiter, x), x)


def test_no_samples_are_no_samples() -> None:
    Limiter(2, RATE).limit(np.empty((2, 0), np.float32))


@pytest.mark.parametrize("samples", [STRETCH - 1, STRETCH, STRETCH + 1])
def test_a_view_of_larger_memory_is_limited_in_place(samples: int) -> None:
    memory = np.full((2, 4 * STRETCH), 9, np.float32)
    limiter = Limiter(2, RATE)
    limiter.limit(memory[:, :samples])
    assert (np.abs(memory[:, :samples]) <= limiter.ceiling).all()
    assert (memory[:, samples:] == 9).all()


@pytest.mark.parametrize(
    ("ceiling_db", "release", "told"),
    [(0.1, 60, "ceiling_db = 0.1"), (-61, 60, "-61"), (float("nan"), 60, "nan"), (-6, 0, "release_db_per_s = 0")],
)
def test_it_cannot_be_switched_off(ceiling_db: float, release: float, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        LimiterConfig(ceiling_db, release)
