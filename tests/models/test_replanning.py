"""A run goes on with more or fewer steps and ends as if they had been planned from the beginning."""

from pathlib import Path

import pytest
import torch

from edge_sdk.errors import RecipeError
from tests.models.recordings import edit, write_recipe
from tests.models.test_training import assert_equal_runs, run, scalars, weights


@pytest.mark.parametrize("minutes", [0, 10], ids=["on the plateau", "at its end"])
def test_a_run_with_more_steps_ends_as_one_that_was_as_long_from_the_beginning(
    corpus_root: Path, tmp_path: Path, minutes: float
) -> None:
    long, short = write_recipe(tmp_path / "long.toml", steps=40), write_recipe(tmp_path / "short.toml", steps=20)
    run(long, corpus_root, tmp_path / "whole")
    run(short, corpus_root, tmp_path / "run", max_minutes=minutes)
    finished = minutes > 0
    fallen = (tmp_path / "run/network.safetensors").read_bytes()
    run(long, corpus_root, tmp_path / "run", replan=True)
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "run")
    assert all(torch.equal(one[name], other[name]) for name in one)
    if finished:
        assert_equal_runs(tmp_path / "whole", tmp_path / "run")
        assert scalars(tmp_path / "whole", "loss") == scalars(tmp_path / "run", "loss")
        assert (tmp_path / "run/network-20.safetensors").read_bytes() == fallen
    assert run(long, corpus_root, tmp_path / "run", replan=True)["step"] == 40


def test_a_run_with_fewer_steps_ends_as_one_that_was_as_short_from_the_beginning(
    corpus_root: Path, tmp_path: Path
) -> None:
    long, short = write_recipe(tmp_path / "long.toml", steps=4000), write_recipe(tmp_path / "short.toml", steps=20)
    run(short, corpus_root, tmp_path / "whole")
    run(long, corpus_root, tmp_path / "run", max_minutes=0)
    run(short, corpus_root, tmp_path / "run", replan=True)
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "run")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_plan_whose_rate_would_have_fallen_already_is_refused(corpus_root: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=40)
    run(recipe, corpus_root, tmp_path / "run")
    edit(recipe, "steps = 40", "steps = 30")
    with pytest.raises(RecipeError, match="steps are done at the whole learning rate, .* expected 40 steps or more"):
        run(recipe, corpus_root, tmp_path / "run", replan=True)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps = 10\nbatch = 4", "steps = 20\nbatch = 8", "recipe.fit.batch was 4 and is 8"),
        ("seed = 3", "seed = 4", "recipe.seed was 3 and is 4"),
    ],
)
def test_replanning_takes_other_steps_and_nothing_else(
    corpus_root: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=10)
    run(recipe, corpus_root, tmp_path / "run", max_minutes=0)
    edit(recipe, old, new)
    with pytest.raises(RecipeError, match=message):
        run(recipe, corpus_root, tmp_path / "run", replan=True)


def test_a_run_without_a_state_from_the_plateau_is_not_replanned(corpus_root: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=10)
    run(recipe, corpus_root, tmp_path / "run")
    (tmp_path / "run/plateau.safetensors").unlink()
    edit(recipe, "steps = 10", "steps = 20")
    with pytest.raises(RecipeError, match="no plateau.safetensors from before; start a new run"):
        run(recipe, corpus_root, tmp_path / "run", replan=True)
