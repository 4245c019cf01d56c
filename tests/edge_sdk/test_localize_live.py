"""Talkers are found while they talk, on a sound server that runs for the test, until somebody presses Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk.audio.arrays import load_array
from edge_sdk.audio.calibration import Calibration, to_toml
from edge_sdk.beamforming.localizer import Localizer, LocalizerConfig
from edge_sdk.cli import main
from edge_sdk.localize_live import Listener
from tests.edge_sdk.beamforming.scenes import RATE, heard, white
from tests.edge_sdk.talkers import always, run, scene, talking
from tests.virtual_audio import playing, pulseaudio

ARRAY = load_array("respeaker-usb-v2")  # its microphones are channels 1 to 4 of 6
AZIMUTH = -120.0


def captured(seconds: float) -> np.ndarray:
    """All channels of the device while one talks, `[6, n]`."""
    x = 0.001 * white(seconds, ARRAY.capture_channels, seed=4) / 0.1
    x[list(ARRAY.channels)] += heard(talking(seconds, always, 3)[None], [AZIMUTH], ARRAY)[0]
    return x.astype(np.float32)


def test_a_talker_is_found_live_until_ctrl_c() -> None:
    command = [sys.executable, "-m", "edge_sdk.cli", "localize", "--capture", "mics", "--array", ARRAY.name, "--json"]
    with pulseaudio(mics=ARRAY.capture_channels), playing(captured(2.0)):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
        try:
            assert process.stdout is not None
            rows = [json.loads(process.stdout.readline()) for _ in range(3)]
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 0 and not err
    assert [row["time_s"] for row in rows] == pytest.approx([1.0, 2.0, 3.0], abs=0.05)
    first, second = rows[-1]["talkers"]
    assert first["azimuth_deg"] == pytest.approx(AZIMUTH, abs=3) and first["heard"] and second is None
    assert rows[-1]["faulty_microphones"] == []


@pytest.fixture
def recording(tmp_path: Path) -> str:
    soundfile.write(tmp_path / "x.wav", captured(2.5).T, RATE, "FLOAT")
    return str(tmp_path / "x.wav")


def test_lines_for_people_come_once_a_second(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file in the place of a device is heard as fast as it can be read, and ends by itself."""
    assert main(["localize", "--capture", recording, "--array", ARRAY.name]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [float(line.split()[0]) for line in lines[2:]] == pytest.approx([1.0, 2.0, 2.5], abs=0.05)
    assert float(lines[-1].split()[1]) == pytest.approx(AZIMUTH, abs=3)


def test_it_ends_after_so_many_seconds(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["localize", "--capture", recording, "--array", ARRAY.name, "--json"]
    assert main([*asked, "--seconds", "1.5", "--every", "0.5"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["time_s"] for row in rows] == pytest.approx([0.5, 1.0, 1.5], abs=0.05)


def test_a_faulty_microphone_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = captured(2.0)
    x[ARRAY.channels[1]] = 0
    soundfile.write(tmp_path / "x.wav", x.T, RATE, "FLOAT")
    assert main(["localize", "--capture", str(tmp_path / "x.wav"), "--array", ARRAY.name, "--json"]) == 0
    out, err = capsys.readouterr()
    assert "microphone 1 (counted from 0) is dead" in err and err.count("\n") == 1
    last = json.loads(out.splitlines()[-1])
    assert last["faulty_microphones"] == [1] and last["lost_samples"] == 0
    assert last["talkers"][0]["azimuth_deg"] == pytest.approx(AZIMUTH, abs=4)


def test_a_calibration_makes_the_microphones_equal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a recording, and as it is captured: then all of it is heard a millisecond later."""
    calibration = Calibration(ARRAY.name, "lab", "direction", RATE, (0.0, 6.0, 0.0, -6.0), (0.0, 0.9, 0.0, -0.9), 0.1)
    (tmp_path / "c.toml").write_text(to_toml(calibration))
    x = captured(2.0)
    gains, later = 10 ** (np.array(calibration.gains_db) / 20), np.array(calibration.delays)
    spectrum = np.fft.rfft(x[list(ARRAY.channels)])
    turns = np.exp(-2j * np.pi * np.fft.rfftfreq(x.shape[1]) * later[:, None])
    x[list(ARRAY.channels)] = gains[:, None] * np.fft.irfft(spectrum * turns, x.shape[1])
    soundfile.write(tmp_path / "x.wav", x.T, RATE, "FLOAT")
    file = str(tmp_path / "x.wav")
    for source in ([file], ["--capture", file]):
        found = []
        for options in ([], ["--calibration", str(tmp_path / "c.toml")]):
            assert main(["localize", *source, "--array", ARRAY.name, "--json", "--talkers", "1", *options]) == 0
            last = json.loads(capsys.readouterr().out.splitlines()[-1])
            found.append(last.get("moments", [last])[-1]["talkers"][0]["azimuth_deg"])
        assert abs(found[0] - AZIMUTH) > 5 and found[1] == pytest.approx(AZIMUTH, abs=3)


class Losing:
    """A capture that loses samples after the first ones, and gives none with the first loss."""

    device, rate_hz, mics, period = "losing", RATE, 4, 700

    def __init__(self, x: np.ndarray) -> None:
        pieces = np.split(x, range(self.period, x.shape[1], self.period), axis=1)
        self._reads = [(pieces[0], 0), (x[:, :0], 3000), (pieces[1], 500), *((piece, 0) for piece in pieces[2:])]

    def read(self) -> tuple[np.ndarray, int]:
        return self._reads.pop(0) if self._reads else (np.zeros((4, 0), np.float32), 0)


def test_lost_samples_take_their_time() -> None:
    """As silence in their place does."""
    x = scene([60.0], [always], 1.0)
    listener = Listener(Losing(x), Localizer(load_array("respeaker-4mic"), LocalizerConfig()))  # type: ignore[arg-type]
    got = list(listener.moments(lambda: False, 60.0))
    assert listener.lost == 3500
    filled = np.concatenate([x[:, :700], np.zeros((4, 3500)), x[:, 700:]], axis=1)
    assert got == run(filled.astype(np.float32))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--capture", "hw:CARD=none"], "none"),
        (["--capture", "x.wav", "--plot", "x.svg"], "--plot draws a whole recording"),
        (["x.wav", "--seconds", "3"], "--seconds ends --capture"),
        (["--capture", "x.wav", "--elevation"], "flat"),
        (["--capture", "x.wav", "--band", "200", "7900"], "x.wav has 16000 Hz"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["localize", "--array", ARRAY.name, *options]) == 1
    out, err = capsys.readouterr()
    assert not out and says in err and err.count("\n") == 1


@pytest.mark.parametrize("options", [[], ["x.wav", "--capture", "mics"]])
def test_one_source_is_expected(options: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["localize", "--array", ARRAY.name, *options])
