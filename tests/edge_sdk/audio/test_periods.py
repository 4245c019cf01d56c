"""However few samples a device gives at once, periods are whole, in order, and what is lost is counted."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_sdk.audio.periods import WholePeriods

PERIOD = 10


class Ragged:
    """Samples that count up from 0, in reads of given lengths, each with so many lost before it; then nothing."""

    def __init__(self, reads: list[tuple[int, int]]) -> None:
        self.device, self.rate_hz, self.mics, self.period = "ragged", 16_000, 2, PERIOD
        self.reads, self.number = reads, 0

    def read(self) -> tuple[np.ndarray, int]:
        count, lost = self.reads.pop(0) if self.reads else (0, 0)
        begin = self.number + lost
        self.number = begin + count
        return np.arange(begin, self.number, dtype=np.float32) * np.array([[1.0], [-1.0]], np.float32), lost

    def close(self) -> None:
        self.reads.clear()


@given(st.lists(st.tuples(st.integers(1, PERIOD), st.sampled_from([0, 0, 0, 0, 3, 25])), max_size=60))
def test_every_sample_is_in_a_whole_period_or_lost_and_in_its_place(reads: list[tuple[int, int]]) -> None:
    device = Ragged(list(reads))
    capture, place, ended = WholePeriods(device), 0, False
    while True:
        x, lost = capture.read()
        place += lost
        np.testing.assert_array_equal(x[0], place + np.arange(x.shape[1]))
        np.testing.assert_array_equal(x[1], -x[0])
        place += x.shape[1]
        assert not (ended and x.shape[1]), "only the last period is shorter"
        ended = x.shape[1] < PERIOD
        if not x.shape[1] and not lost:
            break
    assert place == sum(count + lost for count, lost in reads)


def test_whole_periods_pass_as_they_are() -> None:
    capture = WholePeriods(Ragged([(PERIOD, 0), (PERIOD, 7), (PERIOD, 0)]))
    assert [capture.read()[1] for _ in range(3)] == [0, 7, 0]
