"""The service manager hears of progress and of nothing else, over a real socket."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_sdk.live.metrics import Metrics
from edge_sdk.live.notify import ServiceManager, service_manager
from edge_sdk.live.reports import Report, Reporter
from edge_sdk.live.system import System
from tests.edge_sdk.live.reported import SYSTEM


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return (
        str(tmp_path / "notify") if request.param == "path" else f"@edge-sdk-test-{os.getpid()}-{time.monotonic_ns()}"
    )


@pytest.fixture
def systemd(address: str) -> Iterator[socket.socket]:
    """The service manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind("\0" + address[1:] if address.startswith("@") else address)
        end.settimeout(20)
        yield end


def told(systemd: socket.socket) -> list[dict[str, str]]:
    """All that has arrived, one dictionary a datagram."""
    systemd.setblocking(False)
    found = []
    while True:
        try:
            found.append(dict(row.split("=", 1) for row in systemd.recv(1 << 16).decode().splitlines()))
        except BlockingIOError:
            return found


def manager(address: str, **more: str) -> ServiceManager:
    found = service_manager({"NOTIFY_SOCKET": address, **more})
    assert found is not None
    return found


def test_a_ping_follows_progress_and_silence_a_stream_that_hangs(systemd: socket.socket, address: str) -> None:
    metrics, listener = Metrics(1, 1, 16_000, 160), manager(address, WATCHDOG_USEC="2000000")
    progress = [0, 0, 160, 320, 320, 320, 480]
    for processed in progress:
        metrics.processed = processed
        listener(Report(metrics.snapshot(), SYSTEM))
    found = told(systemd)
    assert [message.get("WATCHDOG") for message in found] == [None, None, "1", "1", None, None, "1"]
    assert [message.get("READY") for message in found] == [None, None, "1", None, None, None, None]
    assert all("lost 0" in message["STATUS"] for message in found)
    listener.stopping()
    assert told(systemd) == [{"STOPPING": "1"}]
    listener.close()


def test_an_audio_thread_that_hangs_is_not_covered_by_the_reporting_thread(
    systemd: socket.socket, address: str, tmp_path: Path
) -> None:
    metrics, hang, hung, end = Metrics(1, 1, 16_000, 160), threading.Event(), threading.Event(), threading.Event()

    def audio() -> None:
        while not hang.is_set():
            metrics.processed += 160
            time.sleep(0.01)
        hung.set()
        end.wait()  # a read that never returns

    thread, listener = threading.Thread(target=audio), manager(address, WATCHDOG_USEC="400000")
    reporter = Reporter(metrics, System(tmp_path, tmp_path))
    reporter.every(listener.interval_s, listener)
    thread.start()
    try:
        with reporter:
            for _ in range(3):
                assert b"WATCHDOG=1" in systemd.recv(1 << 16)
            hang.set()
            hung.wait()
            told(systemd)
            systemd.settimeout(20)
            systemd.recv(1 << 16)  # may hold the last progress
            later = [systemd.recv(1 << 16) for _ in range(5)]
    finally:
        end.set()
        thread.join()
        listener.close()
    assert not any(b"WATCHDOG" in message for message in later)


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),  # another process is meant
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "x"}, None),
    ],
)
def test_the_environment_says_whether_a_watchdog_waits(environment: dict[str, str], watchdog_s: float | None) -> None:
    found = manager("/nowhere", **environment)
    assert (found.watchdog_s, found.interval_s) == (watchdog_s, 0.75 if watchdog_s else 1.0)
    found.close()


def test_nobody_is_told_where_nobody_listens() -> None:
    assert (
        service_manager({}) is service_manager({"NOTIFY_SOCKET": ""}) is service_manager({"NOTIFY_SOCKET": "x"}) is None
    )


def test_a_service_manager_that_went_away_or_is_busy_stops_nothing(
    systemd: socket.socket, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    listener, report = manager(address), Report(Metrics(1, 1, 16_000, 160).snapshot(), SYSTEM)
    for _ in range(2000):  # more than a queue holds
        listener(report)
    assert "cannot be told" in caplog.text
    caplog.clear()
    systemd.close()
    listener(report)
    assert len(caplog.records) == 1
    listener.close()
