"""The sound of a trial is always the same, and decibels are energy over energy."""

import numpy as np
import pytest

from edge_sdk.accelerators.comparison import agreement_db, speech_like
from edge_sdk.accelerators.verdict import BEST_DB


@pytest.mark.parametrize("mics", [1, 4])
@pytest.mark.parametrize("rate_hz", [8000, 16_000, 48_000])
def test_the_sound_is_the_same_every_time_and_never_clips(mics: int, rate_hz: int) -> None:
    x = speech_like(mics, rate_hz, rate_hz)
    assert x.shape == (mics, rate_hz)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, speech_like(mics, rate_hz, rate_hz))
    assert 0.05 < np.abs(x).max() < 1


def test_microphones_hear_it_one_sample_apart() -> None:
    one, other = speech_like(2, 16_000, 16_000).astype(float)
    noise = 2 * 0.003**2  # of both
    assert np.mean((one[:-1] - other[1:]) ** 2) == pytest.approx(noise, rel=0.05)  # 16,000 samples of noise


def test_a_hundredth_is_forty_decibels() -> None:
    x = speech_like(1, 1000, 16_000)
    assert agreement_db(x, x) == BEST_DB
    assert agreement_db(x, 1.01 * x) == pytest.approx(40, abs=0.01)  # float32
    assert agreement_db(x, 0 * x) == pytest.approx(0)
    assert agreement_db(0 * x, x) == -BEST_DB
    assert agreement_db(0 * x, 0 * x) == BEST_DB
    assert agreement_db(x, np.full_like(x, np.nan)) is None
