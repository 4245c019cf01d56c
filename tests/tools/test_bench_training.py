"""The time of a training's step is measured for every recipe that is given, and said beside the first."""

import re
from pathlib import Path

import pytest

from tests.models.recordings import write_recipe
from tools.bench_training import main


def test_every_recipe_has_its_row_and_its_costliest_operations(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipes = [write_recipe(tmp_path / f"{name}.toml") for name in ("one", "other")]
    assert main([*map(str, recipes), "--steps", "1", "--turns", "1", "--profile", "3"]) == 0
    out = capsys.readouterr().out
    assert re.findall(r"^(\w+) +[0-9.]+ s a step +[0-9.]+ of the first", out, re.M) == ["one", "other"]
    assert "1.00 of the first" in out and out.count("Self CPU time total") == 2


def test_what_is_no_recipe_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.toml")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bench_training: ") and "none.toml" in line
