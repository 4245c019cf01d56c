"""The page that compares versions of a network: its figures, and its players in a real browser."""

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

from edge_sdk import Separator
from edge_sdk.cli import main
from models.checkpoint import save_network
from models.evaluation.metrics import si_sdr
from models.tasnet import TasNet
from quantization.artifact import Artifact, write_artifact
from quantization.comparison import Comparison, Loss, Mixture, Row, compare, lost, rows_of, speeds, table
from quantization.comparison_clips import clips, most_different, worst
from quantization.comparison_plots import beats, plots
from quantization.comparison_report import html_of
from quantization.layers import layers
from quantization.quantize import quantize
from quantization.regression.clips import open_clips
from quantization.sensitivity import Sensitivity
from quantization.versions import Version, labels, open_versions, streamed
from tests.browser import CHROMIUM, WITHOUT, Browser, browser
from tests.conftest import small_network
from tests.quantization.clips import write_clips
from tests.quantization.networks import network
from tests.quantization.pages import Page, check_inside

MIXTURES, HEARD, SOUNDS = 6, 3, 5  # a mixture, three versions, a target
SWITCH_S = 0.005  # by which a position may be off when a version is switched: a millisecond, and what a page takes


@pytest.fixture(scope="module")
def folder(exported: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three versions of a small network, a set, and losses of its layers as JSON."""
    path = tmp_path_factory.mktemp("versions")
    write_artifact(exported, path)
    for recipe in ("dynamic_int8", "dynamic_int4"):
        write_artifact(quantize(exported, recipe, recipe), path)
    write_clips(path / "clips", MIXTURES, seconds=5.0)
    rows = [{"layer": f"<layer {n}>", "share": 0.1, "loss_db": n / 10, "worst_db": n / 5, "more": 0} for n in range(3)]
    (path / "layers.json").write_text(json.dumps({"layers": rows, "stream": []}))
    return path


@pytest.fixture(scope="module")
def words(folder: Path) -> list[str]:
    """What a person types, but for the folder of the page."""
    files = [folder / f"{name}.tflite" for name in ("tiny", "dynamic_int8", "dynamic_int4")]
    return ["report", *map(str, files), "--set", str(folder / "clips"), "--layers", str(folder / "layers.json")]


@pytest.fixture(scope="module")
def report(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `edge-sdk report` writes."""
    path = tmp_path_factory.mktemp("report") / "a" / "page"
    assert main([*words, "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def html(report: Path) -> str:
    return (report / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def found(report: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((report / "comparison.json").read_text())
    return data


def test_losses_are_those_of_the_streams_against_the_first(found: dict[str, Any], folder: Path) -> None:
    versions = open_versions([str(folder / f"{name}.tflite") for name in ("tiny", "dynamic_int8", "dynamic_int4")])
    streams = [Separator(version.artifact.bundle) for version in versions if version.artifact]
    for place in range(MIXTURES):
        mixture, _ = soundfile.read(folder / "clips" / "mixtures" / f"voice-{place}.flac", dtype="float32")
        source, _ = soundfile.read(folder / "clips" / "sources" / f"voice-{place}.wav", dtype="float32")
        scores = [float(si_sdr(stream.separate(mixture)[0], source)) for stream in streams]
        shown = [row["loss"]["by_mixture"][place] for row in found["rows"]]
        assert shown == pytest.approx([scores[0] - score for score in scores], abs=2e-3)  # of three decimals each


def test_the_page_shows_the_figures_of_the_json(found: dict[str, Any], html: str) -> None:
    main_table, layers, mixtures = Page.of(html).tables
    assert [row[0] for row in main_table[1:]] == ["1 tiny", "2 dynamic_int8", "3 dynamic_int4"]
    for row, cells in zip(found["rows"], main_table[1:], strict=True):
        assert cells[1] == f"{row['si_sdr']:.2f}"
        assert cells[4:6] == [f"{row['size'] / 1024:.0f}", f"{row['macs'] / 1e6:.0f}"]
        speed = row["speed"]
        assert cells[6:9] == [f"{speed['p50_us']:.0f}", f"{speed['p99_us']:.0f}", f"{speed['times_as_fast']:.2f}"]
        assert cells[9].startswith(str(row["delegation"]["partitions"]))
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


def test_a_checkpoint_is_compared_as_its_float32_export(
    trained: TasNet, exported: Artifact, folder: Path, tmp_path: Path
) -> None:
    save_network(tmp_path / "net.safetensors", trained, {})
    one, other = open_versions([str(tmp_path / "net.safetensors"), str(folder / "tiny.tflite")])
    assert one.artifact and other.artifact and one.artifact.model == other.artifact.model
    assert (one.label, one.recipe) == ("net", "float32")


def test_layers_are_measured_on_request(
    exported: Artifact, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words[:-1], "dynamic_int4", "--count", "2", "--out", str(tmp_path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    written = json.loads((tmp_path / "comparison.json").read_text())
    assert printed == {key: value for key, value in written.items() if key != "layers"}
    quantized = [layer.name for layer in layers(exported.model) if layer.op == "CONV_2D"]
    assert [row["layer"] for row in written["layers"]["rows"]] == quantized


def test_a_version_of_which_only_scores_are_known_has_neither_size_nor_sound(exported: Artifact, folder: Path) -> None:
    versions = [Version("before", "float32"), streamed("now", exported)]
    examples = open_clips(folder / "clips", 16_000)
    now = [float(n) for n in range(MIXTURES)]
    rows = rows_of(versions, [[score + 0.5 for score in now], now])
    assert rows[0].size is None and rows[1].size == exported.manifest.size
    assert rows[1].loss.by_mixture == (0.5,) * MIXTURES and (rows[1].loss.low, rows[1].loss.high) == (0.5, 0.5)
    made = Comparison("set", "", tuple(Mixture(str(n), "") for n in range(MIXTURES)), rows)
    (first, *_) = clips(made, versions, examples)
    assert [sound.key for sound in first.sounds] == ["0", "2", "t"]
    assert "-" in table(made).rows[0]


def test_silent_mixtures_count_nowhere_and_a_few_have_no_interval() -> None:
    some = lost([0.25, None, 0.75])
    assert some == Loss((0.25, None, 0.75), 0.5, None, None, 0.75, 2)
    assert lost([0.1] * 5).low == pytest.approx(0.1)


def test_the_worst_mixtures_are_heard_where_they_differ_most() -> None:
    rows = tuple(Row(f"{n}", "", 0.0, lost(losses)) for n, losses in enumerate([[0.0] * 5, [0, 3, None, 1, 0.0]]))
    rows = (*rows, Row("2", "", 0.0, lost([2, -1, None, 0, 0.0])))
    assert worst(Comparison("", "", (Mixture("", ""),) * 5, rows)) == [1, 0, 3]
    noise = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    other = noise.copy()
    other[600:700] = 0
    assert 600 <= most_different(other, noise, 100) + 5 <= 610  # the level is matched over the whole
    assert most_different(other, noise, 1000) == 0


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


def test_labels_are_as_short_as_tells_them_apart() -> None:
    assert labels(["a/x.tflite", "b/y.edge", "enhance-mono"]) == ["x", "y", "enhance-mono"]
    assert labels(["a/x.tflite", "b/x.tflite"]) == ["a/x", "b/x"]
    assert labels(["x.tflite", "x.edge"]) == ["x.tflite", "x.edge"]


def test_ratios_of_times_are_for_the_same_seconds_of_sound(exported: Artifact) -> None:
    first, second = speeds([exported, exported], steps=20)
    assert first.times_as_fast == 1
    assert second.times_as_fast == pytest.approx(first.of_real_time / second.of_real_time, rel=1e-9)
    m = exported.manifest
    assert first.of_real_time == pytest.approx(1e-6 * first.p50_us * m.sample_rate / m.block, rel=1e-9)


def test_what_cannot_be_compared_is_one_line(
    words: list[str], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, first, *_ = words
    rest = ["--set", str(folder / "clips"), "--out", str(tmp_path / "out")]
    full, bad = tmp_path / "full", tmp_path / "bad.json"
    full.mkdir()
    (full / "something").touch()
    bad.write_text('{"layers": [1]}')
    two = str(folder / "dynamic_int8.tflite")
    pair = network(sources=2)
    save_network(tmp_path / "two.safetensors", pair, {})
    save_network(tmp_path / "array.safetensors", small_network("array"), {})
    pair.config = replace(pair.config, sources=2, sample_rate=8_000)
    save_network(tmp_path / "slow.safetensors", pair, {})
    for wrong, said in (
        ([first, *rest], r"1 version\(s\): expected 2 to 9, .* edge-sdk evaluate MODEL --report"),
        ([first, first, *rest], "is given twice"),
        ([first, str(tmp_path / "none.tflite"), *rest], "none.tflite: no such file"),
        ([first, "no-such", *rest], "unknown model 'no-such'"),
        ([first, str(tmp_path / "two.safetensors"), *rest], r"two.safetensors: 2 output\(s\), .*tiny.tflite: 1 output"),
        ([first, str(tmp_path / "slow.safetensors"), *rest], "slow.safetensors: 8000 Hz, .*tiny.tflite: 16000 Hz"),
        ([first, str(tmp_path / "array.safetensors"), *rest], "array.safetensors: architecture fasnet"),
        ([first, two, *rest, "--count", "0"], "--count 0: expected 1 or more"),
        ([first, two, *rest[:2], "--out", str(full)], "full: not empty; choose another --out or give --force"),
        ([first, two, *rest[:2], "--out", str(full / "something" / "x")], "cannot be written below"),
        ([first, two, *rest, "--set", str(tmp_path / "nowhere")], "nowhere"),
        ([first, two, *rest, "--layers", str(bad)], "bad.json: not what edge-sdk sensitivity --json writes"),
        ([first, two, *rest, "--layers", "none.json"], "none.json: cannot be read"),
        ([first, two, *rest, "--layers", "int7"], "unknown recipe 'int7'"),
        ([first, two, *rest, "--layers", "static_int8"], "fixed scales"),
        ([two, first, *rest, "--layers", "dynamic_int8"], "dynamic_int8 is dynamic_int8; give a float32 version first"),
    ):
        capsys.readouterr()
        assert main([command, *wrong]) == 1, wrong
        message = capsys.readouterr().err.strip().splitlines()[-1]
        assert message.startswith("edge-sdk: ") and re.search(said, message), message
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def shown(report: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The page in a browser, opened from disk."""
    with browser(tmp_path_factory.mktemp("browser")) as page:
        page.open(report / "index.html")
        yield page


# A script for the page: the loudest sample of each voice of a player, as it comes through its gain after the fade.
LEVELS = """(async player => {
  const wait = ms => new Promise(done => setTimeout(done, ms));
  await wait(50);
  const ears = player.voices.map(({gain}) => {
    const ear = context.createAnalyser();
    gain.connect(ear);
    return ear;
  });
  const loudest = ears.map(() => 0), wave = new Float32Array(2048);
  for (let n = 0; n < 8; n++) {
    await wait(40);
    ears.forEach((ear, number) => {
      ear.getFloatTimeDomainData(wave);
      loudest[number] = Math.max(loudest[number], ...wave.map(Math.abs));
    });
  }
  return loudest;
})"""
WAIT = "new Promise(done => setTimeout(done, {}))"


@pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT)
class TestInABrowser:
    def test_the_page_opens_from_disk_and_asks_nobody(self, shown: Browser, report: Path) -> None:
        assert shown.run("[...document.images].every(i => i.naturalWidth > 0)")
        assert shown.run("players.length") == HEARD
        assert shown.requests == [(report / "index.html").as_uri()]
        assert shown.complaints == []

    @pytest.mark.parametrize("width", [360, 1200])
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_the_page_fits_and_its_drawings_are_seen(
        self, shown: Browser, width: int, scheme: str, tmp_path: Path
    ) -> None:
        shown.picture(tmp_path / "page.png", width, prefers_color_scheme=scheme)
        assert shown.run("document.documentElement.scrollWidth <= innerWidth")
        assert shown.run("[...document.querySelectorAll('svg')].every(s => s.getBoundingClientRect().height > 50)")
        ink, ground = (shown.run(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor"))
        bright = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, ground)]
        assert (bright[0] > bright[1]) == (scheme == "dark")

    def test_a_player_plays_and_a_switch_keeps_the_position(self, shown: Browser) -> None:
        """Exactly one version is heard before and after, by the samples that come through."""
        for number in (1, 3, 2):
            shown.run("players[0].pause(), players[0].at = 0, players[0].play()")
            shown.run(WAIT.format(200))
            begun, before, after, clock = shown.run(
                f"(() => {{ const p = players[0], clock = context.currentTime, before = p.position; p.hear({number});"
                "return [p.from, before, p.position, context.currentTime - clock]; })()"
            )
            assert before > begun + 0.05
            assert after - before == pytest.approx(clock, abs=SWITCH_S)
            levels = shown.run(f"{LEVELS}(players[0])")
            assert [level > 1e-3 for level in levels] == [n == number for n in range(SOUNDS)], levels
        shown.run("players[0].pause()")

    def test_all_versions_run_on_one_clock(self, shown: Browser) -> None:
        """Every source of a player was started at the same moment from the same position, with sounds of one length."""
        calls = shown.run(
            "(async () => { const calls = [], start = AudioBufferSourceNode.prototype.start;"
            "AudioBufferSourceNode.prototype.start = function (...at) {"
            "  calls.push([...at, this.buffer.length]); return start.apply(this, at); };"
            "players[1].at = 0.3; await players[1].play(); players[1].pause();"
            "AudioBufferSourceNode.prototype.start = start; return calls; })()"
        )
        assert len(calls) == SOUNDS and all(call == calls[0] for call in calls)
        assert calls[0][1] == pytest.approx(0.3)

    def test_one_mixture_plays_at_a_time_and_stops_at_its_end(self, shown: Browser) -> None:
        shown.run("players[0].play()")
        shown.run("players[1].play()")
        assert shown.run("players.map(p => p.playing)") == [False, True, False]
        shown.run("players[1].seek(players[1].duration - 0.1)")
        shown.run(WAIT.format(600))
        assert not shown.run("players[1].playing")
        assert shown.run("players[1].position") == pytest.approx(shown.run("players[1].duration"))
        assert shown.run("players[1].button.textContent") == "Play"

    def test_keys_switch_and_play_where_the_focus_is(self, shown: Browser) -> None:
        shown.run("document.querySelectorAll('.mixture')[2].focus()")
        for key, place in (("3", 3), ("t", 4), ("0", 0), ("9", 0), ("1", 1)):
            shown.press(key)
            assert shown.run("players[2].heard") == place
            assert shown.run("players[2].radios.map(r => r.checked)") == [n == place for n in range(SOUNDS)]
        shown.press(" ")
        shown.run("players[2].sounds.then(() => " + WAIT.format(100) + ")")
        assert shown.run("players[2].playing")
        shown.press(" ")
        assert not shown.run("players[2].playing")
        assert shown.complaints == []

    def test_without_scripts_every_sound_has_a_player_of_its_own(self, html: str, tmp_path: Path) -> None:
        (tmp_path / "page.html").write_text(re.sub(r"<script>.*</script>", "", html, flags=re.DOTALL))
        with browser(tmp_path) as page:
            page.open(tmp_path / "page.html")
            seen = "e => e.getBoundingClientRect().height > 0"
            assert page.run(f"[...document.querySelectorAll('audio')].every({seen})")
            assert not page.run(f"[...document.querySelectorAll('.transport, .signals input')].some({seen})")
            shown = page.run(
                "(async a => { await a.play();"
                f"await {WAIT.format(300)}; return a.currentTime; }})(document.querySelector('audio'))"
            )
            assert shown > 0.05
