"""Who listens in hears what was written, or knows what was missed; who writes never waits."""

import threading
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from edge_sdk.live.tap import FULL_SCALE, Tap


def counted(begin: int, count: int, channels: int) -> np.ndarray:
    """Samples that say their own position, another number in each channel."""
    n = np.arange(begin, begin + count) % 20_000
    return np.stack([(n + c) / FULL_SCALE for c in range(channels)]).astype(np.float32)


@pytest.mark.parametrize("period", [1, 64, 160, 441, 1024, 5000])
def test_what_is_read_is_what_was_written(period: int) -> None:
    tap, heard, position = Tap(3, 6000), [], 0
    for begin in range(0, 20_000, period):
        tap.write(counted(begin, period, 3))
        at, samples = tap.read(1, position)
        assert at == position
        heard.append(samples)
        position = at + len(samples)
    together = np.concatenate(heard)
    assert position == tap.position == len(together)
    np.testing.assert_array_equal(together, (np.arange(position) % 20_000) + 1)


def test_who_comes_late_gets_the_newest_and_knows_where_it_begins() -> None:
    tap = Tap(1, 100)
    tap.write(counted(0, 250, 1))
    at, samples = tap.read(0, 3)
    assert at == 150 and samples.tolist() == list(range(150, 250))
    assert tap.read(0, 250)[1].size == tap.read(0, 10**6)[1].size == 0


def test_odd_samples_are_limited_to_16_bits() -> None:
    tap = Tap(1, 8)
    tap.write(np.array([[np.nan, np.inf, -np.inf, 1.0, -1.0, 2.0, 0.5, 0.0]], np.float32))
    expected = [0, FULL_SCALE, -FULL_SCALE, FULL_SCALE, -FULL_SCALE, FULL_SCALE, 16384, 0]
    assert tap.read(0, 0)[1].tolist() == expected


def test_a_reader_against_a_writer_at_full_speed_never_hears_the_wrong_sample() -> None:
    tap, stop = Tap(2, 1000), threading.Event()
    blocks = [counted(begin, 100, 2) for begin in range(0, 20_000, 100)]

    def write() -> None:
        while not stop.is_set():
            for block in blocks:
                tap.write(block)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        found = [tap.read(0, 0) for _ in range(3000)]
    finally:
        stop.set()
        thread.join()
    for at, samples in found:
        np.testing.assert_array_equal(samples, np.arange(at, at + len(samples)) % 20_000)
    assert all(a[0] <= b[0] for a, b in pairwise(found)) and found[-1][0] > 0


def test_writing_keeps_no_memory() -> None:
    tap, x = Tap(6, 64_000), counted(0, 160, 6)
    for _ in range(10):
        tap.write(x)
    tracemalloc.start()
    try:
        tap.write(x)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(2000):
            tap.write(x)
        assert tracemalloc.get_traced_memory()[0] - before < 2000, "a byte for every block would be more"
    finally:
        tracemalloc.stop()


def test_all_channels_at_once_are_those_one_by_one() -> None:
    tap = Tap(3, 500)
    for begin in range(0, 1400, 70):
        tap.write(counted(begin, 70, 3))
    position, samples = tap.read_all(800)
    assert position == 900 and samples.shape == (3, 500)
    for channel, row in enumerate(samples):
        at, alone = tap.read(channel, 800)
        assert at == position
        np.testing.assert_array_equal(row, alone)
