"""What is told about a stream: at its pace, whoever listens, without ever waiting for a reader."""

import io
import json
import logging
import os
from pathlib import Path

import pytest

from edge_sdk.live.metrics import Metrics
from edge_sdk.live.reports import JsonLines, Report, Reporter
from edge_sdk.live.system import System


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(mics=2, sources=1, rate_hz=16_000, block=160)


@pytest.fixture
def reporter(metrics: Metrics, tmp_path: Path) -> Reporter:
    return Reporter(metrics, System(tmp_path, tmp_path))


def test_each_listener_is_told_at_its_pace(reporter: Reporter) -> None:
    told: dict[str, list[float]] = {"fast": [], "slow": []}
    now = [1000.0]
    reporter.every(0.1, lambda report: told["fast"].append(now[0]))
    reporter.every(1.0, lambda report: told["slow"].append(now[0]))
    for _ in range(100):
        reporter.look(now[0])
        now[0] += 0.1
    assert len(told["fast"]) == 100 and len(told["slow"]) == 10
    now[0] += 3600  # suspended
    for _ in range(3):
        reporter.look(now[0])
        now[0] += 0.1
    assert len(told["slow"]) == 11


def test_a_listener_that_fails_is_left_out_and_the_others_go_on(
    reporter: Reporter, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Report] = []

    def broken(report: Report) -> None:
        raise OSError("no such terminal")

    reporter.every(0.0, broken)
    reporter.every(0.0, told.append)
    for now in range(5):
        reporter.look(float(now))
    assert len(told) == 5
    assert [record.getMessage() for record in caplog.records] == [
        "a report failed (OSError: no such terminal) and is left out from now on"
    ]


def test_it_runs_beside_the_stream_and_ends_with_it(reporter: Reporter, metrics: Metrics) -> None:
    told: list[Report] = []
    reporter.every(0.0, told.append)
    with reporter:
        metrics.captured = 7
        count = len(told)
        while len(told) < count + 2:
            pass
    assert reporter.latest.stream.captured == 7 and told[-1] is reporter.latest
    assert not reporter._thread.is_alive()


def test_a_line_of_json_holds_the_counters_and_the_computer(reporter: Reporter, metrics: Metrics) -> None:
    out = io.StringIO()
    reporter.every(1.0, JsonLines(out))
    metrics.captured, metrics.lost, metrics.processed = 1000, 24, 960
    metrics.observe_step(2e-3)
    for now in range(3):
        reporter.look(float(now))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(lines) == 3 and all(len(line) < 4096 for line in out.getvalue().splitlines())  # one write to a pipe
    stream = lines[0]["stream"]
    assert stream["waiting"] == 64 and stream["step_p50_s"] == 2e-3 and "step_bins" not in stream
    assert lines[0]["system"]["throttled"] == [] and lines[0]["skipped"] == 0


def test_a_reader_that_stops_reading_holds_nothing_up(reporter: Reporter) -> None:
    read, write = os.pipe()
    with open(read, encoding="utf-8") as reader, open(write, "w", encoding="utf-8") as writer:
        lines = JsonLines(writer)
        for _ in range(500):  # a pipe holds 64 KiB, less than a tenth of that
            lines(reporter.latest)
        assert lines.skipped > 0
        told = 500 - lines.skipped
        for _ in range(told):
            assert json.loads(reader.readline())["skipped"] == 0
        lines(reporter.latest)
        assert json.loads(reader.readline())["skipped"] == 500 - told


def test_a_reader_that_went_away_is_one_line_in_the_log(reporter: Reporter, caplog: pytest.LogCaptureFixture) -> None:
    read, write = os.pipe()
    writer = open(write, "w", encoding="utf-8")  # noqa: SIM115
    os.close(read)
    reporter.every(0.0, JsonLines(writer))
    with caplog.at_level(logging.WARNING):
        for now in range(3):
            reporter.look(float(now))
    assert len(caplog.records) == 1 and "BrokenPipeError" in caplog.text
    os.dup2(os.open(os.devnull, os.O_WRONLY), writer.fileno())
    writer.close()
