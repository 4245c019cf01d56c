"""Baselines in a user's repository: how they are written, and of which sets and models they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.checkpoint import save_network
from quantization.artifact import Artifact, write_artifact
from tests.quantization.clips import write_clips
from tests.quantization.networks import network
from tests.quantization.regression.plugin_run import run

pytest_plugins = ["pytester"]


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


def test_a_float_network_is_the_baseline_of_its_exported_model_under_one_name(
    repository: pytest.Pytester, exported: Artifact, tmp_path: Path
) -> None:
    model = write_artifact(exported, tmp_path)
    repository.makepyfile(test_quality="def test_quality(assert_within):\n    assert_within(name='both')\n")
    run(repository, "--update-baseline").assert_outcomes(passed=1)
    found = run(repository, f"--edge-sdk-model={model}")
    found.assert_outcomes(passed=1)
    found.stdout.fnmatch_lines(["both: mean loss *"])
