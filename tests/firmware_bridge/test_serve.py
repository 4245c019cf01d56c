"""`edge-sdk serve`: real processes, shipped models, sound from files and through pipes."""

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_sdk.cli import main
from edge_sdk.contract import read_bundle
from edge_sdk.library import find_model
from edge_sdk.separator import Separator
from firmware_bridge.bundle import pack
from firmware_bridge.install import install
from firmware_bridge.launch import in_memory
from firmware_bridge.relay import Relay, environment, relay_for
from firmware_bridge.slots import MAX_TRIES, Slots
from tests.firmware_bridge.devices import bundle_file
from tests.firmware_bridge.sounds import MODEL, OTHER, active_model, noise, shipped, shipped_slots, unhurried, write_wav

PATIENCE_S = 60.0  # for what takes a second on an idle machine


def command(slots: Slots, *options: object) -> list[str]:
    return [sys.executable, "-m", "edge_sdk.cli", "serve", "--slots", str(slots.folder), *map(str, options)]


@contextlib.contextmanager
def serving(slots: Slots, *options: object, **about: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The service; told to stop in the end."""
    process = subprocess.Popen(
        command(slots, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, pipesize=2**20, **about
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def from_file(tmp_path: Path, seconds: float = 60.0) -> list[object]:
    """Options of a stream that takes a file as slowly as it sounds, and reports."""
    source = write_wav(tmp_path / "in.wav", noise(seconds))
    return ["--capture", source, "--playback", tmp_path / "out.wav", "--paced", "--priority", "0"]


def running(process: subprocess.Popen[bytes], model: str) -> dict[str, Any]:
    """The first report of a stream that runs this model."""
    assert process.stdout is not None
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and (line := process.stdout.readline()):
        stream = json.loads(line)["stream"]
        if stream["rungs"][0] == model and stream["processed"] > 0:
            return dict(stream)
    raise AssertionError(f"{model} does not run: {process.stderr.read1() if process.stderr else b''!r}")


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


def through_pipes(slots: Slots, x: np.ndarray) -> np.ndarray:
    """What comes out for samples that go in, 16 bit."""
    options = ["--", "--capture", "-", "--playback", "-", "--priority", "0", "--high-pass", "0", "--ceiling", "0"]
    done = subprocess.run(
        command(slots, *options, "--quiet"), input=x.astype("<i2").tobytes(), capture_output=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    return np.frombuffer(done.stdout, "<i2")


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


def test_the_bytes_that_were_verified_are_the_bytes_that_run() -> None:
    bundle = shipped(MODEL)
    with in_memory(pack(bundle.manifest, bundle.model)) as descriptor:
        path = f"/proc/self/fd/{descriptor}"
        read = read_bundle(path)
        assert (read.manifest, read.model) == (bundle.manifest, bundle.model)
        for attempt in (
            lambda: os.pwrite(descriptor, b"x", 0),
            lambda: os.truncate(descriptor, 1),
            lambda: Path(path).write_bytes(b"x"),
        ):
            with pytest.raises(OSError, match="not permitted"):
                attempt()
        assert read_bundle(path).model == bundle.model


def test_what_is_installed_meanwhile_takes_over_while_it_plays_and_a_rollback_too(tmp_path: Path) -> None:
    slots = shipped_slots(tmp_path, MODEL)
    with serving(slots, "--", *from_file(tmp_path), "--json") as process:
        reports, before = [running(process, MODEL)], children(process)
        install(slots, find_model(OTHER))
        reports.append(running(process, OTHER))
        assert slots.state().tries == 1
        slots.rollback()
        process.send_signal(signal.SIGHUP)
        reports.append(running(process, MODEL))
        assert children(process) == before, "the same process all the time"
    assert [report["swaps"] for report in reports] == [0, 1, 2]
    assert all(report["lost"] == 0 for report in reports)


def test_what_cannot_take_over_while_it_plays_starts_the_stream_anew(tmp_path: Path) -> None:
    """Here because its blocks are longer."""
    slots = shipped_slots(tmp_path, OTHER)
    with serving(slots, "--", *from_file(tmp_path), "--json") as process:
        running(process, OTHER)
        before = children(process)
        install(slots, find_model(MODEL))
        assert running(process, MODEL)["swaps"] == 0
        assert children(process) != before and process.stderr is not None
        said = process.stderr.read1().decode()
    assert "takes blocks of 64 and is 64 samples late" in said and "silent until it is loaded" in said


def test_a_model_that_is_broken_is_rolled_back_before_it_is_heard(tmp_path: Path) -> None:
    """It answers everything with NaN. What plays goes on, and nothing of it is lost."""
    from tests.quantization.flatbuffers import edited, set_values, values, weights

    def ruin(model: Any) -> None:
        for tensor in weights(model):
            numbers = values(model, tensor)
            if numbers.dtype == np.float32:
                set_values(model, tensor, np.full_like(numbers, np.nan))

    good = shipped(f"{OTHER}-float32")
    model = edited(good.model, ruin)
    m = replace(good.manifest, size=len(model), sha256=hashlib.sha256(model).hexdigest(), name="ruined")
    (tmp_path / "ruined.edge").write_bytes(pack(m, model))
    slots = shipped_slots(tmp_path, MODEL)
    with serving(slots, "--", *from_file(tmp_path), "--json") as process:
        running(process, MODEL)
        before = children(process)
        install(slots, tmp_path / "ruined.edge")
        until(lambda: len(slots.state().quarantine) == 1)
        for _ in range(3):
            report = running(process, MODEL)
        assert report["swaps"] == 0 and children(process) == before
    assert active_model(slots) == MODEL and slots.state().confirmed


@pytest.mark.slow  # and for machines with nothing else to do: where they are busy a good model is late, and rolled back
@pytest.mark.parametrize(("slowest", "kept"), [(1e6, OTHER), (1e-6, MODEL)])
def test_a_model_that_took_over_is_watched_from_then_on(tmp_path: Path, slowest: float, kept: str) -> None:
    """Confirmed, or rolled back without an end of the sound; one that is too slow takes a millionth of a block."""
    slots = shipped_slots(tmp_path, MODEL)
    with serving(slots, "--watch", 1, "--slowest", slowest, "--", *from_file(tmp_path)) as process:
        until(lambda: children(process) != set())
        before = children(process)
        install(slots, find_model(OTHER))
        until(lambda: slots.state().confirmed)
        assert active_model(slots) == kept and process.stderr is not None
        said = b"plays again" if kept == MODEL else b"confirmed"
        while said not in (line := process.stderr.readline()):
            assert line and b"starts anew" not in line
        assert children(process) == before


def children(process: subprocess.Popen[bytes]) -> set[int]:
    """Processes that the service has: its streams."""
    return set(map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()))


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
