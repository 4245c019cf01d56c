"""The pytest plugin in a user's repository: a small network at 16 kHz on six pairs of sound files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tomllib

from edge_sdk.errors import DataError
from quantization.artifact import Artifact, write_artifact
from quantization.regression.baseline import read_baseline
from quantization.regression.clips import open_clips, score_clips
from tests.models.recordings import voice
from tests.pages import Page, check_inside
from tests.quantization.clips import write_clips
from tests.quantization.regression.conftest import INI
from tests.quantization.regression.plugin_run import MODULE, run

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[3]


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
