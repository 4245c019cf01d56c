"""`edge-sdk separate --beam` writes what the spatial filter gives; what does not fit is refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_sdk import Separator, beam_options
from edge_sdk.audio.arrays import FOLDER as ARRAYS
from edge_sdk.audio.arrays import load_array
from edge_sdk.audio.wav import read_wav, write_wav
from edge_sdk.beamforming.named import BEAMS, OWN, STEERED, beamformer
from edge_sdk.beamforming.postfilter import PostFilterConfig
from edge_sdk.beamforming.zones import Zone
from tests.edge_sdk.conftest import Run, one_line


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
