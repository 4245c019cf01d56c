"""The report of an evaluation is one page that a browser shows without asking anybody for anything."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk.cli import main
from models.checkpoint import save_network
from models.evaluation.scores import Score
from quantization.evaluation_report import chosen
from quantization.media import matched
from tests.browser import CHROMIUM, WITHOUT
from tests.conftest import small_network
from tests.models.recordings import edit, write_corpus, write_recipe
from tests.pages import Page, check_inside, check_shown

MIXTURES, SIGNALS = 3, 5  # a mixture, two outputs, two targets


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `edge-sdk evaluate --report` writes, of a small network on a small set."""
    folder = tmp_path_factory.mktemp("report")
    recipe = write_recipe(folder / "tiny.toml", sources=2)
    edit(recipe, "sample_rate = 8000", "sample_rate = 16000")
    recipe.write_text(recipe.read_text().replace("seconds = 0.5", "seconds = 1.5"))
    save_network(folder / "<net>.safetensors", small_network("carry"), {})
    where = ["--set", recipe, "--data", write_corpus(folder / "data"), "--cache", folder / "cache"]
    words = ["evaluate", folder / "<net>.safetensors", *where, "--report", folder / "a" / "report", "--json"]
    assert main([str(word) for word in words]) == 0
    return folder / "a" / "report"


@pytest.fixture(scope="module")
def html(report: Path) -> str:
    return (report / "index.html").read_text(encoding="utf-8")


def test_the_page_and_the_figures_are_two_files(report: Path) -> None:
    assert {path.name for path in report.iterdir()} == {"index.html", "evaluation.json"}
    found = json.loads((report / "evaluation.json").read_text())
    assert len(found["clips"]) == found["mixtures"] == MIXTURES


def test_the_page_shows_the_figures_of_the_json(report: Path, html: str) -> None:
    found = json.loads((report / "evaluation.json").read_text())
    first, *others = Page.of(html).tables
    assert [row[1] for row in first[1:]] == [
        f"{value:.2f}"
        for value in (
            found["si_sdr_mixture"],
            found["references"]["nmf"]["si_sdr"],
            found["si_sdr"],
            *(r["si_sdr"] for r in found["references"].values() if r["kind"] == "ceiling"),
        )
    ]
    gains = sorted(f"{clip['si_sdr_improvement']:.1f}" for clip in found["clips"])
    assert sorted(row[-1] for row in others[-1][1:]) == gains


def test_the_page_is_well_formed_and_accessible(html: str) -> None:
    page = Page.of(html)
    assert page.open == []
    assert page.attributes("html")[0]["lang"] == "en"
    assert len(page.attributes("img")) == len(page.attributes("audio")) == MIXTURES * SIGNALS
    assert all(image["alt"] for image in page.attributes("img"))
    assert all(player["aria-label"] for player in page.attributes("audio"))
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in page.attributes("svg"))
    assert {cell["scope"] for cell in page.attributes("th")} == {"col", "row"}
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(names) == len(set(names))
    assert "&lt;net&gt;.safetensors" in html
    assert "<net>" not in html


def test_the_page_carries_everything_inside_and_loads_nothing(html: str) -> None:
    assert len(html) < 6e6
    check_inside(html)


def test_the_drawings_take_their_colours_from_the_page(html: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(drawings) >= 4
    for drawing in drawings:
        assert "var(--" in drawing
        assert "currentColor" in drawing
        assert not re.search(r"#0[123]0[123]0[123]|#000000", drawing)


def test_the_sounds_are_those_of_the_set(html: str) -> None:
    players = Page.of(html).attributes("audio")
    for player in players:
        sound = base64.b64decode(player["src"].removeprefix("data:audio/flac;base64,"), validate=True)
        samples, rate = soundfile.read(io.BytesIO(sound))
        assert (rate, samples.shape) == (16_000, (24_000,))
        assert np.abs(samples).max() > 0


def test_worst_middle_and_best_are_heard_once_each() -> None:
    scores = [Score(i, {"si_sdr": 0.0}, {"si_sdr": float(i)}) for i in range(9)]
    assert [(rank, s.index) for rank, s in chosen(scores)] == [
        *(("worst", 0), ("worst", 1), ("middle", 3), ("middle", 4), ("best", 7), ("best", 8))
    ]
    for few in range(1, 6):
        assert [s.index for _, s in chosen(scores[:few])] == list(range(few))


def test_outputs_are_heard_at_the_level_of_their_targets_and_never_clip() -> None:
    rng = np.random.default_rng(0)
    source = (0.1 * rng.standard_normal(4000)).astype(np.float32)
    assert np.std(matched(1e-3 * source, source)) == pytest.approx(np.std(source), rel=1e-3)
    spike = np.zeros_like(source)
    spike[7] = 1e-3
    assert np.abs(matched(spike, source)).max() < 1


@pytest.mark.parametrize("below", ["", "a/b"])
def test_a_report_that_cannot_be_written_is_one_line_before_the_work(
    below: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    words = ["evaluate", "none.safetensors", "--set", "none", "--report", tmp_path / "file" / below]
    capsys.readouterr()
    assert main([str(word) for word in words]) == 1
    message = capsys.readouterr().err
    assert message.startswith("edge-sdk: ")
    assert message.count("\n") == 1
    assert "another --report" in message


@pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT)
@pytest.mark.parametrize("width", [500, 1200])
def test_a_browser_shows_the_page_without_complaint(html: str, tmp_path: Path, width: int) -> None:
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    check_shown(tmp_path / "page.html", MIXTURES * SIGNALS, tmp_path, width)
