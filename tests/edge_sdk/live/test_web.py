"""The page of a stream in a real browser: meters move, sound arrives and is what was sent, nobody else is asked."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.live.metrics import UPPER_S
from edge_sdk.live.reports import Reporter
from edge_sdk.live.server import LOCALHOST, LocalServer
from edge_sdk.live.tap import FULL_SCALE, Tap
from edge_sdk.live.web import page_routes, snapshot_json, sound
from tests.browser import CHROMIUM, WITHOUT, Browser, browser, until
from tests.edge_sdk.live.exposition import parse
from tests.edge_sdk.live.numbered import BLOCK, CYCLE, MICS, RATE, SOURCES, Stream, ask, check_heard, sequence
from tests.edge_sdk.live.reported import busy, quiet


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
