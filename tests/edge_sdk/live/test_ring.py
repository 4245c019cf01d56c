"""A thread reads ahead: nothing is lost or moved, and what a slow reader misses is counted in its place."""

import threading

import numpy as np
import pytest

from edge_sdk.audio.pcm import Capture, DeviceGone
from edge_sdk.live.ring import BufferedCapture
from tests.edge_sdk.live.devices import PERIOD, VirtualClock, VirtualMicrophones, sample


def read_all(capture: Capture) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Samples, and where how many were lost: places count what is lost, too."""
    pieces, gaps, place = [], [], 0
    while True:
        x, lost = capture.read()
        if lost:
            gaps.append((place, lost))
        if not x.shape[1] and not lost:
            return np.concatenate(pieces, axis=1), gaps
        pieces.append(x.copy())
        place += x.shape[1] + lost


@pytest.mark.parametrize("periods", [2, 3, 64])
def test_every_sample_is_given_or_counted_in_its_place(periods: int) -> None:
    """The writer runs as fast as it can against a reader that does, too: both full and empty rings happen."""
    end = 500 * PERIOD + 3
    capture = BufferedCapture(VirtualMicrophones(VirtualClock(), end=end), periods)
    x, gaps = read_all(capture)
    numbers = np.arange(end)
    for place, lost in reversed(gaps):
        numbers = np.delete(numbers, np.s_[place : place + lost])
    np.testing.assert_array_equal(x, np.stack([sample(numbers, mic) for mic in range(2)]))
    assert capture.read()[0].shape == (2, 0), "and goes on saying that it ended"
    capture.close()
    capture.close()


def test_a_reader_that_keeps_up_loses_nothing() -> None:
    """The device waits for the reader here: each read lets one period through."""
    turn = threading.Semaphore(1)
    device = VirtualMicrophones(VirtualClock(), end=100 * PERIOD)
    read = device.read

    def in_turn() -> tuple[np.ndarray, int]:
        turn.acquire(timeout=20)
        return read()

    device.read = in_turn  # type: ignore[method-assign]
    capture, count = BufferedCapture(device, 2), 0
    while (x := capture.read())[0].shape[1]:
        assert x[1] == 0
        count += x[0].shape[1]
        turn.release()
    capture.close()
    assert count == 100 * PERIOD


def test_a_reader_that_sleeps_finds_a_full_ring_and_the_count_of_what_it_missed() -> None:
    finished = threading.Event()

    class Fast(VirtualMicrophones):
        def read(self) -> tuple[np.ndarray, int]:
            x, lost = super().read()
            if not x.shape[1]:
                finished.set()
            elif self.heard == 80 * PERIOD:
                finished.set()
                resume.wait(20)
            return x, lost

    resume = threading.Event()
    capture = BufferedCapture(Fast(VirtualClock(), end=81 * PERIOD), 8)
    first = [capture.read()[1]]
    assert finished.wait(20)
    while capture._written > capture._read:
        first.append(capture.read()[1])
    assert first == [0] * len(first) and 7 <= len(first) <= 8
    resume.set()
    x, lost = capture.read()
    assert lost == (79 - len(first)) * PERIOD, "what did not fit"
    np.testing.assert_array_equal(x[0], sample(np.arange(79 * PERIOD, 80 * PERIOD), 0))
    capture.close()


def test_what_goes_wrong_in_the_thread_is_raised_after_what_came_before() -> None:
    class Unplugged(VirtualMicrophones):
        def read(self) -> tuple[np.ndarray, int]:
            if self.heard == 3 * PERIOD:
                raise DeviceGone("virtual: no such device; plug it in again")
            return super().read()

    capture = BufferedCapture(Unplugged(VirtualClock()))
    for _ in range(3):
        assert capture.read()[0].shape == (2, PERIOD)
    for _ in range(2):
        with pytest.raises(DeviceGone, match="plug it in again"):
            capture.read()
    capture.close()


def test_a_ring_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="periods = 1: expected at least 2"):
        BufferedCapture(VirtualMicrophones(VirtualClock()), 1)
