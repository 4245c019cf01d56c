"""Every fault that ALSA can have, made by a shim between pyalsaaudio and libasound: in a child process, on files."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("alsaaudio", reason="needs pyalsaaudio: pip install 'edge-sdk[alsa]'")
if shutil.which("gcc") is None or not Path("/usr/include/alsa/asoundlib.h").exists():
    pytest.skip("the fault shim needs gcc and libasound2-dev", allow_module_level=True)

ROOT = Path(__file__).parents[3]
CHANNELS, PERIOD, RATE = 6, 100, 10_000
Child = Callable[[str, str], Any]

# What every child begins with: a capture of the recording whose clock stands still until the child says otherwise.
BEGIN = f"""
import json, os, time, numpy as np
from edge_sdk.audio.alsa import AlsaCapture, AlsaPlayback, PcmConfig
from edge_sdk.audio.pcm import DeviceGone
from edge_sdk.errors import AudioError

class Clock:
    now_s = 5.0
    def __call__(self):
        return self.now_s
clock = Clock()
config = PcmConfig("recording", {RATE}, {CHANNELS}, period={PERIOD})

def reads(capture, count):
    parts, losses = [], []
    for _ in range(count):
        clock.now_s += {PERIOD / RATE}
        samples, lost = capture.read()
        parts.append(samples.copy())
        losses.append(lost)
    return np.concatenate(parts, axis=1), losses

def numbers(samples):
    return (samples * 32768).astype(int).tolist()

def line(function, *arguments):
    begin_s, spent_s = time.monotonic(), time.process_time()
    try:
        function(*arguments)
    except AudioError as error:
        return [type(error).__name__, str(error), time.monotonic() - begin_s, time.process_time() - spent_s]
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shim") / "fault_shim.so"
    source = ROOT / "tests/fault_shim.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", path, source, "-ldl"], check=True)
    return path


@pytest.fixture
def recording(tmp_path: Path) -> np.ndarray:
    """What the device `recording` captures, whole numbers `[channels, n]`: channel in the hundreds of a thousand."""
    x = 1000 * np.arange(CHANNELS)[:, None] + np.arange(40 * PERIOD) % 997
    (tmp_path / "in.raw").write_bytes(x.T.astype("<i2").tobytes())
    return x


@pytest.fixture
def child(shim: Path, tmp_path: Path, recording: np.ndarray) -> Child:
    """What a program prints as JSON that runs under the shim with such faults."""
    (tmp_path / "asound.conf").write_text(
        "</usr/share/alsa/alsa.conf>\n"
        f'pcm.recording {{ type file slave.pcm null file /dev/null infile "{tmp_path}/in.raw" format raw }}\n'
        f'pcm.speaker {{ type file slave.pcm null file "{tmp_path}/out.raw" format raw }}\n'
    )
    variables = {"LD_PRELOAD": f"{shim} libasound.so.2", "ALSA_CONFIG_PATH": f"{tmp_path}/asound.conf"}

    def run(faults: str, program: str) -> Any:
        command = [sys.executable, "-c", BEGIN + program]
        env = {**os.environ, **variables, "EDGE_FAULTS": faults, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_without_faults_the_recording_comes_as_it_is(child: Child, recording: np.ndarray) -> None:
    samples, losses = child(
        "", "x, lost = reads(AlsaCapture(config, clock=clock), 30)\nprint(json.dumps([numbers(x), lost]))"
    )
    np.testing.assert_array_equal(samples, recording[:, : 30 * PERIOD])
    assert losses == [0] * 30


def test_an_overrun_is_filled_up_to_the_clock_and_no_channel_moves(child: Child, recording: np.ndarray) -> None:
    samples, losses, overruns = child(
        "read 11: EPIPE; read 15: short 37; read 16: EPIPE",
        """
capture = AlsaCapture(config, (3, 1), clock=clock)
x, lost = reads(capture, 10)
clock.now_s += 0.75
y, more = reads(capture, 3)
y2, more2 = reads(capture, 1)
clock.now_s += 0.5
y3, more3 = reads(capture, 5)
print(json.dumps([numbers(np.concatenate([x, y, y2, y3], 1)), lost + more + more2 + more3, capture.overruns]))
""",
    )
    expected = [0] * 10 + [int(0.75 * RATE), 0, 0, 0, 0, 0, 0, 0, 0]
    expected[14] = int(0.5 * RATE) + PERIOD - 37  # the rest of the short period never came
    assert losses == expected and overruns == 2
    assert {value // 1000 for value in samples[0]} == {3} and {value // 1000 for value in samples[1]} == {1}
    np.testing.assert_array_equal(samples, recording[[3, 1], : len(samples[0])])


def test_short_reads_and_reads_of_nothing_lose_and_move_nothing(child: Child, recording: np.ndarray) -> None:
    faults = "; ".join(
        f"read {k}: {what}" for k, what in ((3, "short 1"), (5, "short 99"), (6, "EAGAIN"), (7, "short 50"))
    )
    samples, losses = child(
        faults, "x, lost = reads(AlsaCapture(config, clock=clock), 20)\nprint(json.dumps([numbers(x), lost]))"
    )
    np.testing.assert_array_equal(samples, recording[:, : len(samples[0])])
    assert len(samples[0]) == 17 * PERIOD + 1 + 99 + 50 and not any(losses)


def test_a_storm_of_overruns_neither_spins_nor_lasts_for_ever(child: Child) -> None:
    faults = "; ".join(f"read {k}: EPIPE" for k in range(3, 2000))
    kind, text, took_s, spent_s = child(
        faults, "c = AlsaCapture(config, patience_s=0.5)\nreads(c, 2)\nprint(json.dumps(line(c.read)))"
    )
    assert kind == "DeviceGone" and "for 0.5 s" in text
    assert took_s >= 0.5 and spent_s < 0.25  # 200 tries of a quarter of a period; spinning would take all of it


@pytest.mark.parametrize("fault", ["ENODEV", "ESTRPIPE", "EIO", "EBADFD"])
def test_a_device_that_is_gone_or_suspended_says_so_and_opens_again(
    child: Child, recording: np.ndarray, fault: str
) -> None:
    (kind, text, *_), samples = child(
        f"read 3: {fault}; open 2: ENODEV",
        """
capture = AlsaCapture(config, clock=clock)
reads(capture, 2)
said = line(capture.read)
capture.close()
capture.close()
assert line(AlsaCapture, config)[0] == "AudioError"  # still away
capture = AlsaCapture(config, clock=clock)
print(json.dumps([said, numbers(reads(capture, 2)[0])]))
""",
    )
    assert kind == "DeviceGone" and text.startswith("recording: stopped working (") and "\n" not in text
    np.testing.assert_array_equal(samples, recording[:, : 2 * PERIOD])


def test_a_read_that_nothing_ends_is_given_up(child: Child) -> None:
    kind, text, took_s, spent_s = child(
        "read 5: stall", "c = AlsaCapture(config, patience_s=0.4)\nprint(json.dumps(line(reads, c, 10)))"
    )
    assert kind == "DeviceGone" and text == "recording: nothing came or went for 0.4 s; plug it in again or restart it"
    assert took_s >= 0.4 and spent_s < 0.2


def test_a_stalled_read_lets_signals_through(child: Child) -> None:
    assert child(
        "read 5: stall",
        """
import signal
def stop(*_):
    raise TimeoutError
signal.signal(signal.SIGALRM, stop)
signal.setitimer(signal.ITIMER_REAL, 0.3)
try:
    reads(AlsaCapture(config, patience_s=30), 10)
except TimeoutError:
    print("true")
""",
    )


@pytest.mark.parametrize("fault", ["EBUSY", "EACCES"])
def test_a_device_that_may_not_be_opened_says_why_and_may_be_later(child: Child, fault: str) -> None:
    (kind, text, *_), later = child(
        f"open 1: {fault}",
        "said = line(AlsaCapture, config)\nprint(json.dumps([said, AlsaCapture(config).read()[0].shape]))",
    )
    words = {"EBUSY": "in use by another program; stop that", "EACCES": "add this user to the group audio"}
    assert kind == "AudioError" and words[fault] in text and "\n" not in text
    assert later == [CHANNELS, PERIOD]


def played(path: Path) -> list[int]:
    return np.frombuffer((path / "out.raw").read_bytes(), "<i2").tolist()


PLAY = f"""
playback = AlsaPlayback(PcmConfig("speaker", {RATE}, 1, period={PERIOD}), 2, patience_s=0.4)
x = (np.arange(1, 1001) / 32768).astype(np.float32)[None]
"""


def test_a_device_that_ran_dry_gets_silence_and_then_the_same_samples(child: Child, tmp_path: Path) -> None:
    dry, total = child("write 5: EPIPE", PLAY + "print(json.dumps([playback.write(x), playback.underruns]))")
    silence = [0] * 2 * PERIOD
    assert played(tmp_path) == silence + list(range(1, 301)) + silence + list(range(301, 1001)) and dry == total == 1


def test_short_writes_are_continued_where_they_ended(child: Child, tmp_path: Path) -> None:
    faults = "write 1: short 7; write 4: short 33; write 6: EAGAIN; write 7: short 99"
    assert child(faults, PLAY + "print(playback.write(x))") == 0
    assert played(tmp_path) == [0] * 2 * PERIOD + list(range(1, 1001))


@pytest.mark.parametrize("fault", ["ENODEV", "ESTRPIPE", "EIO", "stall"])
def test_a_loudspeaker_that_is_gone_says_so(child: Child, fault: str) -> None:
    kind, text, *_ = child(f"write 4: {fault}", PLAY + "print(json.dumps(line(playback.write, x)))")
    assert kind == "DeviceGone" and text.startswith("speaker: ") and "\n" not in text


def test_a_storm_of_underruns_neither_spins_nor_lasts_for_ever(child: Child) -> None:
    faults = "; ".join(f"write {k}: EPIPE" for k in range(3, 2000))
    kind, text, _, spent_s = child(faults, PLAY + "print(json.dumps(line(playback.write, x)))")
    assert kind == "DeviceGone" and "for 0.4 s" in text and spent_s < 0.2
