"""`edge-sdk localize` prints and draws who talks where, and what cannot be said is refused in one line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk.audio.arrays import load_array
from edge_sdk.beamforming.localizer import FINDERS
from edge_sdk.cli import main
from edge_sdk.localize_command import METHODS
from tests.edge_sdk.beamforming.scenes import RATE, heard, white
from tests.edge_sdk.talkers import TETRAHEDRON, always, scene, talking


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("localize") / "two.wav"
    soundfile.write(path, scene([60.0], [always], 2.0).T, RATE)
    return path


def test_the_command_prints_a_table_and_json(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["localize", str(recording), "--array", "respeaker-4mic", "--every", "1"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert "2994 Hz" in out[0] and out[2].split() == ["time", "s", "talker", "1", "talker", "2"]
    assert len(out) == 5 and abs(float(out[-1].split()[1]) - 60) < 3
    assert main(["localize", str(recording), "--array", "respeaker-4mic", "--json", "--talkers", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [round(m["time_s"], 1) for m in found["moments"]] == [0.5, 1.0, 1.5, 2.0]
    (talker,) = found["moments"][-1]["talkers"]
    assert talker["azimuth_deg"] == pytest.approx(60, abs=3) and talker["elevation_deg"] is None and talker["heard"]
    assert found["band_hz"] == [200, 7000] and found["aliasing_hz"] == pytest.approx(2994, abs=1)


def test_the_command_looks_in_zones(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["localize", str(recording), "--array", "respeaker-4mic", "--json", "--talkers", "1"]
    for zone, found in (
        (["--keep", "30", "90"], True),
        (["--null", "30", "90"], False),
        (["--keep", "90", "30"], False),
    ):
        assert main([*asked, *zone]) == 0
        (talker,) = json.loads(capsys.readouterr().out)["moments"][-1]["talkers"]
        assert (talker is not None) == found
    with pytest.raises(SystemExit, match="2"):
        main([*asked, "--keep", "0", "400"])


def test_all_channels_of_a_device_and_its_microphones_alone_say_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    array = load_array("respeaker-usb-v2")  # its microphones are channels 1 to 4 of 6
    x = heard(talking(1.5, always, 3)[None], [-120.0], array)[0]
    captured = 0.01 * white(1.5, 6, seed=4)
    captured[list(array.channels)] = x
    soundfile.write(tmp_path / "mics.wav", x.T, RATE, "FLOAT")
    soundfile.write(tmp_path / "all.wav", captured.T, RATE, "FLOAT")
    moments = []
    for name in ("mics.wav", "all.wav"):
        assert main(["localize", str(tmp_path / name), "--array", array.name, "--json"]) == 0
        moments.append(json.loads(capsys.readouterr().out)["moments"])
    assert moments[0] == moments[1]
    assert moments[0][-1]["talkers"][0]["azimuth_deg"] == pytest.approx(-120, abs=3)


def test_a_dead_microphone_is_named_and_left_out(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, _ = soundfile.read(recording)
    x[:, 1] = 0
    soundfile.write(tmp_path / "dead.wav", x, RATE)
    assert main(["localize", str(tmp_path / "dead.wav"), "--array", "respeaker-4mic", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["silent_microphones"] == [1] and "microphone 1 (counted from 0) of respeaker-4mic silent" in err
    assert found["moments"][-1]["talkers"][0]["azimuth_deg"] == pytest.approx(60, abs=4)
    soundfile.write(tmp_path / "dead.wav", 0 * x, RATE)
    assert main(["localize", str(tmp_path / "dead.wav"), "--array", "respeaker-4mic"]) == 1
    out, err = capsys.readouterr()
    assert not out and "microphones 0, 1, 2, 3 (counted from 0)" in err and err.count("\n") == 1


def test_a_recording_of_a_low_rate_is_used_as_far_as_it_goes(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, _ = soundfile.read(recording)
    spectrum = np.fft.rfft(x, axis=0)[: len(x) // 4 + 1]
    soundfile.write(tmp_path / "low.wav", np.fft.irfft(spectrum, len(x) // 2, axis=0) / 2, RATE // 2)
    asked = ["localize", str(tmp_path / "low.wav"), "--array", "respeaker-4mic"]
    assert main([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["input_rate_hz"] == 8000 and found["band_hz"] == [200, 3800]
    assert found["moments"][-1]["talkers"][0]["azimuth_deg"] == pytest.approx(60, abs=3)
    assert main([*asked, "--band", "200", "6000"]) == 1
    assert "expected at most 3800" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--array", "respeaker-6mic"], "4 channels, respeaker-6mic captures 8"),
        (["--array", "respeaker-4mic", "--elevation"], "is flat and cannot tell above from below"),
        (["--array", "respeaker-4mic", "--method", "music", "--talkers", "4"], "one microphone more than talkers"),
        (["--array", "respeaker-4mic", "--band", "5000", "300"], "--band 5000 300"),
        (["--array", "respeaker-4mic", "--band", "3001", "3010"], "no frequency"),
        (["--array", "respeaker-4mic", "--plot", "tracks.jpg"], "not a kind of picture"),
        (["--array", "respeaker-5mic"], "unknown array"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    recording: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["localize", str(recording), *options]) == 1
    out, err = capsys.readouterr()
    assert not out and said in err and err.count("\n") == 1


def test_two_microphones_at_one_place_are_refused_by_number(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.toml").write_text(TETRAHEDRON.replace("[-0.03, 0.03, -0.03]", "[0.03, 0.03, 0.03]"))
    assert main(["localize", str(recording), "--array", str(tmp_path / "own.toml")]) == 1
    err = capsys.readouterr().err
    assert "microphones 0 and 2 are both at" in err and err.count("\n") == 1


def test_a_band_that_lies_above_spatial_aliasing_is_warned_of(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["localize", str(recording), "--array", "respeaker-4mic", "--band", "3500", "6000"]) == 0
    assert "lies above 2994 Hz" in capsys.readouterr().err
    assert main(["localize", str(recording), "--array", "respeaker-4mic"]) == 0
    assert "2994" not in capsys.readouterr().err


def test_tracks_are_drawn_and_an_old_drawing_is_kept(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tracks.svg"
    asked = ["localize", str(recording), "--array", "respeaker-4mic", "--plot", str(path)]
    assert main(asked) == 0
    drawing = path.read_text()
    assert "talker 1" in drawing and "talker 2" not in drawing
    capsys.readouterr()
    assert main(asked) == 1 and "exists" in capsys.readouterr().err
    assert main([*asked, "--force"]) == 0 and path.read_text() == drawing


def test_figures_come_without_matplotlib_and_a_picture_says_what_is_missing(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["localize", str(recording), "--array", "respeaker-4mic", "--json"]
    code = (
        f"import sys; from edge_sdk.cli import main; main({asked}); print({{'matplotlib', 'scipy'}} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).splitlines()[-1] == "set()"
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main([*asked, "--plot", str(tmp_path / "tracks.svg")]) == 1
    out, err = capsys.readouterr()
    assert not out and "edge-sdk[demo]" in err and err.count("\n") == 1


def test_the_command_offers_every_method() -> None:
    assert tuple(FINDERS) == METHODS
