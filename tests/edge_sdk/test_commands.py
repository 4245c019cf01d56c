"""`edge-sdk separate`, `models`, `bench`: results to standard output, one line and exit code 1 for what is refused."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_sdk import Separator, beam_options, library
from edge_sdk.audio.arrays import FOLDER as ARRAYS
from edge_sdk.audio.arrays import load_array
from edge_sdk.audio.wav import read_wav, write_wav
from edge_sdk.beamforming.named import BEAMS, OWN, STEERED, beamformer
from edge_sdk.beamforming.postfilter import PostFilterConfig
from edge_sdk.beamforming.zones import Zone
from edge_sdk.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Exit code, standard output and standard error of a command, what native libraries print included."""

    def run_command(*args: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main([str(arg) for arg in args])
        out, err = capfd.readouterr()
        return code, out, err

    return run_command


@pytest.fixture(params=["tiny", "carry"])
def model(request: pytest.FixtureRequest, exported_bundle: Callable[[str], Path]) -> Path:
    return exported_bundle(request.param)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    x = 0.1 * np.random.default_rng(0).standard_normal((1, 20_000))
    write_wav(tmp_path / "talk.wav", x.astype(np.float32), 16_000, "FLOAT")
    return tmp_path / "talk.wav"


def one_line(code: int, out: str, err: str) -> str:
    assert code == 1 and not out and err.count("\n") == 1 and err.startswith("edge-sdk: ")
    return err


@pytest.mark.parametrize("block", [[], ["--block", 1], ["--block", 997], ["--block", 10**6]])
def test_separate_writes_what_the_separator_gives(
    run: Run, model: Path, recording: Path, tmp_path: Path, block: list[object]
) -> None:
    code, out, _ = run("separate", "--model", model, recording, "--out", tmp_path / "out", "--float", "--json", *block)
    result, separator = json.loads(out), Separator.open(model)
    want = separator.separate(read_wav(recording, 16_000)[0])
    assert code == 0
    assert result["outputs"] == [str(tmp_path / "out" / f"talk-{n + 1}.wav") for n in range(separator.sources)]
    for path, source in zip(result["outputs"], want, strict=True):
        np.testing.assert_array_equal(read_wav(Path(path), 16_000)[0][0], source)
    assert len(list((tmp_path / "out").iterdir())) == separator.sources


def test_separate_says_that_it_resampled(run: Run, model: Path, tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.zeros((1, 48_000), np.float32), 48_000)
    code, out, err = run("separate", "--model", model, tmp_path / "a.wav", "--out", tmp_path)
    assert code == 0 and "resampled from 48000 Hz to the model's 16000 Hz" in err
    assert out.splitlines()[0] == str(tmp_path / "a-1.wav")
    y, rate = read_wav(tmp_path / "a-1.wav", 16_000)
    assert rate == 16_000 and y.shape == (1, 16_000)


def test_separate_overwrites_only_by_force(run: Run, model: Path, recording: Path, tmp_path: Path) -> None:
    command = ("separate", "--model", model, recording, "--out", tmp_path)
    (tmp_path / "talk-1.wav").write_bytes(b"mine")
    assert "talk-1.wav exists; choose another --out or give --force" in one_line(*run(*command))
    assert (tmp_path / "talk-1.wav").read_bytes() == b"mine"
    assert run(*command, "--force")[0] == 0
    assert (tmp_path / "talk-1.wav").read_bytes()[:4] == b"RIFF"


def test_separate_on_a_full_disk_leaves_nothing(run: Run, model: Path, tmp_path: Path, full_disk: Path) -> None:
    write_wav_elsewhere(tmp_path / "talk.wav")
    said = one_line(*run("separate", "--model", model, tmp_path / "talk.wav", "--out", full_disk))
    assert "No space left on device" in said and not list(full_disk.iterdir())


def write_wav_elsewhere(path: Path) -> None:
    """A recording longer than the full disk, on a disk where syncing may fail too."""
    import soundfile

    soundfile.write(path, np.zeros(50_000), 16_000)


def test_separate_refuses_in_one_line(run: Run, model: Path, recording: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    assert "no such file" in one_line(*run("separate", "--model", model, tmp_path / "none.wav", *out))
    assert "unknown model 'none'" in one_line(*run("separate", "--model", "none", recording, *out))
    assert "unknown backend" in one_line(*run("separate", "--model", model, recording, *out, "--backend", "x"))
    assert "File name too long" in one_line(*run("separate", "--model", "m" * 300, recording, *out))
    assert "File name too long" in one_line(*run("separate", "--model", model, tmp_path / ("a" * 300), *out))
    os.mkfifo(tmp_path / "pipe.edge")
    assert "pipe.edge" in one_line(*run("inspect", tmp_path / "pipe.edge"))
    damaged = tmp_path / "damaged.edge"
    damaged.write_bytes(model.read_bytes()[:-1])
    assert "damaged" in one_line(*run("separate", "--model", damaged, recording, *out))
    assert not (tmp_path / "out").exists()


@pytest.fixture
def captured(tmp_path: Path) -> Path:
    """All six channels of an array of four microphones: a processed one, the microphones, playback."""
    x = 0.1 * np.random.default_rng(0).standard_normal((6, 8_000))
    write_wav(tmp_path / "six.wav", x.astype(np.float32), 16_000, "FLOAT")
    return tmp_path / "six.wav"


@pytest.mark.parametrize(
    ("options", "want"),
    [
        ([], {}),
        (["--azimuth", 30, -90], {"azimuths_deg": [30, -90]}),
        (
            ["--keep", -30, 60, "--null", 90, 120, "--null", 170, -170],
            {"keep": [(-30, 60)], "null": [(90, 120), (170, -170)]},
        ),
        (["--postfilter"], {"postfilter": PostFilterConfig()}),
        (["--suppression", 0.8, "--postfilter"], {"suppression": 0.8, "postfilter": PostFilterConfig()}),
    ],
)
def test_separate_by_a_beam_writes_what_the_beamformer_gives(
    run: Run, model: Path, captured: Path, tmp_path: Path, options: list[object], want: dict[str, object]
) -> None:
    """Of the microphones in the array's order, whether the recording holds all channels or these alone."""
    array, network = load_array("respeaker-usb-v2"), Separator.open(model)
    beam = "mwf" if "--suppression" in options else "none" if options == ["--postfilter"] else "das"
    if "azimuths_deg" in want:
        options, want = options[: 1 + network.sources], {"azimuths_deg": want["azimuths_deg"][: network.sources]}
    zones = {name: [Zone(*np.deg2rad(z)) for z in want.get(name, [])] for name in ("keep", "null")}
    six = read_wav(captured, 16_000)[0]
    write_wav(tmp_path / "four.wav", six[list(array.channels)], 16_000, "FLOAT")
    stream = beamformer(network, 16_000, array, beam, **{**want, **zones})  # type: ignore[arg-type]
    sources = stream.separate(six[1:5])
    for name in ("six", "four"):
        code, out, err = run(
            *("separate", "--model", model, tmp_path / f"{name}.wav", "--out", tmp_path / "out", "--float", "--json"),
            *("--array", "respeaker-usb-v2", "--block", 997, "--beam", beam, *options),
        )
        result = json.loads(out)
        assert code == 0 and result["beam"] == beam and result["array"] == "respeaker-usb-v2", err
        assert result["latency_ms"] == stream.latency / 16
        for path, source in zip(result["outputs"], sources, strict=True):
            np.testing.assert_array_equal(read_wav(Path(path), 16_000)[0][0], source)


def test_separate_by_a_beam_of_a_model_for_the_array(
    run: Run, exported_bundle: Callable[[str], Path], captured: Path, tmp_path: Path
) -> None:
    """It must hear the same microphones and mean the same reference."""
    model, out = exported_bundle("array"), tmp_path / "out"
    command = ("separate", "--model", model, captured, "--out", out, "--beam", "mvdr", "--array")
    said = one_line(*run(*command, "respeaker-usb-v2"))
    assert "as microphone 1 hears them, the reference of respeaker-usb-v2 is 0" in said
    assert "takes 4 microphones, respeaker-6mic has 6" in one_line(*run(*command, "respeaker-6mic"))
    own = (ARRAYS / "respeaker-usb-v2.toml").read_text()
    (tmp_path / "own.toml").write_text("reference = 1\n" + own.replace("reference = 0", ""))
    code, written, err = run(*command, tmp_path / "own.toml")
    assert code == 0 and len(written.splitlines()) == 2, err


def test_an_array_that_aliases_below_the_band_is_warned_of(
    run: Run, model: Path, captured: Path, tmp_path: Path
) -> None:
    metre_wide = (ARRAYS / "respeaker-usb-v2.toml").read_text().replace("0.032", "1.0")
    (tmp_path / "wide.toml").write_text(metre_wide)
    command = (
        "separate",
        "--model",
        model,
        captured,
        "--out",
        tmp_path / "out",
        "--beam",
        "mvdr",
        "--force",
        "--array",
    )
    code, _, err = run(*command, tmp_path / "wide.toml")
    assert code == 0 and "aliases in space from 121 Hz on, below all speech" in err
    code, _, err = run(*command, "respeaker-usb-v2")
    assert code == 0 and "aliases" not in err


def test_beams_are_refused_in_one_line(run: Run, model: Path, captured: Path, recording: Path, tmp_path: Path) -> None:
    def said(*options: object, of: Path = captured) -> str:
        return one_line(*run("separate", "--model", model, of, "--out", tmp_path / "out", *options))

    # Not imported there: a parser needs no NumPy.
    assert (beam_options.BEAMS, beam_options.STEERED, beam_options.OWN) == (BEAMS, STEERED, OWN)
    usb = ("--array", "respeaker-usb-v2")
    assert "--beam mvdr needs to know the microphones; give --array NAME" in said("--beam", "mvdr")
    assert "--array is for a spatial filter; choose one with --beam" in said(*usb)
    assert "--postfilter is for a spatial filter" in said("--postfilter")
    assert "unknown array 'usb'" in said("--beam", "mvdr", "--array", "usb")
    assert "mono has 1 microphone" in said("--beam", "mvdr", "--array", "mono")
    wrong = said("--beam", "mvdr", *usb, of=recording)
    assert "talk.wav: 1 channels, respeaker-usb-v2 captures 6, or its 4 microphones alone; give another" in wrong
    assert "--suppression is a control of --beam mwf, not of gev" in said("--beam", "gev", *usb, "--suppression", 0.5)
    assert "--suppression 1.5: expected 0" in said("--beam", "mwf", *usb, "--suppression", 1.5)
    assert "--suppression nan: expected 0" in said("--beam", "mwf", *usb, "--suppression", "nan")
    assert "--azimuth 400: expected degrees from -180 to 360" in said("--beam", "das", *usb, "--azimuth", 400)
    for option in (("--azimuth", 0), ("--keep", 0, 90), ("--null", 0, 90)):
        assert f"{option[0]} steers --beam das, mvdr, lcmv, not gev" in said("--beam", "gev", *usb, *option)
        assert f"{option[0]} is for a spatial filter" in said(*option)
    assert "--beam none leaves the model's outputs as they are; give --postfilter" in said("--beam", "none", *usb)
    assert "--azimuth steers --beam das" in said("--beam", "none", *usb, "--postfilter", "--azimuth", 0)
    inside = said("--beam", "mvdr", *usb, "--azimuth", *[20] * Separator.open(model).sources, "--null", 0, 40)
    assert "--beam mvdr: look direction 20: expected one outside of the zones to null" in inside
    assert "3 look directions for" in said("--beam", "das", *usb, "--azimuth", 0, 90, 180)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "args",
    [
        ["separate"],
        ["bench"],
        ["separate", "--block", "0"],
        ["separate", "x.wav", "--model", "x", "--out", "y", "--beam", "laser"],
        ["bench", "x", "--threads", "99999999999"],
        ["bench", "x", "--seconds", "0"],
    ],
)
def test_wrong_usage_exits_with_2(run: Run, args: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*args)
    assert caught.value.code == 2


def test_models_lists_what_is_shipped(run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    (tmp_path / "first.edge").write_bytes(model.read_bytes())
    code, out, _ = run("models")
    assert code == 0 and "first" in out and "float32" in out
    (row,) = json.loads(run("models", "--json")[1])
    m = Separator.open(model).manifest
    assert (row["name"], row["mics"], row["sources"], row["size_bytes"]) == ("first", 1, m.sources, m.size)
    assert row["latency_ms"] == m.latency / 16


@pytest.mark.parametrize("paced", [[], ["--paced"]])
def test_bench_measures(run: Run, model: Path, paced: list[str]) -> None:
    code, out, _ = run("bench", model, "--json", "--seconds", "0.3", *paced)
    found, m = json.loads(out), Separator.open(model).manifest
    assert code == 0 and found["paced"] is bool(paced)
    assert found["blocks"] == round(0.3 * m.sample_rate / m.block)
    assert 0 < found["p50_us"] <= found["p99_us"] <= found["p999_us"] <= found["worst_us"]
    assert 0 < found["host_share"] < 1 and found["real_time_factor"] > 0
    assert found["import_s"] > 0 and found["open_s"] > 0 and 10 < found["resident_mb"] < 500
    assert found["machine"] and found["cpu"]
    code, out, _ = run("bench", model, "--seconds", "0.1")
    assert code == 0 and "p99" in out


def test_a_full_or_closed_standard_output_is_no_traceback() -> None:
    command = [sys.executable, "-m", "edge_sdk.cli", "models", "--json"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
