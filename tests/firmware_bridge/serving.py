"""A running `edge-sdk serve`, what it is given to hear, and what it says."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from firmware_bridge.slots import Slots
from tests.firmware_bridge.sounds import noise, write_wav

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


def children(process: subprocess.Popen[bytes]) -> set[int]:
    """Processes that the service has: its streams."""
    return set(map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()))
