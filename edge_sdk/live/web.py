"""A page that shows a stream and plays its inputs and outputs, for tuning a room; and `/metrics` for Prometheus."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files
from typing import Any

from edge_sdk.live import prometheus
from edge_sdk.live.bearings import Bearings
from edge_sdk.live.metrics import UPPER_S
from edge_sdk.live.reports import TICK_S, Report
from edge_sdk.live.server import Handler, Route
from edge_sdk.live.tap import Tap

PAGE = {
    "/": ("live.html", "text/html"),
    "/live.js": ("live.js", "text/javascript"),
    "/live.css": ("live.css", "text/css"),
}
PIECE_S = 0.04  # of sound sent at a time
HEARD_S = 4.0  # of sound kept for a listener that stalls
FOR_EVER = 0xFFFFFFFF  # length in a wav header whose end nobody knows


def metrics_routes(latest: Callable[[], Report]) -> dict[str, Route]:
    """What Prometheus collects."""

    def metrics(handler: Handler) -> None:
        handler.answer(prometheus.CONTENT_TYPE, prometheus.exposition(latest()).encode())

    return {"/metrics": metrics}


def page_routes(
    latest: Callable[[], Report], inputs: Tap, outputs: Tap, rate_hz: int, bearings: Bearings | None = None
) -> dict[str, Route]:
    """The page, what it shows, and a wav stream without end of every channel: `/in/0.wav`, `/out/1.wav`, ...

    `inputs`, `outputs`: what the audio thread hears from the microphones and plays. Outputs count from 1, as the files
    of a separated recording do. bearings: where talkers are, if somebody knows.
    """

    def snapshot() -> bytes:
        return snapshot_json(latest(), None if bearings is None else bearings.as_plain())

    routes: dict[str, Route] = {**metrics_routes(latest)}
    for address, (name, kind) in PAGE.items():
        body = (files("edge_sdk") / "assets" / name).read_bytes()
        routes[address] = partial(Handler.answer, kind=f"{kind}; charset=utf-8", body=body)
    routes["/snapshot.json"] = lambda handler: handler.answer("application/json", snapshot())
    routes["/events"] = lambda handler: handler.stream("text/event-stream", events(snapshot))
    for name, tap, first in (("in", inputs, 0), ("out", outputs, 1)):
        for channel in range(tap.channels):
            routes[f"/{name}/{first + channel}.wav"] = partial(send_sound, tap=tap, channel=channel, rate_hz=rate_hz)
    return routes


def taps(mics: int, sources: int, rate_hz: int) -> tuple[Tap, Tap]:
    """What the audio thread writes to for `page_routes`."""
    return Tap(mics, round(HEARD_S * rate_hz)), Tap(sources, round(HEARD_S * rate_hz))


def snapshot_json(report: Report, directions: dict[str, Any] | None = None) -> bytes:
    """A report, with the histogram as pairs of longest time and blocks; the last one's time is null, for any.
    directions: `Bearings.as_plain`, null where nobody knows."""
    plain: dict[str, Any] = report.as_plain()
    last = len(UPPER_S) - 1
    bins = enumerate(zip(UPPER_S, report.stream.step_bins, strict=True))
    plain["histogram"] = [[None if i == last else upper_s, count] for i, (upper_s, count) in bins if count]
    plain["block_s"] = report.stream.block_s
    plain["directions"] = directions
    return json.dumps(plain, allow_nan=False).encode()


def events(snapshot: Callable[[], bytes]) -> Iterator[bytes]:
    """Reports as server-sent events, one for each look at the stream."""
    while True:
        yield b"data: " + snapshot() + b"\n\n"
        time.sleep(TICK_S)


def send_sound(handler: Handler, tap: Tap, channel: int, rate_hz: int) -> None:
    handler.stream("audio/wav", sound(tap, channel, rate_hz))


def sound(tap: Tap, channel: int, rate_hz: int) -> Iterator[bytes]:
    """A wav stream of what is written from now on, 16-bit, one channel. What a slow listener misses is left out."""
    position, piece = tap.position, round(PIECE_S * rate_hz)
    yield wav_header(rate_hz)
    while True:
        if tap.position - position < piece:
            time.sleep(PIECE_S / 4)
            if tap.position == position:
                yield b""  # gives the server a chance to close
            continue
        begin, samples = tap.read(channel, position)
        position = begin + len(samples)
        yield samples.astype("<i2").tobytes()


def wav_header(rate_hz: int) -> bytes:
    """RIFF of unknown length, as players and `aplay` take it from a pipe."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", FOR_EVER, b"WAVE") + form + struct.pack("<4sI", b"data", FOR_EVER)
