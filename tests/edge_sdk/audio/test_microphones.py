"""Faulty microphones are found, which and why, and good ones are left alone; in recordings and while a stream runs."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from edge_sdk.audio.arrays import load_array
from edge_sdk.audio.microphones import (
    SELF_TEST,
    SILENT_DB,
    MicrophoneLimits,
    MicrophoneMonitor,
    faults,
    signals,
)
from models.data.diffuse import diffuse

RATE = 16_000


def room(mics: int, seconds: float = 1.0, seed: int = 0, level: float = 0.02) -> np.ndarray:
    """Noise of a room at microphones that differ by 1 dB, as a factory lets them, with half a percent of offset."""
    rng = np.random.default_rng(seed)
    common, own = rng.standard_normal((1, round(seconds * RATE))), rng.standard_normal((mics, round(seconds * RATE)))
    gains = 10 ** (rng.uniform(-1, 1, (mics, 1)) / 20)
    return (level * gains * (0.8 * common + 0.6 * own) + rng.uniform(-0.005, 0.005, (mics, 1))).astype(np.float32)


def s16(x: np.ndarray) -> np.ndarray:
    """As a converter of 16 bits delivers it."""
    return (np.clip(np.rint(x * 32768), -32768, 32767) / 32768).astype(np.float32)


def zero(x: np.ndarray) -> np.ndarray:
    return np.zeros_like(x)


def hanging(x: np.ndarray) -> np.ndarray:
    return np.full_like(x, -1.0)


def broken_wire(x: np.ndarray) -> np.ndarray:
    """A converter's own noise, a bit or so."""
    return (1.5e-5 * np.random.default_rng(1).standard_normal(x.shape)).astype(np.float32)


def overloaded(x: np.ndarray) -> np.ndarray:
    """1.2 % of the samples of noise are beyond 2.5 deviations."""
    return (x - x.mean()) / (2.5 * x.std())


def leaky(x: np.ndarray) -> np.ndarray:
    return x + np.float32(0.02)


FAULTS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "zero": (zero, "dead"),
    "hanging at full scale": (hanging, "dead"),
    "broken wire": (broken_wire, "dead"),
    "overloaded": (overloaded, "clipped"),
    "offset": (leaky, "offset"),
    "a tenth": (lambda x: x / 10, "quiet"),
    "tenfold": (lambda x: 10 * x - 9 * x.mean(), "loud"),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("mics", [2, 3, 4, 8])
def test_the_faulty_one_is_found_whichever_it_is_and_the_others_are_good(name: str, mics: int) -> None:
    make, expected = FAULTS[name]
    for m in range(mics):
        x = room(mics, seconds=0.5, seed=m)
        x[m] = make(x[m])
        wanted = ["" if i != m else expected for i in range(mics)]
        if mics == 2 and expected == "loud":
            wanted = ["quiet" if i != m else "" for i in range(mics)]  # nobody knows which of two is right
        assert faults(signals(s16(x))) == tuple(wanted)


@pytest.mark.parametrize("mics", [1, 2, 4, 8])
@pytest.mark.parametrize("level", [3e-5, 1e-3, 0.02, 0.3])
def test_good_microphones_are_good_in_quiet_and_loud_rooms(mics: int, level: float) -> None:
    for seed in range(5):
        assert faults(signals(s16(room(mics, 0.5, seed, level)))) == ("",) * mics


def test_a_microphone_alone_can_be_dead_clipped_or_offset() -> None:
    x = room(1)
    assert [faults(signals(make(x)))[0] for make in (zero, overloaded, leaky)] == ["dead", "clipped", "offset"]


def test_several_faults_at_once_are_all_found() -> None:
    x = room(6)
    x[1], x[3], x[4] = zero(x[1]), overloaded(x[3]), leaky(x[4])
    assert faults(signals(x)) == ("", "dead", "", "clipped", "offset", "")


def test_a_muted_device_has_no_good_microphone() -> None:
    assert faults(signals(np.zeros((4, RATE), np.float32))) == ("dead",) * 4


@pytest.mark.parametrize(("share", "expected"), [(0.008, ""), (0.012, "clipped")])
def test_one_percent_of_clipped_samples_is_the_limit(share: float, expected: str) -> None:
    x = room(4, seconds=5.0)
    x[2, : round(share * x.shape[1])] = -1.0
    found = signals(x)
    assert found[2].clipped == pytest.approx(share, abs=1e-4)
    assert faults(found, MicrophoneLimits(offset=0.5, unequal_db=99))[2] == expected


def test_figures_are_those_of_the_signal() -> None:
    sine = 0.5 * np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE)
    found = signals(np.stack([sine + 0.25, np.full(RATE, 0.1)]).astype(np.float32))
    assert found[0].level_db == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=1e-4)
    assert found[0].offset == pytest.approx(0.25, abs=1e-6) and found[0].clipped == 0 and not found[0].stuck
    assert found[1].level_db == SILENT_DB and found[1].stuck


def test_a_large_offset_does_not_hide_a_small_signal() -> None:
    x = 1e-4 * np.random.default_rng(0).standard_normal((1, RATE))
    found = signals((x + 0.5).astype(np.float32))[0]
    assert found.level_db == pytest.approx(-80, abs=0.2)


def test_an_empty_recording_is_refused() -> None:
    with pytest.raises(ValueError, match="no samples"):
        signals(np.zeros((2, 0), np.float32))


@pytest.mark.parametrize("values", [{"dead_db": 0}, {"unequal_db": -1}, {"clipped": 0}, {"clipped": 1}, {"offset": 2}])
def test_limits_that_make_no_sense_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        MicrophoneLimits(**values)


@pytest.mark.parametrize("period", [13, 160, 441, 6400, 100_000])
def test_a_stream_in_periods_is_judged_as_the_recording_by_windows(period: int) -> None:
    x = room(3, seconds=2.4)
    x[0, 10_000:] = 0
    x[2, 20_000:] = overloaded(x[2, 20_000:])
    monitor = MicrophoneMonitor(3, RATE, SELF_TEST, window_s=0.4, calm_s=0.4)
    for begin in range(0, x.shape[1], period):
        monitor.observe(x[:, begin : begin + period])
    assert monitor.faults == faults(signals(x[:, -6400:]), SELF_TEST) == ("dead", "", "clipped")


@pytest.mark.parametrize("name", ["zero", "hanging at full scale", "broken wire", "overloaded", "offset"])
@pytest.mark.parametrize("mics", [2, 6])
def test_a_fault_is_seen_within_a_second_whenever_it_begins(name: str, mics: int) -> None:
    make, expected = FAULTS[name]
    for begin in (16_000, 17_001, 19_777, 22_399):
        x = room(mics, seconds=3.0, seed=begin)
        x[1, begin:] = make(x[1, begin:])
        monitor, seen = MicrophoneMonitor(mics, RATE), None
        for at in range(0, x.shape[1], 160):
            monitor.observe(s16(x[:, at : at + 160]))
            assert at + 160 > begin or monitor.good == (True,) * mics
            if seen is None and monitor.faults[1]:
                seen = at + 160
        assert seen is not None and seen - begin <= RATE
        assert monitor.faults == ("", expected, *[""] * (mics - 2))


def test_a_microphone_that_recovers_is_good_again_after_two_seconds_of_calm_and_not_before() -> None:
    x = room(2, seconds=6.0)
    x[0, : 2 * RATE] = 0
    x[0, 3 * RATE : 3 * RATE + 12_800] = 0  # a loose contact, longer than any window
    monitor, good_from = MicrophoneMonitor(2, RATE), 0
    for at in range(0, x.shape[1], 160):
        if monitor.observe(x[:, at : at + 160]) and monitor.good[0]:
            good_from = at + 160
    assert 5.4 * RATE <= good_from <= 6 * RATE and monitor.good == (True, True)


def test_a_change_is_told_once() -> None:
    x = room(2, seconds=4.0)
    x[1, RATE:] = 0
    monitor = MicrophoneMonitor(2, RATE)
    assert sum(monitor.observe(x[:, at : at + 100]) for at in range(0, x.shape[1], 100)) == 1


def test_a_talker_at_one_microphone_is_no_fault_while_a_stream_runs() -> None:
    x = room(4, seconds=2.0)
    x[0] += 0.5 * np.sin(np.arange(x.shape[1]) / 7).astype(np.float32)
    monitor = MicrophoneMonitor(4, RATE)
    monitor.observe(x)
    assert monitor.good == (True,) * 4 and faults(signals(x))[0] == "loud"


def test_diffuse_noise_at_a_real_array_shows_no_fault() -> None:
    array = load_array("respeaker-6mic")
    noise = np.random.default_rng(5).standard_normal((6, RATE))
    x = 0.01 * diffuse(noise, array.positions_m, RATE)
    assert faults(signals(x.astype(np.float32))) == ("",) * 6


def test_watching_keeps_no_memory() -> None:
    x = room(6, seconds=0.01)
    monitor = MicrophoneMonitor(6, RATE)
    for _ in range(100):
        monitor.observe(x)
    tracemalloc.start()
    try:
        for _ in range(100):
            monitor.observe(x)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            monitor.observe(x)
        assert tracemalloc.get_traced_memory()[0] - before < 1000  # bytes, of 25 windows
    finally:
        tracemalloc.stop()
