"""A run folder holds everything to repeat it, goes on only with what it was begun with, and errors are one line."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_sdk.audio.arrays import load_array
from edge_sdk.cli import main
from edge_sdk.errors import CheckpointError, DataError, EdgeError, RecipeError
from models.checkpoint import load_network
from models.data.rirs import open_rooms
from models.data.rooms import RoomConfig
from models.data.simulation import simulate_rooms
from models.recipe import DataConfig, load_recipe
from models.runs import load_rooms, train
from models.training.fabric import Hardware
from models.training.folder import locked
from tests.models.recordings import RATE, edit, write_corpus, write_recipe
from tests.models.test_training import run


def test_a_run_folder_says_what_it_is_made_of(corpus_root: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=1)
    run(recipe, corpus_root, tmp_path / "run")
    assert (tmp_path / "run/recipe.toml").read_text() == recipe.read_text()
    kept = json.loads((tmp_path / "run/run.json").read_text())
    identity, (session,) = kept["identity"], kept["sessions"]
    assert identity["recipe"] == "tiny" and identity["seed"] == 3
    assert identity["recordings"]["files"] == 11 and len(identity["recordings"]["sha256"]) == 64
    assert session["recipe_sha256"] == hashlib.sha256(recipe.read_bytes()).hexdigest()
    assert session["versions"]["torch"] == torch.__version__
    assert session["machine"]["processes"] == 1 and session["command"] and session["commit"]


def test_changed_recordings_are_refused_unless_forced(tmp_path: Path) -> None:
    data, recipe = write_corpus(tmp_path / "data"), write_recipe(tmp_path / "tiny.toml", steps=5)
    run(recipe, data, tmp_path / "run", max_minutes=0)
    manifest = data / "manifest.csv"
    manifest.write_text("path,speaker\n")
    with pytest.raises(RecipeError, match="the recordings changed since this run began") as caught:
        run(recipe, data, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert run(recipe, data, tmp_path / "run", max_minutes=0, force=True)["step"] == 2
    sessions = json.loads((tmp_path / "run/run.json").read_text())["sessions"]
    assert [session.get("changed") for session in sessions] == [None, ["recordings", "development recordings"]]
    assert run(recipe, data, tmp_path / "run")["step"] == 5, "what was forced is the run's data from then on"


def test_touched_and_moved_recordings_are_the_same_ones(tmp_path: Path) -> None:
    data, recipe = write_corpus(tmp_path / "data"), write_recipe(tmp_path / "tiny.toml", steps=2)
    run(recipe, data, tmp_path / "run", max_minutes=0)
    moved = shutil.copytree(data, tmp_path / "moved", copy_function=shutil.copyfile)
    assert run(recipe, moved, tmp_path / "run")["step"] == 2


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of rooms for two microphones."""
    root, array = tmp_path_factory.mktemp("rooms"), load_array("respeaker-2mic")
    config = RoomConfig(length_m=(3, 4), width_m=(3, 4), rt60_s=(0.1, 0.12), positions=6, distance_m=(0.5, 1.2))
    for seed, name in enumerate(("first", "second")):
        simulate_rooms(root / name, array, config, 2, seed, RATE, workers=0)
    return root


def with_two_mics(recipe: Path, *rooms: Path) -> Path:
    """The recipe for two microphones, in those rooms."""
    folders = json.dumps([str(room) for room in rooms])
    text = recipe.read_text().replace("[data]", '[network.spatial]\nmics = 2\nfeatures = ["icd"]\n[data]')
    recipe.write_text(text.replace('noise = ["noise"]', f'noise = ["noise"]\nrooms = {folders}'))
    return recipe


def test_two_microphones_are_trained_in_the_rooms_of_several_folders(
    corpus_root: Path, rooms: Path, tmp_path: Path
) -> None:
    both = shutil.copytree(rooms, tmp_path / "rooms")
    recipe = with_two_mics(write_recipe(tmp_path / "tiny.toml", steps=2), both / "first", both / "second")
    stores = [open_rooms(both / name) for name in ("first", "second")]
    joined = load_rooms(load_recipe(recipe).data, corpus_root)
    assert len(joined) == 4
    for index, room in enumerate([store[n] for store in stores for n in range(2)]):
        assert np.array_equal(joined[index].rirs, room.rirs)
    assert run(recipe, corpus_root, tmp_path / "run", max_minutes=0)["step"] == 1
    network, about = load_network(tmp_path / "run/network.safetensors")
    assert network.mics == 2 and about["array"] == "respeaker-2mic"
    shutil.copytree(both / "second", both / "first", dirs_exist_ok=True)
    with pytest.raises(RecipeError, match="the rooms changed since this run began"):
        run(recipe, corpus_root, tmp_path / "run")


def test_rooms_of_another_array_are_refused(corpus_root: Path, rooms: Path, tmp_path: Path) -> None:
    recipe = with_two_mics(write_recipe(tmp_path / "tiny.toml"))
    with pytest.raises(RecipeError, match=r"1 microphones: .* 2 \(no rooms\); give data.rooms of a fitting array"):
        run(recipe, corpus_root, tmp_path / "run")
    config = RoomConfig(rt60_s=(0.1, 0.12), positions=6)
    simulate_rooms(tmp_path / "four", load_array("respeaker-4mic"), config, 1, 0, RATE, workers=0)
    with pytest.raises(DataError, match="rooms of respeaker-2mic at 8000 Hz, .* of respeaker-4mic at 8000 Hz; name"):
        load_rooms(DataConfig(("speech",), rooms=(str(rooms / "first"), str(tmp_path / "four"))), corpus_root)
    with pytest.raises(DataError, match="nowhere"):
        load_rooms(DataConfig(("speech",), rooms=("nowhere",)), corpus_root)


def test_a_folder_of_another_recipe_is_refused(corpus_root: Path, tmp_path: Path) -> None:
    run(write_recipe(tmp_path / "one.toml", steps=1), corpus_root, tmp_path / "run")
    with pytest.raises(RecipeError, match="started from another recipe"):
        run(write_recipe(tmp_path / "two.toml", steps=2), corpus_root, tmp_path / "run")
    edit(tmp_path / "one.toml", "[fit]", "[fit]  # a comment changes nothing")
    assert run(tmp_path / "one.toml", corpus_root, tmp_path / "run")["step"] == 1


def test_fine_tuning_starts_from_the_weights_of_a_checkpoint(corpus_root: Path, tmp_path: Path) -> None:
    """With a learning rate that changes nothing: 1e-12 moves no weight by more than that."""
    recipe = write_recipe(tmp_path / "tiny.toml", steps=10)
    run(recipe, corpus_root, tmp_path / "run")
    first = tmp_path / "run/network.safetensors"
    edit(recipe, "learning_rate = 3e-3", 'learning_rate = 1e-12\nfilterbank_rate = 0\nweight_decay = 0\nstart = "run"')
    run(recipe, corpus_root, tmp_path / "tuned")
    tuned, about = load_network(tmp_path / "tuned/network.safetensors")
    for name, tensor in load_network(first)[0].state_dict().items():
        torch.testing.assert_close(tuned.state_dict()[name], tensor, rtol=0, atol=1e-10)
    assert about["start"]["sha256"] == hashlib.sha256(first.read_bytes()).hexdigest()
    first.unlink()
    assert run(recipe, corpus_root, tmp_path / "tuned")["step"] == 10, "once begun, it does not need the file"


def test_a_start_of_another_network_leaves_no_run_folder(corpus_root: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=1)
    run(recipe, corpus_root, tmp_path / "run")
    edit(recipe, "hidden = 24", "hidden = 32")
    edit(recipe, "steps = 1", 'steps = 1\nstart = "run"')
    with pytest.raises(CheckpointError, match="network.separator.hidden = 24, the recipe's has 32"):
        run(recipe, corpus_root, tmp_path / "tuned")
    assert not (tmp_path / "tuned").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[mix]", '[data.weights]\n"spech/" = 0.5\n[mix]', "weighs spech/"),
        ('speech = ["speech"]', 'speech = ["speech", "nowhere"]', "nowhere: no such folder"),
        ('speech = ["dev/speech"]', 'speech = ["speech"]', "speaker"),
    ],
)
def test_a_recipe_that_does_not_fit_the_data_leaves_no_run_folder(
    corpus_root: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml")
    edit(recipe, old, new)
    with pytest.raises(DataError, match=message):
        run(recipe, corpus_root, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("hardware", "message"),
    [
        (Hardware("cuda:7"), "--device cuda:7"),
        (Hardware("abacus"), "--device abacus"),
        (Hardware(devices=0), "--devices 0: expected 1 or more"),
        (Hardware(nodes=-1), "--nodes -1: expected 1 or more"),
        (Hardware(strategy="telepathy"), "--strategy telepathy: expected one of auto, ddp"),
        (Hardware(devices=3), "batch = 4 for 3 processes: expected a multiple"),
    ],
)
def test_hardware_that_is_not_there_is_one_line(
    corpus_root: Path, tmp_path: Path, hardware: Hardware, message: str
) -> None:
    with pytest.raises(EdgeError, match=message) as caught:
        run(write_recipe(tmp_path / "t.toml"), corpus_root, tmp_path / "run", hardware=hardware)
    assert "\n" not in str(caught.value)


def test_what_torchrun_started_is_what_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from models.training.fabric import with_environment

    for name, value in (("TORCHELASTIC_RUN_ID", "1"), ("LOCAL_WORLD_SIZE", "4"), ("WORLD_SIZE", "8")):
        monkeypatch.setenv(name, value)
    assert with_environment(Hardware()) == with_environment(Hardware(devices=4, nodes=2)) == Hardware("cpu", 4, 2)
    with pytest.raises(EdgeError, match="torchrun started 4 processes on each of 2 nodes; leave both out"):
        with_environment(Hardware(devices=2))


def test_two_trainings_never_share_a_folder(corpus_root: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with locked(tmp_path / "run"), pytest.raises(RecipeError, match="another training works there"):
        run(write_recipe(tmp_path / "tiny.toml", steps=1), corpus_root, tmp_path / "run")


def test_a_full_disk_is_one_line(corpus_root: Path, tmp_path: Path, full_disk: Path) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=20)
    for run_folder, cache in ((full_disk / "run", tmp_path / "cache"), (tmp_path / "run", full_disk / "cache")):
        with pytest.raises(EdgeError, match="free space or choose another") as caught:
            train(recipe, corpus_root, run_folder, cache)
        assert "\n" not in str(caught.value)
    assert not list(full_disk.rglob("*.part"))


def test_a_state_of_something_else_is_one_line(corpus_root: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=1)
    run(recipe, corpus_root, tmp_path / "run")
    state = tmp_path / "run/state.safetensors"
    with pytest.raises(CheckpointError, match="the state of a training; use the network"):
        load_network(state)
    state.write_bytes((tmp_path / "run/network.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match="not a state of this training") as caught:
        run(recipe, corpus_root, tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_the_command_prints_the_last_entry(
    corpus_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=2)
    words = ["train", recipe, "--data", corpus_root, "--run", tmp_path / "run", "--cache", tmp_path / "cache"]
    assert main([str(word) for word in [*words, "--max-minutes", 0, "--json"]]) == 0
    assert json.loads(capsys.readouterr().out)["step"] == 1
    assert main([str(word) for word in words]) == 0
    assert "step 2: SI-SDR improvement" in capsys.readouterr().out
