"""Simulating rooms: the command says what it made, and what stops the work leaves nothing half."""

import json
import os
import shutil
from pathlib import Path

import pytest

from edge_sdk.cli import main
from edge_sdk.errors import DataError
from models.data import shards
from models.data.rirs import open_rooms
from models.data.rooms import RoomConfig
from tests.models.small_rooms import simulate


def test_the_command_says_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["simulate", "rooms", "--array", "mono", "--count", "2", "--workers", "0", "--out", str(tmp_path / "new")]
    assert main([*command, "--json"]) == 0
    out, err = capsys.readouterr()
    made = json.loads(out)
    assert (made["rooms"], made["positions"], made["mics"], made["sample_rate_hz"]) == (2, 16, 1, 16_000)
    assert made["sha256"] == open_rooms(tmp_path / "new").sha256 and "about 0.2 MB" in err
    assert main([*command, "--seed", "1"]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"edge-sdk: {tmp_path / 'new'} holds other rooms: seed")
    assert main(["simulate", "rooms", "--array", "none", "--count", "1", "--out", str(tmp_path / "x")]) == 1
    assert "unknown array 'none'" in capsys.readouterr().err
    for wrong in (["--count", "0"], ["--seed", "-1"], ["--sample-rate", "100"]):
        with pytest.raises(SystemExit) as caught:
            main([*command, *wrong])
        assert caught.value.code == 2
    assert not (tmp_path / "x").exists() and os.listdir(tmp_path) == ["new"]


def test_a_plan_without_rooms_binds_nobody(tmp_path: Path) -> None:
    cramped = RoomConfig(length_m=(3, 3), width_m=(3, 3), distance_m=(2.9, 3), talker_to_wall_m=1.2)
    with pytest.raises(DataError, match="room 0: none of 100 drawn fits"):
        simulate(tmp_path / "new", config=cramped)
    assert len(simulate(tmp_path / "new", count=1)) == 1


def test_two_processes_do_not_write_into_one_folder(tmp_path: Path) -> None:
    with shards.locked(tmp_path), pytest.raises(DataError, match="another process writes rooms there"):
        simulate(tmp_path)


def test_a_disk_that_is_too_small_is_refused_before_work_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100_000))
    with pytest.raises(DataError, match=r"GB are to be written, 0.0001 GB are free"):
        simulate(tmp_path / "new", count=1000)
    assert not list((tmp_path / "new").glob("shard-*"))


def test_a_disk_that_fills_up_leaves_no_half_shard(full_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(full_disk)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**12))  # others fill it meanwhile
    with pytest.raises(OSError, match="No space left on device"):
        simulate(full_disk)
    assert not list(full_disk.glob("*shard*"))
