"""Files and pipes give and take every sample, and end in one line where they cannot."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk.audio.files import WAV_FORMATS, Pace, RawCapture, RawPlayback, WavCapture, WavPlayback
from edge_sdk.audio.formats import SAMPLE_BYTES
from edge_sdk.audio.pcm import Capture, Playback
from edge_sdk.audio.wav import read_wav
from edge_sdk.errors import AudioError

RATE, PERIOD = 16_000, 160
ROOT = Path(__file__).parents[3]


def numbers(channels: int = 3, samples: int = 1234) -> np.ndarray:
    """Samples that every format holds exactly."""
    return (np.random.default_rng(0).integers(-(2**15), 2**15, (channels, samples)) / 2**15).astype(np.float32)


def everything(capture: Capture) -> np.ndarray:
    parts = []
    while (samples := capture.read()[0]).shape[1]:
        assert samples.shape[1] <= capture.period and len(samples) == capture.mics
        parts.append(samples.copy())
    assert capture.read()[0].shape[1] == 0  # and goes on saying so
    capture.close()
    capture.close()
    return np.concatenate(parts, axis=1)


def play(playback: Playback, x: np.ndarray) -> None:
    for start, stop in ((0, 1), (1, 1), (1, 500), (500, x.shape[1])):
        assert playback.write(x[:, start:stop]) == playback.queued == 0
    playback.drain()
    playback.close()
    playback.close()


@pytest.mark.parametrize("format", SAMPLE_BYTES)
def test_what_is_played_to_a_raw_file_is_captured_from_it(tmp_path: Path, format: str) -> None:
    x = numbers()
    play(RawPlayback(tmp_path / "x.raw", RATE, 3, format), x)
    np.testing.assert_array_equal(everything(RawCapture(tmp_path / "x.raw", RATE, 3, format)), x)
    np.testing.assert_array_equal(everything(RawCapture(tmp_path / "x.raw", RATE, 3, format, select=(2, 0))), x[[2, 0]])


@pytest.mark.parametrize("format", WAV_FORMATS)
def test_what_is_played_to_a_wav_file_is_what_every_reader_finds_in_it(tmp_path: Path, format: str) -> None:
    x, path = numbers(), tmp_path / "x.wav"
    play(WavPlayback(path, RATE, 3, format), x)
    np.testing.assert_array_equal(read_wav(path, RATE, 3)[0], x)
    capture = WavCapture(path, select=(1, 2))
    assert capture.rate_hz == RATE and capture.mics == 2
    np.testing.assert_array_equal(everything(capture), x[1:])
    assert soundfile.info(path).frames == x.shape[1]


def test_a_wav_file_can_be_read_whole_after_a_kill(tmp_path: Path) -> None:
    program = f"""
import os, signal, sys, numpy as np
from pathlib import Path
from edge_sdk.audio.files import WavPlayback
playback = WavPlayback(Path(sys.argv[1]), {RATE}, 2)
for k in range(25):
    playback.write(np.full((2, {PERIOD}), k / 32, np.float32))
os.kill(os.getpid(), signal.SIGKILL)
"""
    path = tmp_path / "x.wav"
    done = subprocess.run([sys.executable, "-c", program, path], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    samples = read_wav(path, RATE, 2)[0]
    np.testing.assert_array_equal(samples, np.repeat(np.arange(25) / 32, PERIOD)[None].repeat(2, 0))
    np.testing.assert_array_equal(everything(WavCapture(path)), samples)


def test_a_paced_capture_gives_samples_when_a_sound_card_would(tmp_path: Path) -> None:
    class Virtual:
        now_s = 7.0

        def clock(self) -> float:
            return self.now_s

        def sleep(self, seconds: float) -> None:
            self.now_s += seconds

    soundfile.write(tmp_path / "x.wav", numbers(samples=10 * PERIOD).T, RATE)
    time_ = Virtual()
    capture = WavCapture(tmp_path / "x.wav", PERIOD, pace=Pace(RATE, time_.clock, time_.sleep))
    came_s = []
    for k in range(10):
        if k == 5:
            time_.now_s += 0.035  # a reader that stalls gets at once what is due by then
        capture.read()
        came_s.append(round(1e3 * (time_.now_s - 7.0), 6))
    assert came_s == [10, 20, 30, 40, 50, 85, 85, 85, 90, 100]


def test_a_paced_capture_takes_as_long_as_the_recording(tmp_path: Path) -> None:
    (tmp_path / "x.raw").write_bytes(bytes(2 * RATE // 5))
    begin_s = time.monotonic()
    everything(RawCapture(tmp_path / "x.raw", RATE, 1, pace=Pace(RATE)))
    assert time.monotonic() - begin_s >= 0.2


def test_a_pipe_that_delivers_bytes_anyhow_shifts_no_channel() -> None:
    x = numbers(samples=500)
    data = (x.T * 2**15).astype("<i2").tobytes() + b"\x01\x02\x03"  # and half a frame in the end
    program = f"""
import sys, numpy as np
from pathlib import Path
from edge_sdk.audio.files import RawCapture, RawPlayback
capture, playback = RawCapture(Path("-"), {RATE}, 3), RawPlayback(Path("-"), {RATE}, 3)
while (samples := capture.read()[0]).shape[1]:
    playback.write(samples)
capture.close(), playback.close()
print(capture.decoder.partial, file=sys.stderr)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdin
    for start in range(0, len(data), 701):  # no multiple of a frame
        os.write(child.stdin.fileno(), data[start : start + 701])
        time.sleep(0.01)
    out, err = child.communicate()
    assert out == data[:-3] and err == b"3\n"


def test_standard_output_closed_by_its_reader_ends_in_one_line() -> None:
    program = """
import numpy as np
from pathlib import Path
from edge_sdk.audio.files import RawPlayback
from edge_sdk.errors import AudioError
playback = RawPlayback(Path("-"), 16000, 1)
try:
    while True:
        playback.write(np.zeros((1, 1600), np.float32))
except AudioError as error:
    raise SystemExit(str(error))
"""
    child = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout and child.stderr
    child.stdout.read(100)
    child.stdout.close()
    line = child.stderr.read()
    child.stderr.close()
    assert child.wait() == 1
    assert line == b"standard output: whoever read it has closed it; nothing more is written\n"


def test_a_full_disk_ends_in_one_line() -> None:
    with pytest.raises(AudioError, match=r"^/dev/full: cannot be written on \(No space left on device\); free space$"):
        RawPlayback(Path("/dev/full"), RATE, 1).write(numbers(1))
    with pytest.raises(AudioError, match="No space left"):
        WavPlayback(Path("/dev/full"), RATE, 1)


def test_what_is_not_there_or_no_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"RIFF")
    soundfile.write(tmp_path / "stereo.wav", numbers(2).T, RATE)
    for make, line in (
        (lambda: RawCapture(tmp_path / "no.raw", RATE, 1), "cannot be opened .No such file"),
        (lambda: RawPlayback(tmp_path / "no/x.raw", RATE, 1), "cannot be opened .No such file"),
        (lambda: RawPlayback(tmp_path, RATE, 1), "cannot be opened .Is a directory"),
        (lambda: RawCapture(tmp_path, RATE, 1).read(), "cannot be read .Is a directory"),
        (lambda: WavCapture(tmp_path / "no.wav"), "not a readable sound file"),
        (lambda: WavCapture(tmp_path / "x.wav"), "not a readable sound file"),
        (lambda: WavCapture(tmp_path / "stereo.wav", select=(1, 2)), r"2 channels, the microphones are on \[1, 2\]"),
    ):
        with pytest.raises(AudioError, match=line) as caught:
            make()
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="S24_LE.*in a wav file"):
        WavPlayback(tmp_path / "y.wav", RATE, 1, "S24_LE")
