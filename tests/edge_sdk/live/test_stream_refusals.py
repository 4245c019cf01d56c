"""What a stream cannot do is said before it begins, and nothing stays open."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk.cli import main
from edge_sdk.errors import EdgeError
from edge_sdk.live.stream import LiveStream
from edge_sdk.live.stream_config import StreamConfig
from tests.edge_sdk.live.streams import mixture, written


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "enhance-mno"], "unknown model 'enhance-mno'; did you mean enhance-mono"),
        (["--smaller", "enhance-hearing-aid", "--array", "nowhere"], "unknown array 'nowhere'"),
        (["--suppression", "0.5"], "--suppression is for a spatial filter; choose one with --beam"),
        (["--beam", "mwf"], "--beam mwf needs to know the microphones; give --array NAME"),
        (["--wet", "1.5"], "wet = 1.5: expected 0 to 1"),
        (["--ceiling", "3"], "ceiling_db = 3.0: expected -60 to 0"),
        (["--period", "-1"], "period = -1"),
        (["--high-pass", "9000"], "cutoff_hz = 9000.0: expected more than 0 and less than half of 16000 Hz"),
        (["--channels", "-2"], "channels = -2: expected 1 or more"),
        (["--model", "none", "--smaller", "enhance-mono"], "--smaller is for when --model is too slow"),
        (["--look", "90"], "look_deg = 90: expected an array of two microphones or more to look with"),
        (["--priority", "100"], "priority = 100: expected 1 to 99"),
        (["--playback", "SOURCE"], "read and written at once; choose another file for --playback"),
        (["--playback", "-", "--json"], "--json and --playback - both want standard output"),
        (["--isolate", "--accelerator", "gpu"], "--isolate confines models to what the CPU can do; leave it out"),
        (["--delegate-option", "a=b"], "--delegate-option is for a library; give --delegate PATH"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    status, shown = refused(tmp_path, capsys, options)
    assert status == 1 and said in shown and len(shown.splitlines()) == 1, shown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--array", "respeaker-usb-v2"], "1 channels, the microphones are on [1, 2, 3, 4]; wrong --array?"),
        (["--capture", "/nowhere/in.wav"], "/nowhere/in.wav: not a readable sound file"),
        (["--playback", "/nowhere/out.wav"], "/nowhere/out.wav"),
        (["--playback", "out.flac"], "a stream is written as .wav, or as .raw"),
    ],
)
def test_devices_and_files_that_cannot_be_opened_have_an_exit_status_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    status, shown = refused(tmp_path, capsys, options)
    assert status == 3 and said in shown and len(shown.splitlines()) == 1, shown


@pytest.mark.parametrize("options", [["--array", "respeaker-usb-v2"], ["--capture", "/nowhere/in.wav"]])
def test_what_was_recorded_before_is_still_there_after_a_refusal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    before = written(tmp_path / "out.wav", mixture(0.2)).read_bytes()
    status, _ = refused(tmp_path, capsys, options)
    assert status == 3 and (tmp_path / "out.wav").read_bytes() == before


def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]) -> tuple[int, str]:
    """Exit status, and what stands on standard error."""
    source = written(tmp_path / "in.wav", mixture(0.1))
    options = [str(source) if option == "SOURCE" else option for option in options]
    places = ["--capture", str(source), "--playback", str(tmp_path / "out.wav"), "--quiet"]
    status = main(["run", *places, *options])
    return status, capsys.readouterr().err.strip()


def test_a_recording_of_another_rate_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", np.zeros(441), 44_100)
    with pytest.raises(EdgeError, match="44100 Hz, the model wants 16000"):
        LiveStream(StreamConfig(("enhance-mono",), str(tmp_path / "in.wav"), str(tmp_path / "out.wav")))


def test_what_was_opened_before_a_failure_is_closed(tmp_path: Path) -> None:
    open_before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(EdgeError):
            LiveStream(
                StreamConfig(("enhance-mono",), str(tmp_path / "no.wav"), str(tmp_path / "out.wav"), isolate=True)
            )
    assert len(os.listdir("/proc/self/fd")) == open_before
