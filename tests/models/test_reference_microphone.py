"""A network is trained on an array only if both mean the same microphone by the reference."""

from dataclasses import replace
from pathlib import Path

import pytest

from edge_sdk.audio.arrays import load_array
from edge_sdk.errors import RecipeError
from models.data.rooms import RoomConfig
from models.data.simulation import simulate_rooms
from tests.models.recordings import RATE, edit, write_recipe
from tests.models.test_training import run

DEAD = RoomConfig(length_m=(3, 4), width_m=(3, 4), rt60_s=(0.1, 0.12), positions=6, distance_m=(0.5, 1.2))
BANK = "[network.filterbank]\nwindow = 32\nhop = 16\nfilters = 32\n"
STFT = BANK.replace("filters = 32", 'filters = 34\nstart = "stft"')
REACH = "mics = 2\nencoder = 8\n{}[network.beamformer]\nwindow = 32\nhop = 16\ncontext = 16\nalignment = 4\n"


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rooms of two microphones, of which the second is the reference."""
    folder = tmp_path_factory.mktemp("rooms") / "second"
    simulate_rooms(folder, replace(load_array("respeaker-2mic"), reference=1), DEAD, 1, 0, RATE, workers=0)
    return folder


def recipe_for(path: Path, rooms: Path, kind: str, reference: str) -> Path:
    """A recipe of the smallest network of two microphones of a kind."""
    recipe = write_recipe(path / f"{kind}.toml", steps=1)
    if kind == "tasnet":
        edit(recipe, "sample_rate = 8000\n", 'sample_rate = 8000\nmask = "complex"\n')
        edit(recipe, BANK, f"{STFT}[network.spatial]\nmics = 2\n{reference}")
    else:
        edit(recipe, '"tasnet"', f'"{kind}"')
        edit(recipe, BANK, REACH.format(reference))
        edit(recipe, "skip = 16", "skip = 0")
    for speech in ('speech = ["speech"]\n', 'speech = ["dev/speech"]\n'):
        edit(recipe, speech, f'{speech}rooms = ["{rooms}"]\n')
    return recipe


@pytest.mark.parametrize("kind", ["tasnet", "fasnet", "fasnet-tac"])
def test_another_reference_than_the_arrays_is_refused_in_one_line(
    corpus_root: Path, rooms: Path, tmp_path: Path, kind: str
) -> None:
    with pytest.raises(
        RecipeError, match="microphone 0, counted from 0, .* at 1; set network.*reference = 1"
    ) as caught:
        run(recipe_for(tmp_path, rooms, kind, ""), corpus_root, tmp_path / "run")
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()
    said = str(caught.value).rpartition("set ")[2]
    assert said.startswith("network.spatial." if kind == "tasnet" else "network.reference")
    followed = recipe_for(tmp_path, rooms, kind, "reference = 1\n")
    assert run(followed, corpus_root, tmp_path / "run")["step"] == 1


def test_a_development_set_at_other_microphones_is_refused_in_one_line(
    corpus_root: Path, rooms: Path, tmp_path: Path
) -> None:
    recipe = recipe_for(tmp_path, rooms, "tasnet", "reference = 1\n")
    for dev, said in (
        ("", r"dev.data.rooms have 1 microphone\(s\), .* but data.rooms 2, at number 1;"),
        (f'rooms = ["{first_is_reference(tmp_path)}"]\n', "dev.data.rooms have 2 .* at number 0 .* at number 1;"),
    ):
        edited = tmp_path / "other.toml"
        before, _, after = recipe.read_text().partition('speech = ["dev/speech"]\n')
        edited.write_text(f'{before}speech = ["dev/speech"]\n{dev}{after.partition(chr(10))[2]}')
        with pytest.raises(RecipeError, match=said):
            run(edited, corpus_root, tmp_path / "run")


def first_is_reference(path: Path) -> Path:
    """Rooms of the same two microphones, of which the first is the reference."""
    simulate_rooms(path / "first", load_array("respeaker-2mic"), DEAD, 1, 0, RATE, workers=0)
    return path / "first"
