"""The recipes in this repository train: for seconds always, and for minutes on real recordings under `training`."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk.audio.arrays import load_array
from models.data.rooms import RoomConfig, check_rooms, load_rooms
from models.data.simulation import simulate_rooms
from models.recipe import load_recipe, load_set
from models.runs import train
from tests.models.recordings import RATE, voice

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").glob("*.toml"))
DEAD = RoomConfig(length_m=(3, 4), width_m=(3, 4), rt60_s=(0.1, 0.12), positions=6, distance_m=(0.5, 1.2))


def write_recordings(root: Path) -> Path:
    """The folders that the recipes name, with a few voices and noises in each, and who is of which gender."""
    rows = ["path,speaker,gender"]
    for split, speakers in (("train", 11), ("dev", 2)):
        for speaker in range(speakers):
            folder = root / split / "speech/so762" / f"{split}{speaker}"
            folder.mkdir(parents=True)
            soundfile.write(folder / "take.wav", voice(10 * speaker + speakers), RATE)
            path = (folder / "take.wav").relative_to(root).as_posix()
            rows.append(f"{path},{split}{speaker},{'fm'[speaker % 2]}")
        (root / split / "noise").mkdir()
        noise = np.random.default_rng(speakers).standard_normal(3 * RATE)
        soundfile.write(root / split / "noise/noise.wav", 0.1 * noise.astype(np.float32), RATE)
    for folder in debian_folders():
        (root / folder).mkdir(parents=True)
        soundfile.write(root / folder / "sound.wav", 0.1 * noise.astype(np.float32), RATE)
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


def debian_folders() -> list[str]:
    """What recipes weigh of the sounds of Debian's packages, which they expect in a folder of that name."""
    weighed = {folder for path in RECIPES for folder in load_recipe(path).data.weights}
    return sorted(folder for folder in weighed if folder.startswith("debian/"))


def write_rooms(text: str, root: Path, counts: tuple[int, int], config: RoomConfig, workers: int | None) -> None:
    """The rooms that a recipe names, to train in and to be watched in."""
    for seed, (folder, count) in enumerate(zip(re.findall(r'rooms = \["(.+)"\]', text), counts, strict=False)):
        array = load_array(Path(folder).parent.name)
        simulate_rooms(root / folder, array, config, count, seed, workers=workers)


def shortened(text: str, **settings: object) -> str:
    """A recipe with other values in every place where it has those settings."""
    for name, value in settings.items():
        text, found = re.subn(rf"(?m)^{name} = \S+", f"{name} = {value}", text)
        assert found, f"the recipe says nothing of {name}"
    return text


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recordings(tmp_path_factory.mktemp("recordings"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_valid_and_carries_its_name(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    how = path.read_text().split("\nname = ")[0]
    assert re.search(r"edge-sdk (train|prune) ", how) and f"recipes/{path.name}" in how, "it says how it is used"
    if (ROOT / "edge_sdk/shipped" / f"{path.stem}.edge").exists():
        assert path.with_suffix(".md").exists(), "what is shipped has the notes of its card beside its recipe"


@pytest.mark.parametrize("path", sorted((ROOT / "recipes/rooms").glob("*.toml")), ids=lambda path: path.stem)
def test_rooms_hold_an_array_and_say_how_they_are_used(path: Path) -> None:
    check_rooms(load_rooms(path), load_array("respeaker-4mic"))
    assert f"edge-sdk simulate rooms --rooms recipes/rooms/{path.name}" in path.read_text()


@pytest.mark.parametrize("path", sorted((ROOT / "recipes/sets").glob("*.toml")), ids=lambda path: path.stem)
def test_sets_are_valid_and_say_how_they_are_used(path: Path) -> None:
    assert load_set(path).count > 0
    assert f"edge-sdk evaluate MODEL --set recipes/sets/{path.name}" in path.read_text()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_seconds_of_a_recipe_run(path: Path, recordings: Path, tmp_path: Path) -> None:
    write_rooms(path.read_text(), recordings, (2, 1), DEAD, workers=0)
    settings = {"steps": 2, "batch": 2, "compile": "false", "workers": 0, "seconds": 0.8, "count": 2}
    (tmp_path / path.name).write_text(shortened(path.read_text(), **settings))
    _, entry = train(tmp_path / path.name, recordings, tmp_path / "run", recordings / "cache")
    assert entry["step"] == 2 and np.isfinite(entry["loss"]) and np.isfinite(entry["dev_si_sdr_improvement"])


# Nearly two hours of audio for some minutes of two cores: short mixtures and few of them at once, and a short memory
# of weights. Two talkers improve late: after three hundred steps.
MINUTES = {
    "steps": 800,
    "batch": 4,
    "seconds": 2.0,
    "compile": "false",
    "warmup": 50,
    "average": 0.98,
    "dev_every": 800,
    "count": 20,
}


@pytest.mark.training
@pytest.mark.skipif("EDGE_SDK_DATA" not in os.environ, reason="EDGE_SDK_DATA names no recordings to train on")
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_minutes_of_a_recipe_improve_its_development_set(path: Path, tmp_path: Path) -> None:
    write_rooms(path.read_text(), tmp_path, (40, 10), RoomConfig(), workers=None)
    short = shortened(path.read_text(), **MINUTES).replace('"rooms/', f'"{tmp_path}/rooms/')
    data = Path(os.environ["EDGE_SDK_DATA"])
    if not (data / "debian").is_dir():  # without them for these minutes
        short = re.sub(r'(?m)^"debian.*\n|, "debian"', "", short)
    (tmp_path / path.name).write_text(short)
    _, entry = train(tmp_path / path.name, data, tmp_path / "run", tmp_path / "cache", max_minutes=10)
    assert entry["dev_si_sdr_improvement"] > 0.5
