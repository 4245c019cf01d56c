"""Where talkers are is a polar plot on the page of a stream, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.live.bearings import bearings_of
from edge_sdk.live.reports import Reporter
from edge_sdk.live.server import LOCALHOST, LocalServer
from edge_sdk.live.tap import Tap
from edge_sdk.live.web import page_routes
from tests.browser import CHROMIUM, WITHOUT, Browser, browser, until
from tests.edge_sdk.beamforming.scenes import CIRCLE
from tests.edge_sdk.live.numbered import RATE, Stream, ask
from tests.edge_sdk.talkers import always, scene


@pytest.fixture
def stream() -> Iterator[Stream]:
    with Stream() as stream:
        yield stream


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
