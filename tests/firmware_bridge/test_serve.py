"""`edge-sdk serve`: real processes, shipped models, sound from files and through pipes."""

import contextlib
import os
import signal
import socket
import subprocess
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.cli import main
from edge_sdk.library import find_model
from edge_sdk.separator import Separator
from firmware_bridge.install import install
from firmware_bridge.relay import Relay, environment, relay_for
from firmware_bridge.slots import MAX_TRIES
from tests.firmware_bridge.devices import bundle_file
from tests.firmware_bridge.serving import (
    PATIENCE_S,
    command,
    from_file,
    running,
    serving,
    through_pipes,
    until,
)
from tests.firmware_bridge.sounds import MODEL, OTHER, active_model, noise, shipped_slots, unhurried, write_wav


def test_the_active_bundle_runs(tmp_path: Path) -> None:
    x = noise(0.5)
    y = through_pipes(shipped_slots(tmp_path, MODEL, OTHER), x)
    want = Separator.open(OTHER).separate(x[np.newaxis].astype(np.float32) / 2**15)[0]
    # Half a step of 16 bits.
    np.testing.assert_allclose(y[len(y) - len(x) :] / 2**15, want, rtol=0, atol=0.51 / 2**15)


def test_where_nothing_is_installed_the_microphone_goes_through(tmp_path: Path) -> None:
    x = noise(0.5)
    y = through_pipes(shipped_slots(tmp_path), x)
    np.testing.assert_array_equal(y[len(y) - len(x) :], x)


def test_where_both_slots_are_broken_the_microphone_goes_through(tmp_path: Path) -> None:
    x, slots = noise(0.5), shipped_slots(tmp_path, MODEL, OTHER)
    for name in ("a", "b"):
        slots.path(name).write_bytes(slots.path(name).read_bytes()[:-1])
    y = through_pipes(slots, x)
    np.testing.assert_array_equal(y[len(y) - len(x) :], x)


def test_what_dies_again_and_again_is_rolled_back(tmp_path: Path) -> None:
    slots = shipped_slots(tmp_path, MODEL)
    install(slots, bundle_file(tmp_path, "2", signer=None))  # no model that an interpreter takes
    with serving(slots, "--", *from_file(tmp_path), "--json") as process:
        running(process, MODEL)
        assert process.stderr is not None
        said = process.stderr.read1().decode()
    assert said.count("the stream died") == MAX_TRIES
    assert active_model(slots) == MODEL and slots.state().confirmed and len(slots.state().quarantine) == 1


def test_a_sound_card_that_is_not_there_yet_is_not_held_against_the_bundle(tmp_path: Path) -> None:
    """More starts than a bundle has tries, and the card comes in the end."""
    slots, source = shipped_slots(tmp_path, MODEL, OTHER), tmp_path / "late.wav"
    slots.write(replace(slots.state(), confirmed=False))
    options = ["--capture", source, "--playback", tmp_path / "out.wav", "--paced", "--priority", "0", "--json"]
    with serving(slots, "--", *options) as process:
        assert process.stderr is not None
        refusals = 0
        while refusals < MAX_TRIES + 2:
            refusals += b"exit status 3" in process.stderr.readline()
        assert slots.state().tries == 1 and not slots.state().quarantine
        write_wav(source, noise(60.0))
        running(process, OTHER)


def test_a_stream_that_does_well_is_confirmed(tmp_path: Path) -> None:
    slots = shipped_slots(tmp_path, MODEL, unconfirmed=OTHER)
    with serving(slots, "--watch", 1, "--slowest", 1e6, *unhurried(tmp_path)):
        until(lambda: slots.state().confirmed)
    assert active_model(slots) == OTHER


def test_a_stream_that_does_badly_makes_room_for_the_one_before(tmp_path: Path) -> None:
    """Too slow is anything that takes a millionth of a block."""
    slots = shipped_slots(tmp_path, MODEL, unconfirmed=OTHER)
    with serving(slots, "--watch", 1, "--slowest", 1e-6, *unhurried(tmp_path)) as process:
        until(lambda: slots.state().confirmed)
        assert process.poll() is None
    assert active_model(slots) == MODEL


def test_golden_clips_are_asked_before_it_is_heard(tmp_path: Path) -> None:
    slots, clips = shipped_slots(tmp_path, MODEL, unconfirmed=OTHER), tmp_path / "clips"
    clips.mkdir()
    write_wav(clips / "kitchen.wav", noise(0.5))
    write_wav(clips / "kitchen.clean.wav", noise(0.5))
    with serving(slots, "--golden", clips, "--golden-db", -1000, "--", *from_file(tmp_path), "--json") as process:
        running(process, MODEL)
    assert active_model(slots) == MODEL and len(slots.state().quarantine) == 1


def test_what_golden_clips_speak_against_does_not_interrupt_the_sound(tmp_path: Path) -> None:
    slots, clips = shipped_slots(tmp_path, MODEL), tmp_path / "clips"
    clips.mkdir()
    write_wav(clips / "kitchen.wav", noise(0.5))
    write_wav(clips / "kitchen.clean.wav", noise(0.5))
    with serving(slots, "--golden", clips, "--golden-db", -1000, "--", *from_file(tmp_path), "--json") as process:
        uptimes = [running(process, MODEL)["uptime_s"]]
        install(slots, find_model(OTHER))
        until(lambda: len(slots.state().quarantine) == 1)
        uptimes += [running(process, MODEL)["uptime_s"] for _ in range(4)]
    assert uptimes == sorted(uptimes) and active_model(slots) == MODEL


def test_options_that_run_does_not_know_end_the_service(tmp_path: Path) -> None:
    slots = shipped_slots(tmp_path, MODEL)
    done = subprocess.run(command(slots, "--", "--nonsense"), capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == 2 and b"usage: edge-sdk" in done.stderr


def test_told_to_stop_it_fades_out_and_leaves_a_whole_file_and_no_process(tmp_path: Path) -> None:
    slots = shipped_slots(tmp_path, MODEL)
    with serving(slots, "--", *from_file(tmp_path), "--json", start_new_session=True) as process:
        running(process, MODEL)
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
    with wave.open(str(tmp_path / "out.wav"), "rb") as file:
        assert file.getnframes() > 0


def test_a_service_that_is_killed_takes_its_stream_along(tmp_path: Path) -> None:
    slots = shipped_slots(tmp_path, MODEL)
    options = from_file(tmp_path, 4 * PATIENCE_S)  # it would not end on its own
    with serving(slots, "--", *options, "--json", start_new_session=True) as process:
        running(process, MODEL)
        process.kill()
        process.wait()
        try:
            until(lambda: not alive(process.pid))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def alive(group: int) -> bool:
    """Whether anything of a process group still runs; what waits for a parent that never asks does not."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, pgrp = stat.read_text().rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state != "Z":
                return True
    return False


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who installs for another user")
def test_who_installs_as_root_does_not_lock_out_the_service(tmp_path: Path) -> None:
    slots = shipped_slots(tmp_path)
    os.chown(slots.folder, 65534, 65534)
    install(slots, find_model(MODEL))
    assert (slots.folder / "lock").stat().st_uid == 65534
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in slots.folder.glob("*") if path.name != "lock")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--", "--model", "x"], "the slots say what runs"),
        (["--", "--trust", "x"], "the slots have a trust file of their own"),
        (["--watch", "5", "--", "--playback", "-"], "standard output is what the stream is watched by"),
        (["--watch", "nan"], "expected both above 0"),
        (["--slots", "/nowhere"], "no such folder"),
        (["--board-type", "pi"], "unknown board"),
    ],
)
def test_wrong_options_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    slots = shipped_slots(tmp_path)
    assert main(["serve", "--slots", str(slots.folder), *options]) == 1
    shown = capsys.readouterr().err
    assert said in shown and shown.count("\n") == 1


def test_the_service_manager_hears_of_streams_but_not_of_their_ends(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE_S)
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}
        relay = relay_for(environ)
        assert isinstance(relay, Relay)
        child = environment(relay, environ)
        assert child == {"NOTIFY_SOCKET": relay.address, "WATCHDOG_USEC": "2000000"}
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stream:
            stream.connect("\0" + relay.address[1:])
            for message in (b"READY=1\nSTATUS=on", b"STOPPING=1", b"WATCHDOG=1"):
                stream.send(message)
        assert [manager.recv(1000), manager.recv(1000)] == [b"READY=1\nSTATUS=on", b"WATCHDOG=1"]
        relay.close()
    assert relay_for({}) is None and environment(None, environ) == {"WATCHDOG_USEC": "2000000"}


def test_the_service_manager_hears_that_sound_flows(tmp_path: Path) -> None:
    slots = shipped_slots(tmp_path, MODEL)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE_S)
        environ = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        with serving(slots, "--", *from_file(tmp_path), "--json", env=environ):
            until(lambda: b"READY=1" in manager.recv(10_000))
