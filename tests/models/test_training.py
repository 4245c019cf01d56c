"""Training improves, is the same after kills, stops when it should, and writes down how it went."""

import contextlib
import json
import math
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from edge_sdk.errors import DataError
from models.checkpoint import load_network, load_tensors
from models.data.mixing import Mixtures
from models.evaluation.scores import evaluate, separate_with, summarize
from models.recipe import FitConfig, load_recipe
from models.runs import evaluation_set, load_corpora, train
from models.training.fabric import make_fabric
from models.training.fitting import fit
from models.training.journal import Journal
from models.training.schedule import plateau_end, rate_factor
from models.training.trainer import Trainer
from models.zoo import build
from tests.models.killing import trainings
from tests.models.recordings import RATE, edit, write_recipe


def run(recipe: Path, root: Path, folder: Path, **options: Any) -> dict[str, Any]:
    return train(recipe, root, folder, folder.parent / "cache", **options)[1]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_tensors(folder / "state.safetensors")[0]


def entries(folder: Path) -> list[dict[str, float]]:
    """The log without how fast it went."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "audio_hours_per_hour"} for line in lines]


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    """What TensorBoard shows of a run."""
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def assert_equal_runs(one: Path, other: Path) -> None:
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert entries(one) == entries(other)


@pytest.mark.parametrize("kills", [4, pytest.param(10, marks=pytest.mark.slow)])
def test_a_run_killed_at_random_moments_ends_as_an_undisturbed_one(
    corpus_root: Path, tmp_path: Path, kills: int
) -> None:
    """Weights, moments and log to the last bit. Each kill comes some steps and milliseconds after the one before."""
    recipe = write_recipe(tmp_path / "tiny.toml", steps=24 * kills)
    whole, killed, cache, moments = tmp_path / "whole", tmp_path / "killed", tmp_path / "cache", random.Random(1)
    run(recipe, corpus_root, whole)
    with trainings() as process:
        for _ in range(kills):
            step, wait_s = saved_step(killed) + moments.randint(1, 10), moments.uniform(0, 0.1)

            def late(step: int = step, wait_s: float = wait_s) -> bool:
                if saved_step(killed) < step:
                    return False
                time.sleep(wait_s)
                return True

            assert not process.run(recipe, corpus_root, killed, cache, late), "too late to test anything"
        assert process.run(recipe, corpus_root, killed, cache)
    assert_equal_runs(whole, killed)
    assert scalars(whole, "loss") == scalars(killed, "loss"), "TensorBoard shows no step twice"
    best = load_tensors(whole / "network.safetensors")[0], load_tensors(killed / "network.safetensors")[0]
    assert all(torch.equal(best[0][name], best[1][name]) for name in best[0])


def saved_step(folder: Path) -> int:
    """The step that a run would go on from."""
    state = folder / "state.safetensors"
    return int(load_tensors(state)[1]["step"]) if state.exists() else 0


def test_two_runs_of_one_seed_are_equal_wherever_it_is_mixed(corpus_root: Path, tmp_path: Path) -> None:
    run(write_recipe(tmp_path / "tiny.toml", steps=10), corpus_root, tmp_path / "one")
    run(write_recipe(tmp_path / "tiny.toml", steps=10, workers=1), corpus_root, tmp_path / "other")
    assert_equal_runs(tmp_path / "one", tmp_path / "other")


def test_workers_end_with_the_training_when_that_is_killed(corpus_root: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=10**6, workers=1)
    command = [sys.executable, "-m", "edge_sdk.cli", "train", str(recipe), "--data", str(corpus_root)]
    training = subprocess.Popen(
        [*command, "--run", str(tmp_path / "run"), "--cache", str(tmp_path / "cache")],
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert within(120, lambda: saved_step(tmp_path / "run") > 0), "it trains"
        assert len(of_session(training.pid)) > 1, "it has a worker"
    finally:
        training.kill()
        training.wait()
    assert within(60, lambda: not of_session(training.pid))


def within(seconds: float, reached: Callable[[], bool]) -> bool:
    """Whether it comes to that in so many seconds."""
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def of_session(session: int) -> list[int]:
    """The processes that a session has left."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            state, _, _, of, *_ = stat.read_text().rsplit(")", 1)[1].split()
            if int(of) == session and state != "Z":
                found.append(int(stat.parent.name))
    return found


@pytest.mark.parametrize("sources", [1, 2])
def test_a_short_training_lowers_the_loss(corpus_root: Path, tmp_path: Path, sources: int) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=150, sources=sources)
    entry = run(recipe, corpus_root, tmp_path / "run")
    first = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])
    assert entry["step"] == 150
    assert entry["loss"] < first["loss"] - 1.0
    assert entry["audio_hours_per_hour"] > 0
    network, about = load_network(tmp_path / "run" / "network.safetensors")
    assert network.config == load_recipe(recipe).network
    assert about["seed"] == 3 and about["recipe"] == "tiny"


def test_event_files_have_names_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    """TensorBoard reads them in this order, and what was started twice in a second would lose steps."""
    for step in range(3):
        journal = Journal(tmp_path, step, make_fabric())
        journal.write({"step": step + 1, "loss": 1.0})
        journal.close()
    began = [path.name.split(".")[3] for path in sorted((tmp_path / "tensorboard").glob("events*"))]
    assert len(began) == len(set(began)) == 3
    assert [step for step, _ in scalars(tmp_path, "loss")] == [1, 2, 3]


def test_the_log_holds_the_mean_of_all_losses_and_tensorboard_the_same(corpus_root: Path, tmp_path: Path) -> None:
    """float32 is what TensorBoard keeps."""
    run(write_recipe(tmp_path / "tiny.toml", steps=30), corpus_root, tmp_path / "run")
    logged = entries(tmp_path / "run")
    assert [entry["step"] for entry in logged] == [10, 20, 30]
    for tag in ("loss", "dev_si_sdr_improvement", "learning_rate", "hours_seen"):
        shown = scalars(tmp_path / "run", tag)
        assert shown == [(entry["step"], pytest.approx(entry[tag], rel=1e-6)) for entry in logged]


def test_the_improvement_in_the_log_is_what_evaluation_finds(corpus_root: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=20, sources=2)
    entry = run(recipe, corpus_root, tmp_path / "run")
    network, _ = load_network(tmp_path / "run/network.safetensors")
    dev = evaluation_set(load_recipe(recipe).dev, corpus_root, RATE, tmp_path / "cache")
    found = summarize(evaluate(separate_with(network), dev, RATE, ("si_sdr",)))
    assert entry["dev_si_sdr_improvement"] == pytest.approx(found["si_sdr_improvement"], abs=0.0015)  # both rounded


def test_a_time_limit_stops_in_good_order_and_the_next_run_goes_on(corpus_root: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=10)
    assert run(recipe, corpus_root, tmp_path / "run", max_minutes=0)["step"] == 1
    done = run(recipe, corpus_root, tmp_path / "run")
    assert done["step"] == 10
    assert run(recipe, corpus_root, tmp_path / "run") == done, "a finished run has nothing left to do"
    run(recipe, corpus_root, tmp_path / "whole")
    one, other = weights(tmp_path / "run"), weights(tmp_path / "whole")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_stops_when_nothing_gets_better(corpus_root: Path, tmp_path: Path) -> None:
    """A learning rate that changes nothing: the first evaluation is the best, and two more are waited for."""
    recipe = write_recipe(tmp_path / "tiny.toml", steps=100)
    edit(recipe, "learning_rate = 3e-3", "learning_rate = 1e-12\nfilterbank_rate = 0\npatience = 2")
    done = run(recipe, corpus_root, tmp_path / "run")
    assert done["step"] == 30
    assert run(recipe, corpus_root, tmp_path / "run") == done
    assert load_network(tmp_path / "run/network.safetensors")[1]["step"] == 10


def test_a_network_that_diverges_is_said_to(corpus_root: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=50)
    edit(recipe, "learning_rate = 3e-3", "learning_rate = 1e30\nclip = 1e30")
    with pytest.raises(DataError, match="NaN after .* steps; lower learning_rate"):
        run(recipe, corpus_root, tmp_path / "run")


def test_a_network_is_fitted_from_python_without_a_recipe(corpus_root: Path, tmp_path: Path) -> None:
    """As quantization does with networks that it changed."""
    recipe = load_recipe(write_recipe(tmp_path / "tiny.toml"))
    corpora = load_corpora(recipe.data, corpus_root, RATE, tmp_path / "cache")
    mixtures = Mixtures(*corpora, recipe.mix, RATE, seed=3)
    dev = evaluation_set(recipe.dev, corpus_root, RATE, tmp_path / "cache")
    network = build(recipe.network)
    before = network.separator.bottleneck.weight.clone()
    (tmp_path / "run").mkdir()
    config = FitConfig(steps=3, batch=2, workers=0)
    assert fit(Trainer(network, config), mixtures, dev, tmp_path / "run", {"by": "hand"})["step"] == 3
    assert not torch.equal(network.separator.bottleneck.weight, before)
    assert load_network(tmp_path / "run/network.safetensors")[1]["by"] == "hand"


def test_the_learning_rate_rises_stays_and_falls_to_zero() -> None:
    factors = [rate_factor(done, steps=100, warmup=10, decay_from=0.6) for done in range(101)]
    assert factors[:10] == pytest.approx([(done + 1) / 10 for done in range(10)])
    assert set(factors[9 : plateau_end(100, 0.6) + 1]) == {1.0}
    falling = factors[plateau_end(100, 0.6) :]
    assert falling == sorted(falling, reverse=True) and falling[-1] == pytest.approx(0, abs=1e-12)
    assert factors[80] == pytest.approx(0.5), "halfway down a cosine"


def test_the_plateau_does_not_depend_on_how_long_the_training_will_be() -> None:
    end = plateau_end(70, 0.7)
    assert [rate_factor(done, 70, 10, 0.7) for done in range(end + 1)] == [
        rate_factor(done, 700, 10, 0.7) for done in range(end + 1)
    ]
    assert not math.isclose(rate_factor(end + 2, 70, 10, 0.7), 1)
