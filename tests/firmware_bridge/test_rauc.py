"""Bundles for RAUC, with RAUC itself: made, checked, tampered with, installed, rolled back."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from edge_sdk.cli import main
from edge_sdk.contract import Fits, read_bundle
from edge_sdk.errors import BundleError
from firmware_bridge.boards import load_board
from firmware_bridge.gate import settle
from firmware_bridge.health import Verdict
from firmware_bridge.install import install
from firmware_bridge.rauc import mark_slots, slot_image
from firmware_bridge.slots import Slots
from tests.edge_sdk.signing import STRANGER, policy
from tests.firmware_bridge.devices import bundle_file, device, running
from tests.firmware_bridge.rauc_device import Authority, RaucDevice, authority, needs_rauc

BOARD = "raspberry-pi-4"
COMPATIBLE = load_board(BOARD).compatible


def pack(bundle: Path, keys: Authority, *options: object, board: str = BOARD) -> int:
    """Pack a bundle for RAUC, as NAME.raucb beside it."""
    words = ["pack", bundle, "--format", "rauc", "--board-type", board, "--out", bundle.with_suffix(".raucb")]
    words += ["--rauc-cert", keys.signer, "--rauc-key", keys.key, *options]
    return main([str(word) for word in words])


def info(bundle: Path, keys: Authority) -> subprocess.CompletedProcess[str]:
    words = ["rauc", "info", f"--keyring={keys.root}", os.fspath(bundle)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_a_bundle_is_what_rauc_takes_for_that_board(tmp_path: Path) -> None:
    needs_rauc()
    keys, bundle = authority(tmp_path / "keys"), bundle_file(tmp_path, "2", security_epoch=3)
    assert pack(bundle, keys) == 0
    shown = info(bundle.with_suffix(".raucb"), keys)
    assert shown.returncode == 0, shown.stderr
    assert COMPATIBLE in shown.stdout and "'2'" in shown.stdout and "Filename:  model.img" in shown.stdout
    assert info(bundle.with_suffix(".raucb"), authority(tmp_path / "others")).returncode != 0


@pytest.mark.parametrize("where", [0.1, 0.5, 0.999])
def test_a_bundle_that_was_tampered_with_is_refused(tmp_path: Path, where: float) -> None:
    needs_rauc()
    keys, bundle = authority(tmp_path / "keys"), bundle_file(tmp_path, "2")
    assert pack(bundle, keys) == 0
    made = bundle.with_suffix(".raucb")
    data = bytearray(made.read_bytes())
    data[int(where * len(data))] ^= 1
    made.write_bytes(data)
    assert info(made, keys).returncode != 0


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RaucDevice:
    """A device that runs version 1, whose RAUC is that of this process."""
    needs_rauc()
    board = RaucDevice(tmp_path / "rauc", authority(tmp_path / "keys"), COMPATIBLE, Slots(device(tmp_path, "1")))
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", board.bus)
    return board


GOOD, BAD = Verdict(True, "60 s without a fault"), Verdict(False, "the output of 3 blocks was not finite or no sound")


def judged(slots: Slots, verdict: Verdict) -> None:
    """The gate has decided about the active bundle."""
    bundle = slots.bundle(slots.state(), slots.state().active)
    assert bundle is not None
    settle(slots, bundle, verdict)


@pytest.mark.parametrize("verdict", [GOOD, BAD], ids=["good", "bad"])
def test_a_slot_of_rauc_is_good_and_primary_only_after_the_gate(
    tmp_path: Path, board: RaucDevice, capsys: pytest.CaptureFixture[str], verdict: Verdict
) -> None:
    """RAUC writes the raw slot, its post-install handler hands the bundle to edge-sdk, the gate decides there, and RAUC
    is told."""
    slots, two = board.slots, bundle_file(tmp_path, "2")
    assert pack(two, board.known) == 0
    mark = ["rauc-mark", "--slots", str(slots.folder), "--json"]

    def told() -> list[str]:
        capsys.readouterr()
        assert main(mark) == 0
        return list(json.loads(capsys.readouterr().out))

    with board.booted("A"):
        done = board.rauc("install", two.with_suffix(".raucb"))
        assert done.returncode == 0, done.stderr + (board.folder / "log").read_text()
        written = (board.folder / "slot-b").read_bytes()
        assert written.startswith(two.read_bytes()) and not any((board.folder / "slot-a").read_bytes())
        assert running(slots) == "2" and not slots.state().confirmed
        assert told() == [] and (board.said("primary"), board.said("state.B")) == ("A", "bad")
        judged(slots, verdict)
        wanted = ["model.1 is good", "model.1 is primary"] if verdict.healthy else []
        assert told() == wanted and told() == []
    after = (board.said("primary"), board.said("state.B"), running(slots))
    assert after == (("B", "good", "2") if verdict.healthy else ("A", "bad", "1"))


def test_a_slot_that_rauc_took_for_good_is_bad_once_its_bundle_was_rolled_back(
    tmp_path: Path, board: RaucDevice
) -> None:
    """Whatever the boot loader or a person has said of it meanwhile."""
    slots = board.slots
    for name, version in (("a", "1"), ("b", "2")):
        (board.folder / f"slot-{name}").write_bytes(bundle_file(tmp_path, version).read_bytes())
    install(slots, tmp_path / "2.edge")
    (board.folder / "primary").write_text("B\n")
    judged(slots, BAD)
    with board.booted("B"):
        assert mark_slots(slots) == ["model.0 is primary", "model.1 is bad"]
    assert (board.said("primary"), board.said("state.A"), board.said("state.B")) == ("A", "good", "bad")


def test_of_two_slots_with_the_same_bundle_the_primary_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_rauc()
    keys, slots = authority(tmp_path / "keys"), Slots(device(tmp_path, "1"))
    board = RaucDevice(tmp_path / "rauc", keys, COMPATIBLE, slots)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", board.bus)
    for name in "ab":
        (board.folder / f"slot-{name}").write_bytes((tmp_path / "1.edge").read_bytes())
    (board.folder / "primary").write_text("B\n")
    with board.booted("B"):
        assert mark_slots(board.slots) == []
    assert board.said("primary") == "B"


def test_a_device_without_rauc_is_told_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = device(tmp_path, "1")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["rauc-mark", "--slots", str(folder)]) == 1
    shown = capsys.readouterr()
    assert not shown.out and "rauc is not installed" in shown.err and shown.err.count("\n") == 1


def test_a_device_refuses_what_is_for_another_board_or_was_tampered_with(tmp_path: Path) -> None:
    needs_rauc()
    keys, slots = authority(tmp_path / "keys"), Slots(device(tmp_path, "1"))
    other, two = bundle_file(tmp_path, "3"), bundle_file(tmp_path, "2")
    assert pack(other, keys, board="jetson-nano") == 0 and pack(two, keys) == 0
    made = two.with_suffix(".raucb")
    data = bytearray(made.read_bytes())
    data[len(data) // 4] ^= 1
    made.write_bytes(data)
    board = RaucDevice(tmp_path / "rauc", keys, COMPATIBLE, slots)
    with board.booted("A"):
        assert board.rauc("install", other.with_suffix(".raucb")).returncode != 0
        assert board.rauc("install", made).returncode != 0
    assert board.said("primary") == "A" and not any((board.folder / "slot-b").read_bytes())
    assert slots.state().confirmed and running(slots) == "1"


def test_what_rauc_takes_and_edge_sdk_does_not_trust_is_not_run(tmp_path: Path) -> None:
    """The owner of RAUC's key alone cannot make a device run a model."""
    needs_rauc()
    keys, slots = authority(tmp_path / "keys"), Slots(device(tmp_path, "1"))
    strange = bundle_file(tmp_path, "2", STRANGER)
    assert pack(strange, keys) == 0
    board = RaucDevice(tmp_path / "rauc", keys, COMPATIBLE, slots)
    with board.booted("A"):
        assert board.rauc("install", strange.with_suffix(".raucb")).returncode != 0
    assert "0 of 1" in board.said("post-install.log")
    assert running(slots) == "1"


def test_the_bundle_in_a_raw_slot_is_what_was_written_whatever_follows(tmp_path: Path) -> None:
    slot, two = tmp_path / "slot", bundle_file(tmp_path, "2")
    slot.write_bytes(two.read_bytes() + b"left over from a larger one")
    assert slot_image(slot, policy()) == two.read_bytes()
    slots = Slots(device(tmp_path, "1"))
    words = ["install", "--raw-slot", str(slot), "--no-trial", "--slots", str(slots.folder)]
    assert main(words) == 0
    assert running(slots) == "2" and read_bundle(slots.path("a")).manifest.version == "2"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "too few"),
        (b"\0" * 4096, "not an edge-sdk bundle"),
        (None, "No such file"),
        ("cut", "the file is damaged"),
    ],
)
def test_a_raw_slot_without_a_bundle_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes | str | None, said: str
) -> None:
    slot, slots = tmp_path / "slot", Slots(device(tmp_path, "1"))
    if data is not None:
        slot.write_bytes(bundle_file(tmp_path, "2").read_bytes()[:-1] if data == "cut" else bytes(data))  # type: ignore[arg-type]
    assert main(["install", "--raw-slot", str(slot), "--no-trial", "--slots", str(slots.folder)]) == 1
    shown = capsys.readouterr().err
    assert said in shown and shown.count("\n") == 1 and running(slots) == "1"


def test_a_raw_slot_is_not_parsed_before_its_signature_was_checked(tmp_path: Path) -> None:
    slot = bundle_file(tmp_path, "2", STRANGER)
    with pytest.raises(BundleError, match="0 of 1"):
        slot_image(slot, policy())


def test_pack_refuses_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, two = authority(tmp_path / "keys"), bundle_file(tmp_path, "2")

    def refused(*words: object) -> str:
        assert main([str(word) for word in words]) == 1
        out, err = capsys.readouterr()
        assert not out and err.count("\n") == 1
        return err

    out = tmp_path / "x.raucb"
    signed = ("--rauc-cert", keys.signer, "--rauc-key", keys.key)
    common = ("--format", "rauc", "--board-type", BOARD, "--out", out, *signed)
    assert "not signed" in refused("pack", bundle_file(tmp_path, "3", None), *common)
    fits = bundle_file(tmp_path, "4", fits=(Fits(cpus=("riscv64",)),))
    assert "made for processor riscv64, not for aarch64" in refused("pack", fits, *common)
    assert "leave --manifest" in refused("pack", two, *common, "--name", "x")
    assert "give --board-type" in refused("pack", two, "--format", "rauc", "--out", out)
    assert "these are for --format rauc or swupdate" in refused("pack", two, "--out", out, "--board-type", BOARD)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "rauc is not installed" in refused("pack", two, *common)
    monkeypatch.undo()
    needs_rauc()
    keys.key.write_text("no key")
    assert "rauc bundle: " in refused("pack", two, *common)
    assert not out.exists()
    out.write_bytes(b"mine")
    assert "--force" in refused("pack", two, *common)
