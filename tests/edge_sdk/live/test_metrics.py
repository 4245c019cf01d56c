"""Counters that one thread writes and others read: exact, without locks, without memory that grows."""

import gc
import json
import math
import threading
import tracemalloc

import numpy as np
import pytest

from edge_sdk.contract import from_plain, to_plain
from edge_sdk.live.metrics import BINS, UPPER_S, Metrics, Snapshot, quantile_s

RATE, BLOCK = 16_000, 160


def metrics(mics: int = 2, sources: int = 1) -> Metrics:
    return Metrics(mics=mics, sources=sources, rate_hz=RATE, block=BLOCK)


def noise(mics: int, samples: int, level: float = 0.1) -> np.ndarray:
    x = np.random.default_rng(0).uniform(-level, level, (mics, samples))
    return x.astype(np.float32)


def test_each_time_falls_into_the_bin_that_holds_it() -> None:
    for i, upper in enumerate(UPPER_S):
        m = metrics()
        m.observe_step(min(upper, 1e6))
        assert m.step_bins[i] == 1
        if i + 1 < BINS:
            m.observe_step(math.nextafter(upper, math.inf))
            assert m.step_bins[i + 1] == 1
    assert len(UPPER_S) == BINS and list(UPPER_S) == sorted(UPPER_S)


def test_quantiles_are_those_of_the_sorted_times_up_to_one_bin() -> None:
    times = np.random.default_rng(1).lognormal(math.log(1e-3), 1.0, 5000)
    m = metrics()
    for seconds in times.tolist():
        m.observe_step(seconds)
    found = m.snapshot()
    for share, got in ((0.5, found.step_p50_s), (0.99, found.step_p99_s), (0.999, found.step_p999_s)):
        exact = float(np.sort(times)[math.ceil(share * len(times)) - 1])
        assert exact <= got <= exact * 2**0.25
    assert found.step_slowest_s == times.max() and found.steps == len(times)
    assert found.step_total_s == pytest.approx(times.sum())
    assert found.missed == int((times > BLOCK / RATE).sum()) > 0


def test_quantiles_of_nothing_are_nothing() -> None:
    found = metrics().snapshot()
    assert found.step_p50_s == found.step_p999_s == 0.0
    assert quantile_s((0,) * (BINS - 1) + (1,), 0.5, 12.5) == 12.5  # not infinity


def test_a_meter_rises_at_once_and_falls_by_20_db_in_1500_ms_whatever_the_block() -> None:
    for period in (1, 64, 441, 24_000):
        m = metrics(1)
        m.observe_in(np.full((1, 1), -0.5, np.float32))
        assert m.snapshot().peak_in_db[0] == pytest.approx(-6.02, abs=0.01)
        for begin in range(0, 24_000, period):
            m.observe_in(np.zeros((1, min(period, 24_000 - begin)), np.float32))
        assert m.snapshot().peak_in_db[0] == pytest.approx(-26.02, abs=0.02)  # float32, 24,000 products at most


def test_meters_show_each_microphone_and_source_apart() -> None:
    m = metrics(3, 2)
    m.observe_in(np.array([[0.1, -0.2], [1.0, 0.0], [0.0, 0.0]], np.float32))
    m.observe_out(np.array([[0.01], [0.001]], np.float32))
    found = m.snapshot()
    assert found.peak_in_db == pytest.approx((-13.98, 0.0, -120.0), abs=0.01)
    assert found.peak_out_db == pytest.approx((-40.0, -60.0), abs=0.01)


def test_samples_that_are_no_numbers_leave_the_meter_alive() -> None:
    m = metrics(2)
    m.observe_in(np.array([[np.nan, 1.0], [0.5, 0.5]], np.float32))
    m.observe_in(np.zeros((2, 0), np.float32))
    assert m.snapshot().peak_in_db[1] == pytest.approx(-6.02, abs=0.01)
    m.observe_in(np.array([[0.25], [np.inf]], np.float32))
    assert m.snapshot().peak_in_db == pytest.approx((-12.04, 120.0), abs=0.01)


def test_a_snapshot_is_plain_strict_json_and_comes_back_equal() -> None:
    m = metrics(2)
    m.observe_in(np.array([[np.inf], [np.nan]], np.float32))
    m.observe_step(100.0)
    m.mic_faults = ("", "dead")
    found = m.snapshot()
    assert from_plain(Snapshot, json.loads(json.dumps(to_plain(found), allow_nan=False))) == found


def test_a_snapshot_stays_as_it_is_while_the_stream_goes_on() -> None:
    m = metrics()
    m.observe_step(1e-3)
    before = m.snapshot()
    plain = to_plain(before)
    m.observe_step(1e-3)
    m.fallbacks["late"] += 1
    m.observe_in(noise(2, 16))
    assert to_plain(before) == plain and before.fell_back == 0 and m.snapshot().fell_back == 1


def test_what_arrived_was_processed_or_waits_whenever_one_looks() -> None:
    """A thread that counts in the order of the chain, without a lock, against one that reads."""
    m, stop = metrics(), threading.Event()

    def stream() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            m.captured += 100
            m.lost += 28 if turn % 3 == 0 else 0
            if (ready := m.captured + m.lost - m.processed) >= BLOCK:
                m.processed += ready // BLOCK * BLOCK
                m.played += ready // BLOCK * BLOCK

    thread = threading.Thread(target=stream)
    thread.start()
    try:
        found = [m.snapshot() for _ in range(2000)]
    finally:
        stop.set()
        thread.join()
    assert all(s.captured + s.lost == s.processed + s.waiting for s in found)
    assert min(s.waiting for s in found) >= 0 and min(s.processed - s.played for s in found) >= 0
    assert m.snapshot().waiting < BLOCK


def test_counting_keeps_no_memory() -> None:
    m, x, y = metrics(6, 2), noise(6, BLOCK), noise(2, BLOCK)

    def block(seconds: float) -> None:
        m.observe_in(x)
        m.observe_step(seconds)
        m.observe_out(y)

    times = np.random.default_rng(2).uniform(0, 0.02, 2000).tolist()
    block(0.0)
    gc.collect()
    tracemalloc.start()
    try:
        block(1e-3)
        before = tracemalloc.get_traced_memory()[0]
        for seconds in times:
            block(seconds)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 2000, "a byte for every block would be more"
