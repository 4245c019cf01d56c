"""Whenever the power fails, a valid bundle runs; and what was acknowledged stays."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_sdk.contract import read_bundle
from edge_sdk.errors import EdgeError
from firmware_bridge.disk import Disk
from firmware_bridge.install import install
from firmware_bridge.slots import MAX_TRIES, Slots
from firmware_bridge.state import InstallError
from tests.firmware_bridge.crashes import Files, HastyDisk, RecordingDisk, crashes, files_of, restore
from tests.firmware_bridge.devices import bundle_file, device, running

Operation = Callable[[Slots], object]


def recorded(folder: Path, operation: Operation, disk: RecordingDisk) -> tuple[Files, RecordingDisk]:
    """What lay in the folder before, and what was done to it."""
    before = files_of(folder)
    operation(Slots(folder, disk))
    return before, disk


def outcomes(tmp_path: Path, before: Files, disk: RecordingDisk) -> list[tuple[bool, str | None]]:
    """For every crash: whether the operation had ended by then, and the version that starts afterwards."""
    found = []
    folder = tmp_path / "after"
    for done, files in crashes(before, disk.log):
        restore(folder, files)
        found.append((done == len(disk.log), running(Slots(folder, HastyDisk()))))
    return found


def lifecycle(tmp_path: Path) -> list[tuple[str, Operation, set[str | None], str | None]]:
    """Name, operation, the versions that may run if it is cut short, and the one that runs when it has ended."""
    two, three = bundle_file(tmp_path, "2"), bundle_file(tmp_path, "3")
    return [
        ("installs another", lambda s: install(s, two), {"1", "2"}, "2"),
        ("starts it", lambda s: s.start(), {"2"}, "2"),
        ("confirms it", lambda s: s.confirm(), {"2"}, "2"),
        ("installs a third", lambda s: install(s, three), {"2", "3"}, "3"),
        ("rolls it back", lambda s: s.rollback(), {"2", "3"}, "2"),
        ("installs the first again", lambda s: install(s, bundle_file(tmp_path, "1")), {"1", "2"}, "1"),
    ]


def test_a_valid_bundle_runs_after_every_crash_and_what_was_acknowledged_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware_bridge.install.PIECE", 700)  # so that a slot is written in several pieces
    folder, states = device(tmp_path, "1"), 0
    for name, operation, allowed, at_last in lifecycle(tmp_path):
        found = outcomes(tmp_path, *recorded(folder, operation, RecordingDisk()))
        states += len(found)
        assert {version for _, version in found} <= allowed, name
        assert {version for ended, version in found if ended} == {at_last}, name
    assert states > 150


def test_a_crash_while_the_first_bundle_is_installed_leaves_a_device_that_can_be_installed(tmp_path: Path) -> None:
    folder, one = device(tmp_path), bundle_file(tmp_path, "1")
    before, disk = recorded(folder, lambda s: install(s, one), RecordingDisk())
    after = tmp_path / "after"
    for done, files in crashes(before, disk.log):
        restore(after, files)
        slots = Slots(after, HastyDisk())
        found = running(slots)
        assert found in ((None, "1") if done < len(disk.log) else ("1",))
        if found is None:
            install(slots, one)
            assert running(slots) == "1"


def test_after_every_crash_the_next_install_succeeds(tmp_path: Path) -> None:
    folder, two, three = device(tmp_path, "1"), bundle_file(tmp_path, "2"), bundle_file(tmp_path, "3")
    before, disk = recorded(folder, lambda s: install(s, two), RecordingDisk())
    after = tmp_path / "after"
    for _, files in crashes(before, disk.log):
        restore(after, files)
        slots = Slots(after, HastyDisk())
        slots.confirm()
        install(slots, three)
        assert running(slots) == "3"


class NoSync(RecordingDisk):
    """Writes and renames without waiting for the disk."""

    def sync(self, path: Path) -> None:
        pass


class NoFolderSync(RecordingDisk):
    """Forgets that names, too, have to be made safe."""

    def sync_folder(self, folder: Path) -> None:
        pass


@pytest.mark.parametrize("careless", [NoSync, NoFolderSync])
def test_the_enumerator_finds_what_a_forgotten_sync_costs(tmp_path: Path, careless: type[RecordingDisk]) -> None:
    folder, two = device(tmp_path, "1"), bundle_file(tmp_path, "2")
    found = outcomes(tmp_path, *recorded(folder, lambda s: install(s, two), careless()))
    assert (True, "1") in found  # acknowledged, and lost


def write_in_place(folder: Path, source: Path, disk: Disk) -> None:
    """An installer as one would write it in a hurry: the running file is overwritten, and synced."""
    disk.create(folder / "a.edge")
    data = source.read_bytes()
    for at in range(0, len(data), 1000):
        disk.append(folder / "a.edge", data[at : at + 1000])
    disk.sync(folder / "a.edge")
    disk.sync_folder(folder)


def test_the_enumerator_finds_that_writing_in_place_leaves_dead_devices(tmp_path: Path) -> None:
    folder = device(tmp_path)
    (folder / "a.edge").write_bytes(bundle_file(tmp_path, "1").read_bytes())
    before, disk = files_of(folder), RecordingDisk()
    write_in_place(folder, bundle_file(tmp_path, "2"), disk)
    dead, after = 0, tmp_path / "after"
    for _, files in crashes(before, disk.log):
        restore(after, files)
        try:
            read_bundle(after / "a.edge")
        except EdgeError:
            dead += 1
    assert dead > 5


KILL = """
import os, random, signal, sys, time
from pathlib import Path
from firmware_bridge.install import install
from firmware_bridge.slots import Slots
from tests.firmware_bridge.devices import running

folder, count, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
sources = [Path(name) for name in sys.argv[4:]]
versions = [str(n + 1) for n in range(len(sources))]
for n in range(count):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        slots = Slots(folder)
        slots.confirm()
        while True:
            for version, source in zip(versions, sources):
                install(slots, source)
                os.write(writing, version.encode())
                slots.confirm()
    os.close(writing)
    time.sleep(rng.uniform(0.001, 0.06))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    acknowledged = os.read(reading, 1 << 16).decode()
    os.close(reading)
    found = running(Slots(folder))
    assert found is not None, f"dead after {n}"
    if acknowledged:
        following = versions[(versions.index(acknowledged[-1]) + 1) % len(versions)]
        assert found in (acknowledged[-1], following), f"{acknowledged[-1]} was acknowledged, {found} runs"
print("done")
"""


def killed(tmp_path: Path, times: int) -> None:
    folder = device(tmp_path, "1")
    sources = [str(bundle_file(tmp_path, version)) for version in "123"]
    command = [sys.executable, "-c", KILL, str(folder), str(times), "1", *sources]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()})
    assert done.stdout == "done\n", done.stderr[-500:]


def test_kills_at_random_moments_leave_a_valid_bundle_and_lose_nothing_acknowledged(tmp_path: Path) -> None:
    killed(tmp_path, 25)


@pytest.mark.slow
def test_a_thousand_kills(tmp_path: Path) -> None:
    killed(tmp_path, 1000)


def test_a_bundle_that_is_never_confirmed_is_rolled_back_and_not_taken_again(tmp_path: Path) -> None:
    folder = device(tmp_path, "1")
    slots, two = Slots(folder), bundle_file(tmp_path, "2")
    install(slots, two)
    assert [running(slots) for _ in range(MAX_TRIES + 2)] == ["2"] * MAX_TRIES + ["1", "1"]
    with pytest.raises(InstallError, match="quarantine"):
        install(slots, two)
