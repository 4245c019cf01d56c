"""Training improves, resumes as if it had never stopped, and says what is wrong with a recipe or checkpoint."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from edge_sdk.errors import CheckpointError, DataError, EdgeError, RecipeError
from models.checkpoint import load_network, load_tensors, save_network, save_tensors
from models.evaluation import Score
from models.recipe import load_recipe
from models.runs import locked, train
from models.zoo import PRESETS, build, config_from_dict, config_to_dict, preset
from tests.models.recordings import write_recipe

TRAIN = """
import sys
from pathlib import Path
from models.runs import train
train(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]), "cpu", float("inf"))
"""


def run(recipe: Path, root: Path, folder: Path, minutes: float = math.inf) -> dict[str, float]:
    return train(recipe, root, folder, folder.parent / "cache", "cpu", minutes)[1]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_tensors(folder / "state.safetensors")[0]


def test_a_run_killed_at_any_moment_ends_with_the_weights_of_an_undisturbed_one(
    corpus_root: Path, tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=60, workers=1)
    run(recipe, corpus_root, tmp_path / "whole")
    killed = tmp_path / "killed"
    arguments = [sys.executable, "-c", TRAIN, *map(str, (recipe, corpus_root, killed, tmp_path / "cache"))]
    for step in (5, 20, 45):  # kill as soon as the log or a checkpoint says that it got so far
        process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, start_new_session=True)
        while process.poll() is None and (not (killed / "state.safetensors").exists() or saved_step(killed) < step):
            time.sleep(0.005)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert saved_step(killed) < 60, "the kills came too late to test anything"
    run(recipe, corpus_root, killed)
    one, other = weights(tmp_path / "whole"), weights(killed)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    steps = [json.loads(line)["step"] for line in (killed / "log.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps)), "no step is logged twice"


def saved_step(folder: Path) -> int:
    return int(load_tensors(folder / "state.safetensors")[1]["step"])


@pytest.mark.parametrize("sources", [1, 2])
def test_a_short_training_lowers_the_loss(corpus_root: Path, tmp_path: Path, sources: int) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=150, sources=sources)
    entry = run(recipe, corpus_root, tmp_path / "run")
    first = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])
    assert entry["step"] == 150
    assert entry["loss"] < first["loss"] - 1.0
    network, about = load_network(tmp_path / "run" / "network.safetensors")
    assert network.config == load_recipe(recipe).network
    assert about["seed"] == 3 and about["recipe"] == "tiny"


def test_a_time_limit_stops_in_good_order_and_the_next_run_goes_on(corpus_root: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=10)
    assert run(recipe, corpus_root, tmp_path / "run", minutes=0)["step"] == 1
    done = run(recipe, corpus_root, tmp_path / "run")
    assert done["step"] == 10
    assert run(recipe, corpus_root, tmp_path / "run") == done, "a finished run has nothing left to do"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[mix]", '[data.weights]\n"spech/" = 0.5\n[mix]', "weighs spech/"),
        ('speech = ["speech"]', 'speech = ["speech", "nowhere"]', "nowhere: no such folder"),
    ],
)
def test_a_recipe_that_does_not_fit_the_data_leaves_no_run_folder(
    corpus_root: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml")
    recipe.write_text(recipe.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        run(recipe, corpus_root, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_device_that_is_not_there_is_one_line(corpus_root: Path, tmp_path: Path) -> None:
    for device in ("cuda:7", "abacus"):
        with pytest.raises(EdgeError, match=f"--device {device}") as caught:
            train(write_recipe(tmp_path / "t.toml"), corpus_root, tmp_path / "run", tmp_path / "c", device, math.inf)
        assert "\n" not in str(caught.value)


def test_two_trainings_never_share_a_folder(corpus_root: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with locked(tmp_path / "run"), pytest.raises(RecipeError, match="another training works there"):
        run(write_recipe(tmp_path / "tiny.toml", steps=1), corpus_root, tmp_path / "run")


def test_a_network_that_diverges_is_said_to(corpus_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.training.evaluate", lambda *_: [Score(0, {"si_sdr": 0.0}, {"si_sdr": math.nan})])
    with pytest.raises(DataError, match="NaN after 1 steps"):
        run(write_recipe(tmp_path / "tiny.toml", steps=1), corpus_root, tmp_path / "run")


def test_a_full_disk_is_one_line(corpus_root: Path, tmp_path: Path, full_disk: Path) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=20)
    for run_folder, cache in ((full_disk / "run", tmp_path / "cache"), (tmp_path / "run", full_disk / "cache")):
        with pytest.raises(EdgeError, match="free space or choose another") as caught:
            train(recipe, corpus_root, run_folder, cache, "cpu", math.inf)
        assert "\n" not in str(caught.value)
    assert not list(full_disk.rglob("*.part"))


def test_a_folder_of_another_recipe_is_refused(corpus_root: Path, tmp_path: Path) -> None:
    run(write_recipe(tmp_path / "one.toml", steps=1), corpus_root, tmp_path / "run")
    with pytest.raises(RecipeError, match="started from another recipe"):
        run(write_recipe(tmp_path / "two.toml", steps=2), corpus_root, tmp_path / "run")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps = 20", "steps = 0", "must be positive"),
        ("steps = 20", 'steps = "many"', "expected a value of type int"),
        ("batch = 4", "batsh = 4", "no batsh"),
        ("window = 32", "window = 33", "multiple of the hop"),
        ("sources = 1\nsample_rate", "sources = 2\nsample_rate", "sources equal"),
        ('[data]\nspeech = ["speech"]', "[data]", "speech"),
        ("[fit]", "[fit", "not a readable TOML file"),
        ('name = "tiny"', 'name = "../tiny"', "expected small letters"),
        ("seed = 3", 'seed = "3"', "expected a value of type int"),
        ("seed = 3", "seed = -3", "from 0 on"),
        ("seconds = 0.5", "seconds = 0.001", "expected 0.25 to 600"),
        ("seconds = 0.5", "seconds = nan", "expected 0.25 to 600"),
        ("seconds = 0.5", "seconds = 1" + 400 * "0", "digits"),
        ("learning_rate = 3e-3", "learning_rate = nan", "learning_rate and clip must be positive"),
        ("warmup = 5", "warmup = -5", "must not be negative"),
        ("workers = 0", "workers = -1", "must not be negative"),
        ("babble_talkers = 2", "babble = 7.0", "expected a chance"),
        ("count = 3", "count = 0", "count from 1 on"),
        ("blocks = 3", 'blocks = 3\nnorm = "cumulative"\nhorizon = 10', "a horizon of 10 frames"),
        ("blocks = 3", "blocks = 3\nkernel = 1", "two taps or more"),
        ("[mix]", '[data.weights]\n"speech" = 0.0\n[mix]', "expected positive numbers"),
    ],
)
def test_a_wrong_recipe_is_refused_with_the_reason(tmp_path: Path, old: str, new: str, message: str) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml")
    assert old in recipe.read_text()
    recipe.write_text(recipe.read_text().replace(old, new, 1))
    with pytest.raises(RecipeError, match=message):
        load_recipe(recipe)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_the_trip_through_plain_data(name: str) -> None:
    assert config_from_dict(json.loads(json.dumps(config_to_dict(preset(name))))) == preset(name)


def test_a_checkpoint_rebuilds_its_network(tmp_path: Path) -> None:
    network = build(preset("conv-tasnet-edge")).eval()
    save_network(tmp_path / "n.safetensors", network, {"step": 1})
    again, about = load_network(tmp_path / "n.safetensors")
    x = torch.randn(1, 1, 640)
    assert torch.equal(again(x), network(x)) and about == {"step": 1}


def test_checkpoints_of_other_networks_are_refused_in_one_line(corpus_root: Path, tmp_path: Path) -> None:
    network, other = build(preset("conv-tasnet-edge")), build(preset("enhance-mono"))
    path = tmp_path / "n.safetensors"
    header = {"format": 1, "kind": "network", "config": config_to_dict(other.config)}
    save_tensors(path, {f"network.{name}": t for name, t in network.state_dict().items()}, header)
    with pytest.raises(CheckpointError, match="do not fit together") as caught:
        load_network(path)
    assert "\n" not in str(caught.value)
    recipe = write_recipe(tmp_path / "tiny.toml", steps=1)
    run(recipe, corpus_root, tmp_path / "run")
    state = tmp_path / "run/state.safetensors"
    with pytest.raises(CheckpointError, match="the state of a training; use the network"):
        load_network(state)
    state.write_bytes(path.read_bytes())
    with pytest.raises(CheckpointError, match="not a state of this training") as caught:
        run(recipe, corpus_root, tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_damaged_checkpoints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.safetensors"
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_network(path)
    save_network(path, build(preset("conv-tasnet-edge")), {})
    data = path.read_bytes()
    for damaged in (data[: len(data) // 2], b"", b"\x00" * 100):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            load_network(path)
    network = build(preset("conv-tasnet-edge"))
    with torch.no_grad():
        network.separator.bottleneck.bias[0] = math.nan
    save_network(path, network, {})
    with pytest.raises(CheckpointError, match="NaN"):
        load_network(path)
