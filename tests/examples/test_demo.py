"""The demo, end to end with the shipped models: what it writes, prints and shows agree."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.browser import CHROMIUM, WITHOUT
from tests.pages import Page, check_inside, check_shown

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NOISY = ("woman-cafe", "man-rain")
TALKERS, OF_TALKERS = ("woman", "man"), ("two-talkers", "room")
# The signals of every mixture as the page shows them; each is a file too.
SIGNALS = {
    **dict.fromkeys(NOISY, ("noisy", "int8", "float32", "clean")),
    **dict.fromkeys(
        OF_TALKERS, ("noisy", *(f"{who}-{kind}" for kind in ("int8", "float32", "clean") for who in TALKERS))
    ),
}
FILES = [f"{mixture}-{signal}.wav" for mixture, signals in SIGNALS.items() for signal in signals]
# Each row of the table: mixture, and what comes before the kind of signal in the name of a file.
VOICES = [*((mixture, "") for mixture in NOISY), *((mixture, f"{who}-") for mixture in OF_TALKERS for who in TALKERS)]


@dataclass(frozen=True)
class Demo:
    """One run: its folder, its console output and its page."""

    out: Path
    printed: str
    html: str


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    out = tmp_path_factory.mktemp("demo") / "made" / "by the demo"
    done = run_example("demo.py", "--out", str(out))
    assert done.returncode == 0, done.stderr
    return Demo(out, done.stdout, (out / "index.html").read_text(encoding="utf-8"))


def run_example(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, EXAMPLES / script, *arguments], capture_output=True, text=True, timeout=120)


def test_every_signal_is_a_file_as_long_as_its_mixture(demo):
    assert {path.name for path in demo.out.iterdir()} == {*FILES, "index.html", "ATTRIBUTION.md"}
    for mixture, signals in SIGNALS.items():
        infos = [soundfile.info(demo.out / f"{mixture}-{signal}.wav") for signal in signals]
        assert {(i.samplerate, i.channels) for i in infos} == {(16_000, 1)}
        assert len({i.frames for i in infos}) == 1
        assert infos[0].duration > 4


def test_int8_improves_every_mixture_and_the_table_shows_it(demo):
    tables = Page.of(demo.html).tables
    gains = [float(row[-1]) for row in tables[0][1:]]
    assert len(gains) == len(VOICES)
    assert min(gains) > 0
    for (mixture, voice), row in zip(VOICES, tables[0][1:], strict=True):
        shown = [float(cell) for cell in row[1:4]]
        clean = read(demo, mixture, f"{voice}clean")
        measured = [
            reference_si_sdr(read(demo, mixture, signal), clean)
            for signal in ("noisy", f"{voice}float32", f"{voice}int8")
        ]
        assert shown == pytest.approx(measured, abs=0.06)  # one decimal shown, 16 bits written


def test_mixtures_have_the_stated_snr(demo):
    for mixture, stated_db in zip(NOISY, (5.0, 0.0), strict=True):
        clean, noisy = read(demo, mixture, "clean"), read(demo, mixture, "noisy")
        snr_db = 10 * np.log10(np.sum(clean**2) / np.sum((noisy - clean) ** 2))
        assert snr_db == pytest.approx(stated_db, abs=0.01)  # 16 bits written


def test_two_talkers_are_the_whole_mixture_and_equally_loud(demo):
    woman, man = (read(demo, "two-talkers", f"{who}-clean") for who in TALKERS)
    np.testing.assert_allclose(woman + man, read(demo, "two-talkers", "noisy"), atol=1e-4)  # 16 bits written
    assert np.sum(woman**2) == pytest.approx(np.sum(man**2), rel=1e-3)


def test_page_shows_the_figures_that_were_printed(demo):
    lines = [re.split(r" {2,}", line.strip()) for line in demo.printed.splitlines()]
    tables = Page.of(demo.html).tables
    assert [len(table) for table in tables] == [1 + len(VOICES), 7, 7, 7]
    for row in [row for table in tables for row in table]:
        assert row in lines


def test_page_is_well_formed_and_accessible(demo):
    page = Page.of(demo.html)
    assert page.open == []
    assert page.attributes("html")[0]["lang"] == "en"
    assert len(page.attributes("img")) == len(page.attributes("audio")) == len(FILES)
    assert all(image["alt"] for image in page.attributes("img"))
    assert all(player["aria-label"] for player in page.attributes("audio"))
    assert {cell["scope"] for cell in page.attributes("th")} == {"col", "row"}


def test_page_carries_everything_inside_and_loads_nothing(demo):
    check_inside(demo.html)
    assert len(demo.html) < 5e5 * len(FILES)
    for player, name in zip(Page.of(demo.html).attributes("audio"), FILES, strict=True):
        sound = base64.b64decode(player["src"].removeprefix("data:audio/wav;base64,"), validate=True)
        assert sound == (demo.out / name).read_bytes()


def test_page_says_what_the_figures_depend_on(demo):
    for term in ("machine", "software", "date", "command"):
        assert f"<dt>{term}</dt>" in demo.html
    assert "CC BY 4.0" in demo.html


def test_console_ends_with_where_the_page_is(demo):
    assert str(demo.out / "index.html") in "".join(demo.printed.splitlines()[-2:])


@pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT)
def test_a_browser_shows_the_page_without_complaint(demo, tmp_path):
    check_shown(demo.out / "index.html", len(FILES), tmp_path, 500)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "taken").write_text("a file")
    done = run_example("demo.py", "--out", str(tmp_path / "taken"))
    assert done.returncode == 1
    refused = [line for line in done.stderr.splitlines() if line.startswith("edge-sdk: ")]
    assert len(refused) == 1
    assert "cannot be written" in refused[0]
    assert "Traceback" not in done.stderr


def test_wav_example_gives_what_the_demo_streamed(demo, tmp_path):
    done = run_example("separate_wav.py", str(demo.out / "man-rain-noisy.wav"), str(tmp_path / "cleaned.wav"))
    assert done.returncode == 0, done.stderr
    cleaned, _ = soundfile.read(tmp_path / "cleaned.wav")
    # The demo's model got the mixture before it was rounded to 16 bits, which moves an 8-bit network a little.
    assert np.sqrt(np.mean((cleaned - read(demo, "man-rain", "int8")) ** 2)) < 1e-3


def test_wav_example_writes_every_talker(demo, tmp_path):
    given = demo.out / "two-talkers-noisy.wav"
    done = run_example("separate_wav.py", str(given), str(tmp_path / "talker.wav"), "separate-2spk")
    assert done.returncode == 0, done.stderr
    outputs = [soundfile.read(tmp_path / f"talker-{number}.wav")[0] for number in (1, 2)]
    for who in TALKERS:
        shown = read(demo, "two-talkers", f"{who}-int8")
        assert min(np.sqrt(np.mean((output - shown) ** 2)) for output in outputs) < 1e-3


def test_array_example_gives_what_the_demo_streamed(demo, tmp_path):
    done = run_example("array_to_two_talkers.py", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    outputs = [soundfile.read(tmp_path / f"talker-{number}.wav")[0] for number in (1, 2)]
    for who in TALKERS:
        shown = read(demo, "room", f"{who}-int8")
        assert min(np.sqrt(np.mean((output - shown) ** 2)) for output in outputs) < 1e-4  # 16 bits written
    done = run_example("array_to_two_talkers.py", str(demo.out / "man-rain-noisy.wav"))
    assert done.returncode == 1 and "expected 4 channels at 16000 Hz" in done.stderr


def test_stream_example_gives_the_same_samples_late_by_the_delay(demo, tmp_path):
    wav = demo.out / "man-rain-noisy.wav"
    run_example("separate_wav.py", str(wav), str(tmp_path / "cleaned.wav"))
    samples, _ = soundfile.read(wav, dtype="int16")
    done = subprocess.run(
        [sys.executable, EXAMPLES / "stream_blocks.py"], input=samples.tobytes(), capture_output=True, timeout=120
    )
    streamed, (whole, _) = np.frombuffer(done.stdout, "<i2"), soundfile.read(tmp_path / "cleaned.wav", dtype="int16")
    delay = len(streamed) - len(whole)
    assert delay == 64
    np.testing.assert_allclose(streamed[delay:].astype(int), whole, rtol=0, atol=1)  # rounded here, truncated there


def read(demo: Demo, mixture: str, signal: str) -> np.ndarray:
    return soundfile.read(demo.out / f"{mixture}-{signal}.wav")[0]


def reference_si_sdr(estimate: np.ndarray, clean: np.ndarray) -> float:
    """Another way to the same figure: SI-SDR is a function of the correlation alone."""
    squared = np.corrcoef(estimate, clean)[0, 1] ** 2
    return float(10 * np.log10(squared / (1 - squared)))
