"""What post-install hooks ask of edge-sdk: the verdict on what was installed."""

import threading
from pathlib import Path

import pytest

from edge_sdk.cli import main
from edge_sdk.contract import read_bundle
from firmware_bridge.fleet import await_verdict
from firmware_bridge.install import install
from firmware_bridge.slots import Slots
from tests.firmware_bridge.devices import bundle_file, device

PATIENCE_S = 60.0


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    """Version 1 is confirmed, version 2 is new."""
    slots = Slots(device(tmp_path, "1"))
    install(slots, bundle_file(tmp_path, "2"))
    return slots


def verdict(slots: Slots, bundle: Path, *options: object) -> int:
    return main(["verdict", str(bundle), "--slots", str(slots.folder), "--within", "0", *map(str, options)])


def test_a_hook_waits_until_the_gate_has_decided(tmp_path: Path, slots: Slots) -> None:
    gate = threading.Timer(0.3, slots.confirm)
    gate.start()
    state = await_verdict(slots, read_bundle(tmp_path / "2.edge"), PATIENCE_S)
    gate.join()
    assert state.confirmed and state == slots.state()


def test_the_verdict_is_an_exit_status(tmp_path: Path, slots: Slots, capsys: pytest.CaptureFixture[str]) -> None:
    two, other = tmp_path / "2.edge", bundle_file(tmp_path, "3")
    assert verdict(slots, two) == 1
    assert "no verdict within 0 s" in capsys.readouterr().err
    assert verdict(slots, other) == 1
    assert "not what is active" in capsys.readouterr().err
    slots.confirm()
    assert verdict(slots, two) == 0
    raw = tmp_path / "slot"
    raw.write_bytes(two.read_bytes() + b"left over")
    assert verdict(slots, raw, "--raw-slot") == 0
    install(slots, other)
    slots.rollback()
    capsys.readouterr()
    assert verdict(slots, other) == 1
    shown = capsys.readouterr()
    assert "small 3: rolled back" in shown.err and shown.err.count("\n") == 1 and not shown.out


@pytest.mark.parametrize("within", ["-1", "nan"])
def test_a_time_that_is_none_is_refused(
    tmp_path: Path, slots: Slots, capsys: pytest.CaptureFixture[str], within: str
) -> None:
    assert verdict(slots, tmp_path / "2.edge", "--within", within) == 1
    assert "expected a time of 0 or more" in capsys.readouterr().err
