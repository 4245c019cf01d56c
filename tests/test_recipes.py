"""The recipes in this repository train: each is read always, and trained for minutes under `training`."""

import os
import re
from pathlib import Path

import pytest

from models.recipe import load_recipe
from models.runs import train

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_valid_and_carries_its_name(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert path.with_suffix(".md").exists(), "every recipe has the notes of its card beside it"


@pytest.mark.training
@pytest.mark.skipif("EDGE_SDK_DATA" not in os.environ, reason="EDGE_SDK_DATA names no recordings to train on")
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_minutes_of_a_recipe_improve_its_development_set(path: Path, tmp_path: Path) -> None:
    short = path.read_text()
    for setting in ("steps = 150", "batch = 8", "compile = false", "warmup = 20", "average = 0.98", "dev_every = 150"):
        short, found = re.subn(rf"(?m)^{setting.split()[0]} = \S+", setting, short)
        assert found == 1
    (tmp_path / path.name).write_text(short)
    _, entry = train(
        tmp_path / path.name, Path(os.environ["EDGE_SDK_DATA"]), tmp_path / "run", tmp_path / "cache", "cpu", 10
    )
    assert entry["dev_si_sdr_improvement"] > 0.5
