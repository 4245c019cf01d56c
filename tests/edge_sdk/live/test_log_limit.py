"""A fault that comes back a thousand times a second fills no disk, and its count is not lost."""

import io
import logging
import re
import time
from collections.abc import Iterator

import pytest

from edge_sdk.live.log_limit import LogLimit, limited_log

log = logging.getLogger("tests.flood")


class Clock:
    """Seconds of a clock that a test moves."""

    now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def limit(out: io.StringIO, clock: Clock) -> Iterator[LogLimit]:
    limit = LogLimit(logging.StreamHandler(out), clock=clock)
    log.addHandler(limit)
    log.propagate = False
    try:
        yield limit
    finally:
        log.removeHandler(limit)
        log.propagate = True


def test_a_million_events_in_an_hour_are_120_lines_and_all_are_counted(
    limit: LogLimit, out: io.StringIO, clock: Clock
) -> None:
    events = 10**6
    record = log.makeRecord(log.name, logging.WARNING, __file__, 1, "overrun: %d samples lost", (160,), None)
    for _ in range(events):
        clock.now += 3600 / events
        limit.handle(record)
    clock.now += 30
    limit.overdue()
    lines = out.getvalue().splitlines()
    assert 120 <= len(lines) <= 121
    left_out = [int(found[1]) for line in lines if (found := re.search(r"\((\d+) more like this", line))]
    assert len(lines) + sum(left_out) == events
    assert lines[0] == "overrun: 160 samples lost"


def test_each_place_in_the_code_has_its_own_limit(limit: LogLimit, out: io.StringIO) -> None:
    for turn in range(100):
        log.warning("overrun %d", turn)
        log.warning(f"card {turn} is gone")  # the text differs every time, the place does not
    assert out.getvalue().splitlines() == ["overrun 0", "card 0 is gone"]


def test_the_last_of_a_flood_that_ended_is_told_with_the_count(limit: LogLimit, out: io.StringIO, clock: Clock) -> None:
    for turn in range(10):
        log.warning("overrun %d", turn)
    limit.overdue()
    assert len(out.getvalue().splitlines()) == 1
    clock.now += 30
    limit.overdue()
    limit.overdue()
    assert out.getvalue().splitlines() == ["overrun 0", "overrun 9 (8 more like this left out)"]


def test_the_date_may_jump(limit: LogLimit, out: io.StringIO, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    for date, later_s in ((0.0, 0), (4e9, 0), (1.0, 0), (2e9, 0), (3.0, 30)):  # 1970, 2096, ...
        monkeypatch.setattr(time, "time", lambda date=date: date)
        clock.now += later_s
        log.warning("overrun")
    assert out.getvalue().splitlines() == ["overrun", "overrun (3 more like this left out)"]


def test_while_it_lasts_all_logs_go_through_it_and_the_rest_is_told_at_its_end(out: io.StringIO) -> None:
    root, handler = logging.getLogger(), logging.StreamHandler(out)
    before, root.handlers[:] = list(root.handlers), [handler]
    try:
        with limited_log():
            for turn in range(5):
                logging.getLogger("any.library").error("turn %d", turn)
            assert out.getvalue() == "turn 0\n"
        assert root.handlers == [handler]
    finally:
        root.handlers[:] = before
    assert out.getvalue() == "turn 0\nturn 4 (3 more like this left out)\n"
