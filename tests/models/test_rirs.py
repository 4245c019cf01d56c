"""Stored rooms: the same bytes however they were made, and nothing damaged is taken for rooms."""

import math
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.audio.arrays import load_array
from edge_sdk.cli import main
from edge_sdk.errors import DataError
from models.data import shards
from models.data.rirs import INDEX, Room, open_rooms
from models.data.rooms import RoomConfig
from models.data.shards import Plan, encode, write_rooms
from models.data.simulation import ROOMS_PER_SHARD, expected_bytes, simulate_room
from tests.models.small_rooms import COUNT, RATE, SEED, SMALL, simulate


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rooms that no test changes."""
    folder = tmp_path_factory.mktemp("rooms") / "small"
    simulate(folder)
    return folder


@pytest.fixture
def copied(stored: Path, tmp_path: Path) -> Path:
    """Rooms to damage."""
    return Path(shutil.copytree(stored, tmp_path / "copied"))


def one_line(error: BaseException) -> str:
    assert "\n" not in str(error)
    return str(error)


def test_rooms_come_back_as_they_were_computed(stored: Path) -> None:
    store = open_rooms(stored)
    assert (len(store), store.mics, store.sample_rate, store.array.name) == (COUNT, 2, RATE, "respeaker-2mic")
    for index in (0, ROOMS_PER_SHARD, COUNT - 1):
        room, computed = store[index], simulate_room(SMALL, store.array, RATE, SEED, index)
        assert (room.index, room.rt60_s, room.rirs.dtype) == (index, computed.rt60_s, np.float32)
        np.testing.assert_array_equal(room.rirs, computed.rirs.astype(np.float16))
        for name in ("direct", "azimuths_rad", "elevations_rad", "distances_m"):
            np.testing.assert_array_equal(getattr(room, name), getattr(computed, name))
    with pytest.raises(IndexError):
        store[COUNT]


def test_sixteen_bits_cost_73_db_from_the_direct_path_to_the_end_of_the_tail(stored: Path) -> None:
    store = open_rooms(stored)
    whole, tail = [], []
    for index in range(COUNT):
        exact = simulate_room(SMALL, store.array, RATE, SEED, index).rirs.astype(np.float64)
        error = store[index].rirs - exact
        late = exact.shape[-1] * 4 // 5  # -48 dB and below
        whole.append([np.sum(error**2), np.sum(exact**2)])
        tail.append([np.sum(error[..., late:] ** 2), np.sum(exact[..., late:] ** 2)])
    for parts in (whole, tail):
        noise, signal_energy = np.sum(parts, axis=0)
        assert 10 * math.log10(noise / signal_energy) < -73


def test_bytes_do_not_depend_on_how_the_work_was_spread(stored: Path, tmp_path: Path) -> None:
    simulate(tmp_path / "spread", workers=2)
    assert contents(tmp_path / "spread") == contents(stored)


@pytest.mark.slow
def test_bytes_are_the_same_from_a_cluster(stored: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    simulate(tmp_path / "cluster", workers=2, cluster="local")
    assert contents(tmp_path / "cluster") == contents(stored)


def test_a_killed_run_goes_on_to_the_same_bytes(stored: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    config = tmp_path / "rooms.toml"
    config.write_text("length_m = [3, 4]\nwidth_m = [3, 4]\nrt60_s = [0.1, 0.2]\npositions = 2\n")
    command = ["simulate", "rooms", "--array", "respeaker-2mic", "--rooms", str(config), "--count", str(COUNT)]
    command += ["--seed", str(SEED), "--sample-rate", str(RATE), "--workers", "0", "--out", str(folder)]
    run = subprocess.Popen([sys.executable, "-m", "edge_sdk.cli", *command], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not list(folder.glob("shard-*")) and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    first = folder / "shard-00000.rirs"
    made = first.stat().st_mtime_ns
    (folder / f".shard-00001.rirs.{run.pid}.part").write_bytes(b"half")  # as a kill while writing leaves it
    with pytest.raises(DataError, match="no finished rooms"):
        open_rooms(folder)
    assert main(command) == 0
    assert contents(folder) == contents(stored)
    assert first.stat().st_mtime_ns == made  # what was there was not made again


def test_the_same_command_over_finished_rooms_changes_nothing(copied: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in copied.iterdir() if path.name != shards.LOCK}
    simulate(copied)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_damaged_shard_is_made_again(copied: Path, stored: Path, caplog: pytest.LogCaptureFixture) -> None:
    damaged = copied / "shard-00001.rirs"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    simulate(copied)
    assert contents(copied) == contents(stored) and "made again" in caplog.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": 8}, "seed = 7 there, 8 asked for"),
        ({"count": COUNT + 1}, f"count = {COUNT} there, {COUNT + 1} asked for"),
        ({"sample_rate": 16_000}, "sample_rate = 8000 there, 16000 asked for"),
        ({"array": load_array("respeaker-4mic")}, "array.capture_channels = 2 there, 4 asked for"),
        ({"config": RoomConfig()}, "rooms.length_m = [3.0, 4.0] there, [3.0, 8.0] asked for"),
    ],
)
def test_other_rooms_in_a_folder_are_refused_by_what_differs(
    copied: Path, stored: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(DataError) as caught:
        simulate(copied, **changes)
    assert said in one_line(caught.value)
    assert contents(copied) == contents(stored)


def test_the_estimate_is_near_what_is_written(stored: Path) -> None:
    written = sum(path.stat().st_size for path in stored.glob("shard-*"))
    assert expected_bytes(load_array("respeaker-2mic"), SMALL, COUNT, RATE) == pytest.approx(written, rel=0.2)


def test_a_store_pickles_without_its_samples(stored: Path) -> None:
    store = open_rooms(stored)
    room = store[3]
    data = pickle.dumps(store)
    assert len(data) < 20_000 < sum(shard.size for shard in store.shards)
    np.testing.assert_array_equal(pickle.loads(data)[3].rirs, room.rirs)


def test_the_hash_of_a_store_stands_for_its_samples(stored: Path, tmp_path: Path) -> None:
    other = simulate(tmp_path / "other", seed=SEED + 1)
    assert open_rooms(stored).sha256 == simulate(stored).sha256 != other.sha256


@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        ("shard-00001.rirs", lambda data: data[:-2], "bytes, rooms.json says"),
        ("shard-00001.rirs", lambda data: None, "0 bytes, rooms.json says"),
        (INDEX, lambda data: None, "no finished rooms there"),
        (INDEX, lambda data: data[:-10], "not an index of rooms"),
        (INDEX, lambda data: data.replace(b'"schema":1', b'"schema":2'), "schema 2, expected 1"),
        (INDEX, lambda data: data.replace(b'"taps":', b'"tips":'), "RoomEntry has no tips"),
        (INDEX, lambda data: data.replace(b'"positions":2', b'"positions":3'), "rooms are not one after the other"),
        (INDEX, lambda data: data.replace(b'"file":"', b'"file":"../'), "shard '../shard"),
        (INDEX, lambda data: data.replace(b'"capture_channels":2', b'"capture_channels":1'), "channel 1 of 1"),
    ],
)
def test_a_damaged_store_is_refused_when_it_is_opened(copied: Path, file: str, damage: object, said: str) -> None:
    data = damage((copied / file).read_bytes())
    (copied / file).unlink() if data is None else (copied / file).write_bytes(data)
    with pytest.raises(DataError) as caught:
        open_rooms(copied)
    assert said in one_line(caught.value)


@pytest.mark.parametrize("place", ["direct", "samples"])
def test_numbers_that_are_not_finite_are_refused_when_they_are_read(copied: Path, place: str) -> None:
    entry = open_rooms(copied).shards[0].rooms[1]
    with (copied / "shard-00000.rirs").open("r+b") as file:
        file.seek(entry.offset if place == "direct" else entry.offset + 8 * 4 * entry.positions)
        file.write(np.array([math.nan], "<f8" if place == "direct" else "<f2").tobytes())
    store = open_rooms(copied)
    assert np.isfinite(store[0].rirs).all()
    with pytest.raises(DataError, match="room 1 holds numbers that are not finite"):
        store[1]


def test_rooms_of_any_shape_and_unknown_places_are_kept(tmp_path: Path) -> None:
    unknown, rng = np.full(1, math.nan), np.random.default_rng(0)
    rooms = [
        Room(0, rng.standard_normal((1, 2, 11)).astype(np.float32), np.ones(1), unknown, unknown, unknown, math.nan),
        Room(1, rng.standard_normal((3, 2, 5)).astype(np.float32), *np.ones((4, 3)), rt60_s=0.25),
    ]
    plan = Plan(load_array("respeaker-2mic"), RATE, {"by": "hand"})
    store = write_rooms(tmp_path, plan, rooms, encode_one, 0, workers=0)
    for room, kept in zip(rooms, store, strict=True):
        np.testing.assert_allclose(kept.rirs, room.rirs, rtol=2**-11)
        np.testing.assert_array_equal(kept.azimuths_rad, room.azimuths_rad)
        assert kept.rt60_s == room.rt60_s or (math.isnan(kept.rt60_s) and math.isnan(room.rt60_s))
    with pytest.raises(ValueError, match="responses of up to nan"):
        encode([Room(0, np.full((1, 1, 4), math.nan, np.float32), *np.ones((4, 1)), rt60_s=1)])
    with pytest.raises(ValueError, match=r"direct of shape \[2\]: expected \[1\]"):
        Room(0, np.ones((1, 1, 4), np.float32), np.ones(2), *np.ones((3, 1)), rt60_s=1)


def encode_one(room: Room) -> bytes:
    return encode([room])
