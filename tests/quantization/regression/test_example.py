"""`examples/quant_regression` as a user has it: copied somewhere else, run by pytest in a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.quantization.regression.plugin_run import plugin_options

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "quant_regression"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    copied = tmp_path / "repository"
    shutil.copytree(EXAMPLE, copied, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    return copied


def run(repository: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-q", *plugin_options(), *words]
    return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True)


def test_the_example_passes_and_a_planted_loss_fails_it(repository: Path) -> None:
    passed = run(repository)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert re.search(r"enhance-mono: mean loss [+-]0\.0", passed.stdout) and "1 passed" in passed.stdout

    baseline = repository / "baselines" / "enhance-mono.json"
    data = json.loads(baseline.read_text())
    data["clips"] = {name: round(score + 0.2, 3) for name, score in data["clips"].items()}
    data["mean_db"] = round(sum(data["clips"].values()) / len(data["clips"]), 3)
    baseline.write_text(json.dumps(data))
    failed = run(repository)
    assert failed.returncode == 1
    assert "0.15 allowed, EXCEEDED" in failed.stdout and "Traceback" not in failed.stdout
    assert all(name in failed.stdout for name in data["clips"])


@pytest.mark.slow
def test_the_command_of_its_readme_writes_the_baseline_that_it_ships(repository: Path) -> None:
    shipped = json.loads((repository / "baselines" / "enhance-mono.json").read_text())
    command = "pytest --edge-sdk-model=enhance-mono-float32 --update-baseline"
    assert command in (repository / "README.md").read_text()
    assert run(repository, *command.split()[1:]).returncode == 0
    written = json.loads((repository / "baselines" / "enhance-mono.json").read_text())
    assert written["set"] == shipped["set"] and written["model"] == shipped["model"]
    assert written["clips"] == pytest.approx(shipped["clips"], abs=0.01)  # another processor's rounding


def test_every_clip_is_attributed_and_small(repository: Path) -> None:
    attribution = (repository / "clips" / "ATTRIBUTION.md").read_text()
    names = sorted(path.stem for path in (repository / "clips" / "mixtures").iterdir())
    assert len(names) == 8 and all(f" {name.split('-')[1]}-" in attribution for name in names)
    assert sum(path.stat().st_size for path in repository.rglob("*") if path.is_file()) < 300_000
