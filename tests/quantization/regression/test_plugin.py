"""The pytest plugin in a user's repository: a small network at 16 kHz on six pairs of sound files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.figure  # noqa: F401 - before pytester, which forgets what a run imports first: it would come twice
import numpy as np
import pytest
import soundfile
import tomllib

from edge_sdk.errors import DataError
from models.checkpoint import save_network
from quantization.artifact import Artifact, write_artifact
from quantization.regression.baseline import read_baseline
from quantization.regression.clips import open_clips, score_clips
from tests.models.recordings import voice
from tests.pages import Page, check_inside
from tests.quantization.clips import write_clips
from tests.quantization.networks import network
from tests.quantization.regression.plugin_run import MODULE

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[3]

TEST = """
from quantization.regression import Budget

def test_quality(assert_within):
    assert_within(Budget(mean_db=0.15, worst_db=0.5))
"""
INI = """[pytest]
edge_sdk_model = model.safetensors
edge_sdk_set = clips
"""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("set") / "clips")


@pytest.fixture
def repository(pytester: pytest.Pytester, clips: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A repository with a test of quality, a checkpoint and clips."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # other plugins take seconds
    pytester.makepyfile(test_quality=TEST)
    pytester.path.joinpath("pytest.ini").write_text(INI)
    pytester.path.joinpath("clips").symlink_to(clips)
    save_network(pytester.path / "model.safetensors", network(mask="complex", sources=1, skip=0), {})
    return pytester


def run(repository: pytest.Pytester, *words: str) -> pytest.RunResult:
    return repository.runpytest_inprocess("-p", MODULE, "-p", "no:cacheprovider", *words)


@pytest.fixture
def baseline(repository: pytest.Pytester) -> Path:
    """Where the repository's baseline is, just written."""
    run(repository, "--update-baseline").assert_outcomes(passed=1)
    return repository.path / "baselines" / "model.json"


def edit(baseline: Path, clip: str | None, by_db: float) -> None:
    """A baseline that is better than what the model scores, in one clip or in all."""
    data = json.loads(baseline.read_text())
    for name in data["clips"]:
        data["clips"][name] = round(data["clips"][name] + (by_db if clip in (name, None) else 0), 3)
    data["mean_db"] = round(sum(data["clips"].values()) / len(data["clips"]), 3)
    baseline.write_text(json.dumps(data))


def test_a_model_passes_its_own_baseline_and_the_run_says_by_how_much(
    repository: pytest.Pytester, baseline: Path
) -> None:
    found = run(repository)
    found.assert_outcomes(passed=1)
    found.stdout.fnmatch_lines(["*quality of models*", "model: mean loss +0.000 dB*0.15 allowed*6 clips"])


def test_a_fifth_of_a_decibel_in_the_mean_fails_with_a_table_of_clips(
    repository: pytest.Pytester, baseline: Path
) -> None:
    edit(baseline, None, 0.2)
    found = run(repository)
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(
        [
            "model: mean loss +0.200 dB (95 %: +0.200 to +0.200; 0.15 allowed, EXCEEDED), worst clip +0.200 dB "
            "(0.5 allowed), 6 clips",
            "*clips that got worse*",
            "*clip*baseline, dB*now, dB*lost, dB*",
            "*voice-0*0.200",
            f"*pytest --update-baseline, then review and commit {baseline}",
        ]
    )
    assert "Traceback" not in found.stdout.str() and "plugin.py" not in found.stdout.str()


def test_one_ruined_clip_fails_and_is_marked_first(repository: pytest.Pytester, baseline: Path) -> None:
    edit(baseline, "voice-3", 0.6)
    repository.path.joinpath("pytest.ini").write_text(INI + "edge_sdk_report = https://ci.example/42/report.html\n")
    found = run(repository)
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(
        ["*worst clip +0.600 dB (0.5 allowed, EXCEEDED)*", "*voice-3*0.600  !", "report: https://ci.example/42/*"]
    )
    assert set(re.findall(r"voice-\d", found.stdout.str())) == {"voice-3"}, "the others did not get worse"


def test_a_report_is_pointed_to_where_there_is_one(repository: pytest.Pytester, baseline: Path) -> None:
    edit(baseline, None, 1.0)
    repository.path.joinpath("pytest.ini").write_text(INI + "edge_sdk_report = page.html\n")
    run(repository).stdout.no_fnmatch_line("report: *")
    repository.path.joinpath("page.html").touch()
    run(repository).stdout.fnmatch_lines([f"report: {repository.path / 'page.html'}"])
    assert not (repository.path / "edge-sdk-report").exists()


def test_a_failure_writes_a_page_with_the_clips_that_got_worse(repository: pytest.Pytester, baseline: Path) -> None:
    folder = repository.path / "edge-sdk-report"
    run(repository).assert_outcomes(passed=1)
    assert not folder.exists(), "only a failure writes one"
    edit(baseline, "voice-3", 0.6)
    edit(baseline, "voice-1", 0.1)
    run(repository).stdout.fnmatch_lines([f"report: {folder / 'model' / 'index.html'}"])
    html = (folder / "model" / "index.html").read_text()
    check_inside(html)
    titles = re.findall(r"<h3[^>]*>(Mixture voice-\d)[^<]*loses ([\d.]+) dB</h3>", html)
    assert titles[:2] == [("Mixture voice-3", "0.60"), ("Mixture voice-1", "0.10")]
    sounds = [a["aria-label"].split(",")[0] for a in Page.of(html).attributes("audio")][:3]
    assert sounds == ["Listen: mixture", "Listen: model", "Listen: target"]
    folder.rename(repository.path / "kept")
    folder.touch()
    found = run(repository)
    found.stdout.fnmatch_lines(["*voice-3*0.600  !", "report: not written (*edge_sdk_report)"])
    found.assert_outcomes(failed=1)


def test_baselines_are_written_sorted_a_line_per_clip_and_the_same_every_time(
    repository: pytest.Pytester, baseline: Path
) -> None:
    text = baseline.read_text()
    assert [line.split('"')[1] for line in text.splitlines() if "voice-" in line] == [f"voice-{n}" for n in range(6)]
    assert all(round(score, 3) == score for score in json.loads(text)["clips"].values())
    run(repository, "--update-baseline").assert_outcomes(passed=1)
    assert baseline.read_text() == text
    assert [p.name for p in baseline.parent.iterdir()] == ["model.json"]


def test_what_was_written_into_the_repository_before_is_kept_where_a_baseline_cannot_be_made(
    repository: pytest.Pytester, baseline: Path
) -> None:
    text = baseline.read_text()
    (repository.path / "clips").unlink()
    write_clips(repository.path / "clips", count=4)
    found = run(repository, "--update-baseline")
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["edge-sdk: 4 clips with sound: expected 5 or more*"])
    assert baseline.read_text() == text


def test_a_baseline_of_another_set_or_model_is_an_error_and_no_verdict(
    repository: pytest.Pytester, baseline: Path
) -> None:
    data = json.loads(baseline.read_text())
    for change, said in (
        ({"set": {**data["set"], "sha256": "0" * 64}}, "*: of another set, clips 000000000000, this is clips *"),
        ({"model": {**data["model"], "name": "other"}}, "*: of another model, whose name is other, *"),
        (
            {"model": {**data["model"], "architecture": "fasnet"}},
            "*whose architecture is fasnet, this one's is tasnet*",
        ),
        ({"mean_db": 99.0}, "*: not a baseline, or edited (mean_db 99.0 is not the mean of its clips,*"),
        ({"schema": 9}, "*: not a baseline, or edited (schema 9,*"),
    ):
        baseline.write_text(json.dumps({**data, **change}))
        found = run(repository)
        found.assert_outcomes(failed=1)
        found.stdout.fnmatch_lines([f"edge-sdk: {baseline}{said}"])
        assert "allowed" not in found.stdout.str()


def test_other_weights_of_the_same_network_are_compared(repository: pytest.Pytester, baseline: Path) -> None:
    import torch

    changed = network(mask="complex", sources=1, skip=0)
    with torch.no_grad():
        changed.filterbank.decoder.weight[::2] = 0
    save_network(repository.path / "model.safetensors", changed, {})
    found = run(repository)
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["model: mean loss *EXCEEDED*"])


def test_a_model_without_a_baseline_and_settings_that_are_missing_are_one_line(repository: pytest.Pytester) -> None:
    missing = run(repository)
    missing.assert_outcomes(failed=1)
    missing.stdout.fnmatch_lines(["edge-sdk: *model.json: no baseline there; write and commit it: pytest --update-*"])
    run(repository, "--edge-sdk-model=none.tflite").stdout.fnmatch_lines(["edge-sdk: none.tflite: no such file;*"])
    run(repository, "--edge-sdk-set=nowhere").stdout.fnmatch_lines(["edge-sdk: nowhere: no such folder;*"])
    repository.path.joinpath("pytest.ini").write_text("[pytest]\n")
    run(repository).stdout.fnmatch_lines(["edge-sdk: not told what to test; set edge_sdk_model in the ini file or *"])


def test_a_missing_package_is_one_line(repository: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "quantization.regression.clips", None)
    found = run(repository)
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["edge-sdk: a gate needs pip install 'edge-sdk[[]device,train]' (*"])


def test_a_fixture_of_the_repository_chooses_the_model(
    repository: pytest.Pytester, exported: Artifact, tmp_path: Path
) -> None:
    model = write_artifact(exported, tmp_path)
    repository.makeconftest(
        f"import pathlib, pytest\n@pytest.fixture\ndef quantized_model():\n    return pathlib.Path({str(model)!r})\n"
    )
    run(repository, "--update-baseline").assert_outcomes(passed=1)
    written = read_baseline(repository.path / "baselines" / "tiny.json")
    assert written.model.sha256 == exported.manifest.sha256
    run(repository).assert_outcomes(passed=1)


def test_a_float_network_is_the_baseline_of_its_exported_model_under_one_name(
    repository: pytest.Pytester, exported: Artifact, tmp_path: Path
) -> None:
    model = write_artifact(exported, tmp_path)
    repository.makepyfile(test_quality="def test_quality(assert_within):\n    assert_within(name='both')\n")
    run(repository, "--update-baseline").assert_outcomes(passed=1)
    found = run(repository, f"--edge-sdk-model={model}")
    found.assert_outcomes(passed=1)
    found.stdout.fnmatch_lines(["both: mean loss *"])


def test_clips_that_do_not_fit_are_refused(clips: Path, tmp_path: Path, exported: Artifact) -> None:
    with pytest.raises(DataError, match="16000 Hz, the model works at 8000 Hz"):
        open_clips(clips, 8_000)
    with pytest.raises(DataError, match="no clips; expected mixtures/NAME.wav"):
        open_clips(tmp_path, 16_000)
    broken = write_clips(tmp_path / "broken")
    (broken / "sources" / "voice-2.wav").unlink()
    with pytest.raises(DataError, match="voice-2 has no mixture or no sources"):
        open_clips(broken, 16_000)
    short = write_clips(tmp_path / "short")
    soundfile.write(short / "sources" / "voice-0.wav", voice(0, 0.5), 16_000)
    with pytest.raises(DataError, match=r"voice-0.flac: 8000 samples, its sources 4000"):
        open_clips(short, 16_000)[0]
    two = write_clips(tmp_path / "two")
    for n in range(6):
        soundfile.write(two / "sources" / f"voice-{n}.wav", np.zeros((8000, 2)), 16_000)
    with pytest.raises(DataError, match=r"2 source\(s\) at 1 microphone\(s\), tiny makes 1 of 1"):
        score_clips(str(write_artifact(exported, tmp_path)), two)


def test_pytest_starts_without_anything_heavy() -> None:
    code = f"import sys, {MODULE}; print(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert not {"numpy", "torch", "scipy", "models", "ai_edge_litert", "soundfile"} & set(loaded.split())


def test_the_plugin_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"edge-sdk": MODULE}
