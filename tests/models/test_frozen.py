"""Frozen sets: the same samples for everybody, whole or not there, and no altered file is evaluated with."""

import argparse
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk.errors import DataError
from models.commands import simulate_set
from models.data.example import Example
from models.data.freezing import write_set
from models.data.frozen import FULL_SCALE, digest, frozen, open_set
from models.data.mixing import Mixtures
from models.data.spatial import SpatialConfig
from tests.models.conftest import Maker
from tests.models.echoes import EchoRooms
from tests.models.recordings import RATE, edit, write_recipe

MADE_OF = {"dev": {"seed": 1}}


@pytest.fixture(scope="module")
def in_rooms(make: Maker) -> Mixtures:
    return make(rooms=EchoRooms(), sources=2, spatial=SpatialConfig("early"))


def test_a_set_holds_the_mixtures_to_16_bits(in_rooms: Mixtures, tmp_path: Path) -> None:
    made = write_set(tmp_path / "set", in_rooms, 3, "tiny", MADE_OF, workers=0)
    assert (len(made), made.name, made.sample_rate, made.mics, made.sources) == (3, "tiny", RATE, 4, 2)
    assert made.array == in_rooms.rooms.array  # type: ignore[union-attr]
    assert len(list(made)) == 3
    for index, example in enumerate(made):
        whole = in_rooms.example(index)
        assert example.about == whole.about
        for stored, signal in ((example.mixture, whole.mixture), (example.images, whole.images)):
            np.testing.assert_allclose(stored, signal, atol=0.501 / FULL_SCALE)
        np.testing.assert_allclose(example.sources, whole.sources, atol=0.501 / FULL_SCALE)
        assert example.mixture.dtype == example.sources.dtype == example.images.dtype == np.float32
    assert not list(tmp_path.glob("*.part")) and not list((tmp_path / "set").rglob("entry.json"))


def test_the_same_call_gives_the_same_hash_however_it_is_spread(in_rooms: Mixtures, tmp_path: Path) -> None:
    one = write_set(tmp_path / "one", in_rooms, 4, "tiny", MADE_OF, workers=0)
    other = write_set(tmp_path / "other", in_rooms, 4, "tiny", MADE_OF, workers=2)
    assert one.sha256 == other.sha256 and one.contents == other.contents
    fewer = write_set(tmp_path / "fewer", in_rooms, 3, "tiny", MADE_OF, workers=0)
    assert fewer.sha256 != one.sha256
    assert fewer.contents.mixtures == one.contents.mixtures[:3]


class Interrupted(Mixtures):
    """Stops at mixture 2 as long as a file is there, and remembers in it what it made."""

    marker: Path

    def example(self, index: int) -> Example:
        if self.marker.exists():
            if index == 2:
                raise KeyboardInterrupt
            with self.marker.open("a") as made:
                made.write(f"{index} ")
        elif index < 2:
            pytest.fail(f"mixture {index} was made before")
        return super().example(index)


def test_a_set_goes_on_where_it_was_stopped(make: Maker, tmp_path: Path) -> None:
    whole, stopped = make(), make()
    stopped.__class__, stopped.marker = Interrupted, tmp_path / "marker"  # type: ignore[attr-defined]
    stopped.marker.touch()  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        write_set(tmp_path / "set", stopped, 4, "tiny", MADE_OF, workers=0)
    assert not (tmp_path / "set").exists()
    assert stopped.marker.read_text() == "0 1 "  # type: ignore[attr-defined]
    stopped.marker.unlink()  # type: ignore[attr-defined]
    resumed = write_set(tmp_path / "set", stopped, 4, "tiny", MADE_OF, workers=0)
    assert resumed.sha256 == write_set(tmp_path / "other", whole, 4, "tiny", MADE_OF, workers=0).sha256


def test_what_another_recipe_left_is_not_used(make: Maker, tmp_path: Path) -> None:
    stopped = make()
    stopped.__class__, stopped.marker = Interrupted, tmp_path / "marker"  # type: ignore[attr-defined]
    stopped.marker.touch()  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        write_set(tmp_path / "set", stopped, 3, "tiny", MADE_OF, workers=0)
    other = make(seed=2)
    made = write_set(tmp_path / "set", other, 3, "tiny", {"dev": {"seed": 2}}, workers=0)
    assert [m.sha256 for m in made.contents.mixtures] == [digest(frozen(other.example(i))) for i in range(3)]


def test_a_set_that_is_there_is_replaced_only_by_force(make: Maker, tmp_path: Path) -> None:
    write_set(tmp_path / "set", make(), 1, "tiny", MADE_OF, workers=0)
    with pytest.raises(DataError, match=r"set holds a set already; choose another --out, or --force"):
        write_set(tmp_path / "set", make(), 2, "tiny", MADE_OF, workers=0)
    assert len(write_set(tmp_path / "set", make(), 2, "tiny", MADE_OF, force=True, workers=0)) == 2
    (tmp_path / "mine").mkdir()
    with pytest.raises(DataError, match="mine is there already and holds no set"):
        write_set(tmp_path / "mine", make(), 1, "tiny", MADE_OF, force=True, workers=0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine", "set"]


def louder(file: Path) -> None:
    samples, rate = soundfile.read(file, dtype="int16")
    soundfile.write(file, samples + 1, rate)


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (lambda s: louder(s / "0001" / "mixture.flac"), r"0001/mixture\.flac: altered"),
        (lambda s: (s / "0002" / "sources.flac").unlink(), r"0002/sources\.flac: cannot be read"),
        (lambda s: os.truncate(s / "0000" / "image-1.flac", 100), r"0000/image-1\.flac: altered"),
        (lambda s: (s / "set.json").unlink(), r"no finished set there \(set\.json is missing\)"),
        (lambda s: (s / "set.json").write_text("{}"), r"set\.json: not an index of a set"),
        (lambda s: edit(s / "set.json", '"schema": 1', '"schema": 99'), "schema 99, expected 1"),
        (
            lambda s: edit(s / "set.json", '"0001/mixture.flac"', '"../mixture.flac"'),
            "expected one in the numbered folder",
        ),
        (lambda s: edit(s / "set.json", '"sample_rate": 8000', '"sample_rate": 16000'), "not that of its mixtures"),
    ],
)
def test_altered_sets_are_refused_by_the_name_of_the_file(
    in_rooms: Mixtures, tmp_path: Path, alter: Callable[[Path], None], message: str
) -> None:
    write_set(tmp_path / "set", in_rooms, 3, "tiny", MADE_OF, workers=0)
    alter(tmp_path / "set")
    with pytest.raises(DataError, match=message):
        open_set(tmp_path / "set")


def test_a_set_may_be_copied(make: Maker, tmp_path: Path) -> None:
    made = write_set(tmp_path / "set", make(), 1, "tiny", MADE_OF, workers=0)
    shutil.move(tmp_path / "set", tmp_path / "elsewhere")
    copied = open_set(tmp_path / "elsewhere")
    assert copied.sha256 == made.sha256 and copied[0].mixture.any()


def test_a_talker_beyond_full_scale_makes_the_example_quieter_as_a_whole() -> None:
    signal = np.linspace(-2, 2, 100, dtype=np.float32)[None]
    stored = frozen(Example(0.1 * signal, signal, signal[:, None], {"level_db": -10.0}))
    np.testing.assert_allclose(stored.mixture, 0.1 * stored.sources, atol=1 / FULL_SCALE)
    assert np.abs(stored.sources).max() == pytest.approx(0.99, abs=1e-4)
    assert stored.about["level_db"] == pytest.approx(-10.0 + 20 * np.log10(0.99 / 2))


def test_many_microphones_are_written_too(make: Maker, tmp_path: Path) -> None:
    """More channels than FLAC has."""
    one, wide = make(noisy=False).example(0), make(noisy=False)
    example = Example(np.repeat(one.mixture, 12, axis=0), one.sources, np.repeat(one.images, 12, axis=1))
    wide.mics, wide.example = 12, lambda _: example  # type: ignore[method-assign]
    made = write_set(tmp_path / "set", wide, 1, "wide", MADE_OF, workers=0)
    assert made[0].mixture.shape == (12, RATE) and made[0].images.shape == (1, 12, RATE)
    np.testing.assert_allclose(made[0].images, example.images, atol=0.501 / FULL_SCALE)


def test_a_full_disk_is_told(make: Maker, full_disk: Path) -> None:
    with pytest.raises(DataError, match="free"):
        write_set(full_disk / "set", make(seconds=5.0), 4, "tiny", MADE_OF, workers=0)
    assert not (full_disk / "set").exists()


def test_the_command_writes_the_development_set_of_a_recipe(
    corpus_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    simulate_set.register(parser.add_subparsers())
    recipe = write_recipe(tmp_path / "tiny.toml")
    found = []
    for name in ("a", "b"):
        given = [
            str(recipe),
            "--data",
            str(corpus_root),
            "--cache",
            str(tmp_path / "cache"),
            "--json",
            "--workers",
            "0",
        ]
        args = parser.parse_args(["set", *given, "--out", str(tmp_path / name)])
        assert args.run(args) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0]["mixtures"] == 3 and found[0]["sha256"] == found[1]["sha256"]
    made = open_set(tmp_path / "a")
    assert made.contents.made_of["dev"]["count"] == 3
    assert all(path.startswith("dev/speech/") for example in made for path in example.about["talkers"])
