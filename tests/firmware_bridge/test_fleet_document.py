"""The programs that FLEET.md gives, word for word, on a device that serves sound while RAUC updates it."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import firmware_bridge
from edge_sdk.cli import main
from edge_sdk.library import find_model
from firmware_bridge.boards import load_board
from firmware_bridge.bundle import sign_bundle
from firmware_bridge.install import install
from firmware_bridge.slots import Slots
from tests.edge_sdk.signing import RELEASE, key
from tests.firmware_bridge.devices import bundle_file, device
from tests.firmware_bridge.rauc_device import RaucDevice, authority, needs_rauc
from tests.firmware_bridge.serving import children, from_file, serving, until
from tests.firmware_bridge.sounds import MODEL, OTHER, active_model

BOARD = "raspberry-pi-4"
DOCUMENT = (Path(firmware_bridge.__path__[0]) / "FLEET.md").read_text()


def block(about: str) -> str:
    """The one block of code that says this."""
    (found,) = [text for text in re.findall(r"```\w*\n(.*?)```", DOCUMENT, re.S) if about in text]
    return str(found)


def signed(tmp_path: Path, name: str) -> Path:
    """A shipped model signed by a key that the device trusts."""
    path = tmp_path / f"{name}.edge"
    sign_bundle(find_model(name), path, [key(RELEASE)])
    return path


@pytest.mark.parametrize("active", [None, "1", "2"])
def test_the_copy_for_swupdate_is_the_one_that_does_not_run(tmp_path: Path, active: str | None) -> None:
    slots = Slots(device(tmp_path))
    for version in () if active is None else ("1", "2"):
        install(slots, bundle_file(tmp_path, version))
        slots.confirm()
    if active == "1":
        slots.rollback()
    programs = tmp_path / "programs"
    programs.mkdir()
    calls = {
        "edge-sdk": f"{shlex.quote(sys.executable)} -m edge_sdk.cli $* --slots {slots.folder}",
        "swupdate": "echo $*",
    }
    for name, call in calls.items():
        (programs / name).write_text(f"#!/bin/sh\nexec {call}\n")
        (programs / name).chmod(0o755)
    path = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    shown = subprocess.run(["sh", "-ec", block("swupdate -i")], capture_output=True, text=True, env=path, check=True)
    assert f"model,{slots.state().other} -N {active or 0}\n" in shown.stdout


@pytest.mark.slow
def test_rauc_hands_over_edge_sdk_watches_and_rauc_hears_the_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_rauc()
    keys, slots = authority(tmp_path / "keys"), Slots(device(tmp_path))
    install(slots, signed(tmp_path, MODEL))
    slots.confirm()
    new, update = signed(tmp_path, OTHER), tmp_path / "new.raucb"
    words = ["pack", new, "--format", "rauc", "--board-type", BOARD, "--out", update]
    assert main([str(word) for word in (*words, "--fleet-cert", keys.signer, "--fleet-key", keys.key)]) == 0
    board = RaucDevice(tmp_path / "rauc", keys, load_board(BOARD).compatible, slots)
    # Of a board's own only the places differ, and the processor, which is this machine's.
    program = tmp_path / "edge-sdk-update"
    text = block("edge-sdk install --board-type").replace(f"--board-type {BOARD}", f"--slots {slots.folder}")
    text = text.replace("edge-sdk verdict", f"edge-sdk verdict --slots {slots.folder}")
    program.write_text(text.replace("edge-sdk ", f"{shlex.quote(sys.executable)} -m edge_sdk.cli "))
    handler = block("RAUC_TARGET_SLOTS").replace("/usr/local/sbin/edge-sdk-update", str(program))
    (board.folder / "post-install").write_text(handler)
    program.chmod(0o755)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", board.bus)
    # How long a block takes says something of this machine only.
    watch = ["--watch", "3", "--slowest", "1000", "--", *from_file(tmp_path, 300.0)]
    with board.booted("A"), serving(slots, *watch) as service:
        until(lambda: children(service) != set())
        done = board.rauc("install", update)
        assert done.returncode == 0, done.stderr + (board.folder / "log").read_text()
        assert active_model(slots) == OTHER and slots.state().confirmed
        assert (board.said("primary"), board.said("state.B")) == ("A", "bad")
        capsys.readouterr()
        assert main(["rauc-mark", "--slots", str(slots.folder), "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == ["model.1 is good", "model.1 is primary"]
    assert (board.said("primary"), board.said("state.B")) == ("B", "good")
