"""Talkers beside a stream are those that a localizer finds, however late somebody looks."""

import time

import numpy as np
import pytest

from edge_sdk.audio.arrays import MicArray, load_array
from edge_sdk.beamforming.localizer import Localizer, LocalizerConfig
from edge_sdk.beamforming.zones import Zone
from edge_sdk.live.bearings import LOOK_S, MOST_S, Bearings, bearings_of
from edge_sdk.live.tap import Tap
from tests.edge_sdk.beamforming.scenes import CIRCLE, RATE
from tests.edge_sdk.talkers import always, scene

AZIMUTH = 70.0


def tap_of(x: np.ndarray, seconds: float = 4.0) -> Tap:
    tap = Tap(len(x), round(seconds * RATE))
    tap.write(x)
    return tap


def looked(bearings: Bearings, tap: Tap, x: np.ndarray, every: int) -> None:
    for begin in range(0, x.shape[1], every):
        tap.write(x[:, begin : begin + every])
        bearings.look()


@pytest.mark.parametrize("every", [160, 1000, 6000])
def test_they_are_those_of_the_localizer(every: int) -> None:
    x, tap, localizer = scene([AZIMUTH], [always], 1.5), Tap(4, 4 * RATE), Localizer(CIRCLE, LocalizerConfig())
    bearings = bearings_of(tap, CIRCLE, RATE)
    assert bearings is not None
    looked(bearings, tap, x, every)
    *_, last = localizer.process(x)
    first, second = last.talkers
    told = bearings.as_plain()
    assert first is not None and second is None and told["talkers"][1] is None
    # The tap has 16 bits.
    assert told["talkers"][0]["azimuth_deg"] == pytest.approx(np.rad2deg(first.azimuth_rad), abs=0.1)
    assert told["talkers"][0]["heard"] and bearings.skipped == 0
    azimuths, power = np.array(told["power"]).T
    assert azimuths[power.argmax()] == pytest.approx(AZIMUTH, abs=5) and 0 <= power.min() < power.max() <= 1


def test_zones_are_those_of_the_localizer() -> None:
    tap = Tap(4, 4 * RATE)
    bearings = bearings_of(tap, CIRCLE, RATE, talkers=1, null=[Zone(*np.deg2rad([40.0, 100.0]))])
    assert bearings is not None
    looked(bearings, tap, scene([AZIMUTH], [always], 1.0), 1600)
    assert bearings.as_plain()["talkers"] == [None]


def test_before_anything_was_heard_nothing_is_told() -> None:
    bearings = bearings_of(Tap(4, RATE), CIRCLE, RATE)
    assert bearings is not None
    told = bearings.as_plain()
    assert told["talkers"] == [] and len(told["power"]) == 72 and not any(power for _, power in told["power"])


def test_who_is_late_hears_the_newest_and_counts_the_rest() -> None:
    tap = Tap(4, RATE)
    bearings = bearings_of(tap, CIRCLE, RATE)
    assert bearings is not None
    tap.write(scene([AZIMUTH], [always], 2.0))
    bearings.look()
    assert bearings.skipped == 2 * RATE - round(MOST_S * RATE)
    assert bearings.as_plain()["talkers"][0]["azimuth_deg"] == pytest.approx(AZIMUTH, abs=3)


def test_a_thread_looks_as_long_as_it_lasts() -> None:
    tap, x = Tap(4, 4 * RATE), scene([AZIMUTH], [always], 2.0)
    bearings = bearings_of(tap, CIRCLE, RATE)
    assert bearings is not None
    with bearings:
        for turn in range(1000):
            tap.write(x[:, turn * 1600 % (2 * RATE) :][:, :1600])
            if any(bearings.as_plain()["talkers"]):
                break
            time.sleep(0.03)
    assert any(bearings.as_plain()["talkers"])
    heard = bearings.skipped
    tap.write(np.zeros((4, 2 * RATE), np.float32))
    time.sleep(2 * LOOK_S)
    assert bearings.skipped == heard  # nobody looks any more


def test_it_rests_four_times_as_long_as_it_works() -> None:
    bearings = Bearings(Tap(4, RATE), Localizer(CIRCLE, LocalizerConfig()), share=0.2)
    assert bearings.rest_s(0.001) == LOOK_S and bearings.rest_s(0.5) == pytest.approx(2.0)


def test_other_rates_are_taken() -> None:
    x = scene([AZIMUTH], [always], 1.0)
    spectrum = np.fft.rfft(x)
    tripled = (
        np.fft.irfft(np.pad(spectrum, [(0, 0), (0, 2 * x.shape[1] // 2)]), 3 * x.shape[1])[:, : 3 * x.shape[1]] * 3
    )
    tap = Tap(4, 12 * RATE)
    bearings = bearings_of(tap, CIRCLE, 3 * RATE)
    assert bearings is not None
    looked(bearings, tap, tripled.astype(np.float32), 4800)
    assert bearings.as_plain()["talkers"][0]["azimuth_deg"] == pytest.approx(AZIMUTH, abs=3)


def test_what_tells_no_direction_has_none() -> None:
    upright = MicArray("upright", "", "", ((0.0, 0.0, 0.0), (0.0, 0.0, 0.1)), (0, 1), 2)
    assert bearings_of(Tap(1, RATE), load_array("mono"), RATE) is None
    assert bearings_of(Tap(2, RATE), upright, RATE) is None


def test_sizes_that_do_not_fit_are_refused() -> None:
    localizer = Localizer(CIRCLE, LocalizerConfig())
    with pytest.raises(ValueError, match="a tap of 3 microphones: expected 4"):
        Bearings(Tap(3, RATE), localizer)
    with pytest.raises(ValueError, match="share = 0"):
        Bearings(Tap(4, RATE), localizer, share=0.0)
