"""The page of a stream in a real browser: meters move, sound arrives and is what was sent, nobody else is asked."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_sdk.live.bearings import bearings_of
from edge_sdk.live.metrics import UPPER_S, Metrics
from edge_sdk.live.reports import Reporter
from edge_sdk.live.server import LOCALHOST, LocalServer
from edge_sdk.live.tap import FULL_SCALE, Tap
from edge_sdk.live.web import page_routes, snapshot_json, sound, taps
from tests.browser import CHROMIUM, WITHOUT, Browser, browser
from tests.edge_sdk.beamforming.scenes import CIRCLE
from tests.edge_sdk.live.exposition import parse
from tests.edge_sdk.live.reported import busy, quiet
from tests.edge_sdk.talkers import always, scene

RATE, BLOCK, MICS, SOURCES = 16_000, 160, 3, 2
CYCLE = 60_001  # samples until the sequence begins anew


def sequence(begin: int, count: int, channel: int) -> np.ndarray:
    """16-bit samples, each of which says its position in the cycle, in another order in each channel."""
    return ((np.arange(begin, begin + count) * (31 + channel)) % CYCLE - CYCLE // 2).astype(np.int16)


def check_heard(samples: np.ndarray, channel: int) -> None:
    """They are an unbroken run of the channel's sequence."""
    starts = np.flatnonzero(sequence(0, CYCLE, channel) == samples[0])
    assert len(starts) == 1
    np.testing.assert_array_equal(samples, sequence(int(starts[0]), len(samples), channel))


class Stream:
    """Microphones and outputs at the pace of a sound card; outputs continue the channels' numbers."""

    def __init__(self) -> None:
        self.metrics = Metrics(MICS, SOURCES, RATE, BLOCK, rungs=("enhance", "bypass"))
        self.inputs, self.outputs = taps(MICS, SOURCES, RATE)
        self.gain = 1.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        begin, start_s = 0, time.monotonic()
        while not self._stop.wait(max(0.0, start_s + begin / RATE - time.monotonic())):
            x = np.stack([sequence(begin, BLOCK, c) for c in range(MICS + SOURCES)]) / np.float32(FULL_SCALE)
            begin += BLOCK
            self.metrics.captured += BLOCK
            self.metrics.observe_in(np.float32(self.gain) * x[:MICS])
            self.metrics.observe_out(x[MICS:])
            self.inputs.write(x[:MICS])
            self.outputs.write(x[MICS:])
            self.metrics.observe_step(1e-3)
            self.metrics.processed += BLOCK

    def __enter__(self) -> Stream:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def stream() -> Iterator[Stream]:
    with Stream() as stream:
        yield stream


@pytest.fixture
def server(stream: Stream) -> Iterator[LocalServer]:
    with Reporter(stream.metrics) as reporter:
        routes = page_routes(lambda: reporter.latest, stream.inputs, stream.outputs, RATE)
        with LocalServer(LOCALHOST, 0, routes) as server:
            yield server


@pytest.fixture
def url(server: LocalServer) -> str:
    return server.url


def ask(url: str, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=20)
    connection.request("GET", path)
    return connection.getresponse()


@pytest.mark.parametrize(
    ("address", "channel"), [("/in/0.wav", 0), ("/in/2.wav", 2), ("/out/1.wav", 3), ("/out/2.wav", 4)]
)
def test_a_wav_stream_is_what_was_written(url: str, address: str, channel: int) -> None:
    answer = ask(url, address)
    head = answer.read(44)
    assert head[:4] == b"RIFF" and head[8:16] == b"WAVEfmt " and int.from_bytes(head[24:28], "little") == RATE
    check_heard(np.frombuffer(answer.read(2 * RATE // 2), "<i2"), channel)
    answer.close()


@pytest.mark.parametrize(
    "address", ["/in/3.wav", "/out/0.wav", "/out/3.wav", "/in/-1.wav", "/in/0", "/live.py", "/assets/live.js"]
)
def test_there_are_no_other_channels_and_files(url: str, address: str) -> None:
    assert ask(url, address).status == 404


def test_a_listener_that_stalls_misses_the_oldest_and_goes_on() -> None:
    tap = Tap(1, RATE)
    pieces = sound(tap, 0, RATE)
    next(pieces)
    for n in range(5):
        tap.write(sequence(n * RATE // 2, RATE // 2, 0)[np.newaxis] / np.float32(FULL_SCALE))
    heard = np.frombuffer(next(pieces), "<i2")
    np.testing.assert_array_equal(heard, sequence(3 * RATE // 2, RATE, 0))


def test_snapshot_json_is_the_report_and_metrics_stand_beside_it(url: str) -> None:
    found = json.loads(ask(url, "/snapshot.json").read())
    assert found["stream"]["rungs"] == ["enhance", "bypass"] and found["block_s"] == BLOCK / RATE
    values = parse(ask(url, "/metrics").read().decode())
    assert values["edge_sdk_sample_rate_hertz"][frozenset()] == RATE


def test_the_histogram_counts_every_block_once() -> None:
    found = json.loads(snapshot_json(busy()))
    assert sum(count for _, count in found["histogram"]) == 1000
    assert all(upper_s in UPPER_S for upper_s, _ in found["histogram"])
    assert json.loads(snapshot_json(quiet()))["histogram"] == []


def test_events_are_reports_one_after_the_other(url: str) -> None:
    answer = ask(url, "/events")
    captured = []
    while len(captured) < 3:
        row = answer.readline()
        if row.startswith(b"data: "):
            captured.append(json.loads(row[6:])["stream"]["captured"])
    assert captured == sorted(captured) and captured[0] < captured[-1]
    answer.close()


@pytest.fixture
def page(url: str, tmp_path: Path) -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip(WITHOUT)
    with browser(tmp_path) as page:
        page.ask("Page.navigate", url=url)
        until(page, "document.querySelectorAll('meter').length", lambda meters: meters == MICS + SOURCES)
        yield page


PLAYED = "(wave => (player.analyser.getFloatTimeDomainData(wave), [...wave]))(new Float32Array(2048))"


def heard_whole(wave: np.ndarray, channel: int) -> bool:
    """Whether what the browser played just now, several pieces of the stream, is an unbroken run of the sequence."""
    samples = np.rint(wave * FULL_SCALE).astype(np.int16)
    start = int(np.flatnonzero(sequence(0, CYCLE, channel) == samples[0])[0])
    return bool(np.array_equal(samples, sequence(start, len(samples), channel)))


def until(page: Browser, script: str, true: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + 30
    while not true(found := page.run(script)):
        assert time.monotonic() < deadline, f"{script}: {found}"
        time.sleep(0.05)
    return found


@pytest.mark.skipif(not CHROMIUM, reason=WITHOUT)
def test_meters_and_counters_move_with_the_stream(page: Browser, stream: Stream, url: str) -> None:
    levels = "[...document.querySelectorAll('meter')].map(meter => meter.value)"
    assert min(until(page, levels, lambda found: min(found) > -3)) <= 0
    stream.gain = 0.01
    until(page, levels, lambda found: max(found[:MICS]) < -30 and min(found[MICS:]) > -3)
    stream.metrics.mic_faults = ("", "dead", "")
    stream.metrics.lost, stream.metrics.rung = 4321, 1
    until(
        page,
        "document.body.innerText",
        lambda text: all(word in text for word in ("dead", "4321", "bypass (rung 2 of 2)")),
    )
    assert page.run("document.querySelector('tr.alarm').innerText").split() == ["samples", "lost", "4321"]
    stream.metrics.observe_step(0.5)
    until(page, "document.querySelectorAll('#histogram div.late').length", lambda count: count == 1)
    assert "slowest 500 ms, of 10 ms" in until(page, "document.body.innerText", lambda text: "slowest 500 ms" in text)
    check_page_of_another_board(page)
    assert page.complaints == [] and all(asked.startswith(url) for asked in page.requests)


@pytest.mark.skipif(not CHROMIUM, reason=WITHOUT)
def test_directions_are_a_polar_plot(stream: Stream, tmp_path: Path) -> None:
    """Of a talker whom a localizer finds in what a tap has heard, and of others whom the page is told of."""
    azimuth = 60.0
    inputs = Tap(CIRCLE.mics, 4 * RATE)
    bearings = bearings_of(inputs, CIRCLE, RATE)
    assert bearings is not None
    x = scene([azimuth], [always], 1.0)
    for begin in range(0, RATE, 1600):
        inputs.write(x[:, begin : begin + 1600])
        bearings.look()
    with Reporter(stream.metrics) as reporter:
        routes = page_routes(lambda: reporter.latest, inputs, stream.outputs, RATE, bearings)
        with LocalServer(LOCALHOST, 0, routes) as server, browser(tmp_path) as page:
            page.ask("Page.navigate", url=server.url)
            said = until(page, "document.querySelector('#talkers')?.innerText ?? ''", lambda text: "talker" in text)
            found = int(said.removeprefix("talker 1 at ").partition("°")[0])
            assert found == pytest.approx(azimuth, abs=3)
            # The wedge points there, and the outline reaches farthest there; upwards is negative in SVG.
            assert angle_deg(page, "polygon.power") == pytest.approx(azimuth, abs=5)
            start, end = (angle_deg(page, "path.talker", point) for point in (1, 2))
            assert (start + end) / 2 == pytest.approx(found, abs=1) and start < end
            page.run("source.close(); 0")
            report = json.loads(ask(server.url, "/snapshot.json").read())
            silent = {"azimuth_deg": -179.0, "elevation_deg": None, "unsure_deg": 12.0, "heard": False}
            report["directions"]["talkers"] = [None, silent]
            page.run(f"show({json.dumps(report)}); 0")
            assert page.run("document.querySelector('#talkers').innerText") == "talker 2 at -179° ± 12° (silent)"
            assert page.run("document.querySelectorAll('path.talker').length") == 1
            assert page.run("document.querySelectorAll('path.talker.silent').length") == 1
            report["directions"] = None
            page.run(f"show({json.dumps(report)}); 0")
            assert page.run("document.querySelector('#directions').hidden")
            assert page.complaints == []


def angle_deg(page: Browser, selector: str, point: int | None = None) -> float:
    """Where the points of a shape lie, seen from the middle of the plot: one of them, or the farthest."""
    shape = page.run(f"(s => s.getAttribute('d') ?? s.getAttribute('points'))(document.querySelector('{selector}'))")
    if point is None:
        numbers = np.array(shape.split(), float).reshape(-1, 2)
        x, y = numbers[np.hypot(*numbers.T).argmax()]
    else:  # M0 0 L start A1 1 0 0 0 end Z
        x, y = np.array(shape.removesuffix("Z").split("L")[1].split("A")[point - 1].split()[-2:], float)
    return float(np.rad2deg(np.arctan2(-y, x)))


def check_page_of_another_board(page: Browser) -> None:
    """The stream starts anew with fewer microphones, on a computer that says less."""
    report = json.loads(snapshot_json(busy()))
    report["system"]["temperature_c"] = None
    page.run(f"source.close(); show({json.dumps(report)}); 0")
    text = page.run("document.body.innerText")
    assert "Directions" not in text and "mic 1" in text and "mic 2" not in text and "°C" not in text
    assert "under-voltage" in text and "2 of 1000 too late" in text


@pytest.mark.skipif(not CHROMIUM, reason=WITHOUT)
def test_what_is_listened_to_is_what_was_sent_until_the_stream_is_gone(
    page: Browser, server: LocalServer, url: str
) -> None:
    page.run("heard = []; player.onsamples = (samples) => heard.push(...samples); 0")
    for button, channel in ((1, 1), (MICS, MICS)):
        page.run(f"heard.length = 0; document.querySelectorAll('.meter button')[{button}].click()")
        until(page, "heard.length", lambda count: count > RATE)
        check_heard(np.array(page.run("heard"), np.int16), channel)
        assert page.run("document.querySelectorAll('[aria-pressed=true]').length") == 1
        assert page.run("player.context.state") == "running"
        until(page, "player.context.currentTime", lambda seconds: seconds > 0.5)
        until(page, PLAYED, lambda wave, channel=channel: heard_whole(np.array(wave), channel))
    page.run(f"document.querySelectorAll('.meter button')[{MICS}].click()")
    until(page, "document.querySelector('#listening').innerText", lambda text: text == "not listening")
    count = page.run("heard.length")
    time.sleep(0.2)
    assert page.run("heard.length") == count and page.run("player.context") is None
    assert page.complaints == [] and all(asked.startswith(url) for asked in page.requests)
    server.close()
    until(page, "document.querySelector('#state').innerText", lambda text: text == "no stream; trying again")
