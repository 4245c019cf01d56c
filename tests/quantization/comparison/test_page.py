"""The page that compares versions: what it shows, and that it is whole."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from edge_sdk.cli import main
from quantization.artifact import Artifact
from quantization.comparison import Comparison, Row, compare, lost
from quantization.comparison_clips import clips
from quantization.comparison_plots import beats, plots
from quantization.comparison_report import html_of
from quantization.layers import layers
from quantization.regression.clips import open_clips
from quantization.sensitivity import Sensitivity
from quantization.versions import open_versions
from tests.pages import Page, check_inside
from tests.quantization.comparison import HEARD, MIXTURES, SOUNDS


def test_the_page_shows_the_figures_of_the_json(found: dict[str, Any], html: str) -> None:
    main_table, layers, mixtures = Page.of(html).tables
    assert [row[0] for row in main_table[1:]] == ["1 tiny", "2 dynamic_int8", "3 dynamic_int4"]
    for row, cells in zip(found["rows"], main_table[1:], strict=True):
        assert cells[1] == f"{row['si_sdr']:.2f}"
        assert cells[4:6] == [f"{row['size'] / 1024:.0f}", f"{row['macs'] / 1e6:.0f}"]
        speed = row["speed"]
        assert cells[6:9] == [f"{speed['p50_us']:.0f}", f"{speed['p99_us']:.0f}", f"{speed['times_as_fast']:.2f}"]
        assert cells[9].startswith(str(row["delegation"]["partitions"]))
    proved = [row["parity"] for row in found["rows"][:2]]
    assert [cells[10] for cells in main_table[1:]] == [
        *(f"{parity['model_db']:.1f} ({parity['floor_db']:g})" for parity in proved),
        "not proved",
    ]
    assert "Not proved: dynamic_int4, whose manifest has no record of the gate" in html
    assert main_table[1][2:4] == ["", ""]
    for row, cells in zip(found["rows"][1:], main_table[2:], strict=True):
        loss = row["loss"]
        assert cells[2] == f"{loss['mean']:+.3f} ({loss['low']:+.3f} to {loss['high']:+.3f})"
        assert cells[3] == f"{loss['worst']:+.3f} ({found['mixtures'][loss['worst_at']]['name']})"
    assert [cells[1:] for cells in layers[1:]] == [["10.0%", f"{n / 10:.3f}", f"{n / 5:.3f}"] for n in (2, 1, 0)]
    largest = [max(float(loss) for loss in cells[2:]) for cells in mixtures[1:]]
    assert largest == sorted(largest, reverse=True) and len(largest) == MIXTURES
    assert found["machine"] in unescape(html) and f"{found['steps']} of each version" in html


def test_the_page_is_well_formed_and_accessible(html: str) -> None:
    page = Page.of(html)
    assert page.open == []
    assert page.attributes("html")[0]["lang"] == "en"
    assert len(page.attributes("img")) == len(page.attributes("audio")) == HEARD * SOUNDS
    assert all(image["alt"] for image in page.attributes("img"))
    assert all(a["aria-label"] for tag in ("audio", "svg") for a in page.attributes(tag))
    ranges = [a for a in page.attributes("input") if a["type"] == "range"]
    assert len(ranges) == HEARD and all(a["aria-label"] for a in ranges)
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(names) == len(set(names))
    assert all(a["aria-labelledby"] in names for a in page.attributes("section"))
    assert "&lt;layer 0&gt;" in html and "<layer" not in html


def test_the_page_carries_everything_inside_and_loads_nothing(html: str, report: Path) -> None:
    check_inside(html)
    assert len(html) < 10e6
    assert {path.name for path in report.iterdir()} == {"index.html", "comparison.json"}


def test_the_sounds_of_a_mixture_are_of_one_length_and_level(html: str) -> None:
    players = [a["src"].removeprefix("data:audio/flac;base64,") for a in Page.of(html).attributes("audio")]
    sounds = [soundfile.read(io.BytesIO(base64.b64decode(data, validate=True))) for data in players]
    assert {(rate, len(samples)) for samples, rate in sounds} == {(16_000, len(sounds[0][0]))}
    for start in range(0, len(sounds), SOUNDS):
        _, *versions, target = (np.std(samples) for samples, _ in sounds[start : start + SOUNDS])
        assert versions == pytest.approx([target] * len(versions), rel=0.01)  # the mean, which is left in, and 16 bits
    assert max(np.abs(samples).max() for samples, _ in sounds) < 1


def test_the_same_versions_give_the_same_page_but_for_times(folder: Path) -> None:
    versions = open_versions([str(folder / f"{name}.tflite") for name in ("tiny", "dynamic_int4")])
    examples = open_clips(folder / "clips", 16_000)
    pages, comparisons = [], [compare(versions, examples, count=5, steps=3) for _ in range(2)]
    for each in comparisons:
        untimed = replace(each, rows=tuple(replace(row, speed=None) for row in each.rows), date="")
        pages.append(html_of(untimed, versions, list(clips(untimed, versions, examples)), 16_000))
    assert pages[0] == pages[1]
    assert "Nothing was timed." in pages[0] and "Time against loss" not in pages[0]


def test_layers_are_measured_on_request(
    exported: Artifact, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words[:-1], "dynamic_int4", "--count", "2", "--out", str(tmp_path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    written = json.loads((tmp_path / "comparison.json").read_text())
    assert printed == {key: value for key, value in written.items() if key != "layers"}
    quantized = [layer.name for layer in layers(exported.model) if layer.op == "CONV_2D"]
    assert [row["layer"] for row in written["layers"]["rows"]] == quantized


def test_a_front_holds_what_nothing_beats() -> None:
    points = [(4.0, 0.0), (2.0, 0.1), (3.0, 0.2), (1.0, 1.0)]
    assert [p for p in points if not any(beats(o, p) for o in points)] == [(4.0, 0.0), (2.0, 0.1), (1.0, 1.0)]


def test_drawings_take_their_colours_from_the_page_and_are_as_many_as_there_are_figures_for(html: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(drawings) == 4  # every mixture, size, time, layers
    assert all("var(--" in d and "currentColor" in d and not re.search(r"#0[123]0[123]0[123]", d) for d in drawings)
    many = [Sensitivity(f"layer{n:03}", 0.01, float(n), float(n)) for n in range(40)]
    row = Row("a", "", 0.0, lost([0.0]))
    ((title, drawn),) = plots(Comparison("", "", (), (row,)), many)
    assert "24 that cost most" in title and "layer039" in drawn and "layer015" not in drawn
