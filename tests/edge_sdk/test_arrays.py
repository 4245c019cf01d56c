"""Arrays: geometry and channel maps of real boards, own ones by the same kind of file, and what is refused."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_sdk.audio.arrays import SPEED_OF_SOUND, MicArray, load_array, shipped_arrays
from edge_sdk.cli import main
from edge_sdk.errors import ArrayError

OWN = """
name = "own"
title = "Three in a row"
source = "a ruler"
positions_m = [[-0.03, 0, 0], [0, 0, 0], [0.05, 0, 0]]
channels = [2, 0, 1]
capture_channels = 4
playback = [3]
reference = 1
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A file of an own array, with one line of it replaced or added."""

    def write_own(field: str = "", line: str = "") -> Path:
        lines = [text for text in OWN.splitlines() if not field or not text.startswith(f"{field} =")]
        (tmp_path / "own.toml").write_text("\n".join([*lines, line]))
        return tmp_path / "own.toml"

    return write_own


def test_every_board_of_the_list_is_there_under_its_name() -> None:
    boards = ["2mic", "4mic", "4mic-linear", "6mic", "usb-v2", "core-v2"]
    wanted = {f"respeaker-{board}" for board in boards} | {"minidsp-uma8", "matrix-creator", "matrix-voice"}
    assert wanted | {"hearing-aid-pair", "mono"} == set(shipped_arrays())
    for name in shipped_arrays():
        assert load_array(name).name == name


@pytest.mark.parametrize("name", shipped_arrays())
def test_every_shipped_array_says_where_its_numbers_come_from_and_is_centred(name: str) -> None:
    array = load_array(name)
    assert len(array.source) > 10 and array.title
    assert len(array.channels) == array.mics == len(set(array.channels))
    for axis in zip(*array.positions_m, strict=True):
        # Files round to 0.1 mm at worst; the centre of the MATRIX Voice's ring is 0.1 mm off its middle microphone.
        assert abs(sum(axis) / array.mics) < 2e-4
    assert 0 <= array.aperture_m < 0.25


@pytest.mark.parametrize(
    ("name", "pairs", "distance_m"),
    [
        ("respeaker-2mic", [(0, 1)], 0.058),
        ("respeaker-4mic", [(0, 2), (1, 3)], 0.081),
        ("respeaker-4mic-linear", [(0, 3)], 0.1496),
        ("respeaker-6mic", [(0, 3), (1, 4), (2, 5)], 0.09218),
        ("respeaker-core-v2", [(0, 3), (1, 4), (2, 5)], 0.09218),
        ("hearing-aid-pair", [(0, 2), (1, 3)], 0.0149),
    ],
)
def test_geometry_agrees_with_the_vendors_own_direction_finder(
    name: str, pairs: list[tuple[int, int]], distance_m: float
) -> None:
    # voice_engine/doa_*.py and openMHA's adm.cfg pair these channels; ODAS and they differ by half a millimetre.
    distances = load_array(name).distances()
    for pair in pairs:
        assert distances[pair] == pytest.approx(distance_m, abs=6e-4)


def test_rings_are_regular() -> None:
    for name, middle in (("respeaker-4mic", 0), ("respeaker-6mic", 0), ("minidsp-uma8", 1), ("matrix-voice", 1)):
        ring = load_array(name).positions_m[middle:]
        radii = [math.hypot(*position) for position in ring]
        neighbours = [math.dist(a, b) for a, b in zip(ring, ring[1:] + ring[:1], strict=True)]
        # The UMA-8's file knows whole millimetres.
        assert max(radii) - min(radii) < 1e-3 and max(neighbours) - min(neighbours) < 2e-3


def test_the_usb_array_keeps_processed_and_playback_apart_from_the_microphones() -> None:
    array = load_array("respeaker-usb-v2")
    assert (array.channels, array.capture_channels, array.processed, array.playback) == ((1, 2, 3, 4), 6, 0, (5,))


def test_aliasing_begins_where_the_closest_microphones_are_half_a_wavelength_apart(write: Write) -> None:
    array = load_array(write())
    assert array.distances() == {(0, 1): 0.03, (0, 2): 0.08, (1, 2): 0.05}
    assert array.aliasing_hz() == pytest.approx(SPEED_OF_SOUND / 0.06)
    assert math.isinf(load_array("mono").aliasing_hz())


def test_an_own_array_is_read_as_written(write: Write) -> None:
    assert load_array(write()) == MicArray(
        name="own",
        title="Three in a row",
        source="a ruler",
        positions_m=((-0.03, 0, 0), (0, 0, 0), (0.05, 0, 0)),
        channels=(2, 0, 1),
        capture_channels=4,
        playback=(3,),
        reference=1,
    )


@pytest.mark.parametrize(
    ("field", "line", "said"),
    [
        ("positions_m", "positions_m = [[0, 0, 0], [0.1, 0, 0], [0, 0, 0]]", "microphones 0 and 2 are both at"),
        ("positions_m", "positions_m = [[0, 0, 0], [0.1, 0, 0], [nan, 0, 0]]", "microphone 2 at"),
        ("positions_m", "positions_m = [[0, 0, 0], [30, 0, 0], [60, 0, 0]]", "30 m apart: expected metres"),
        ("positions_m", "positions_m = [[0, 0], [1, 0], [2, 0]]", "positions_m = [0, 0]: expected 3 values"),
        ("positions_m", "positions_m = []", "at least one microphone"),
        ("positions_m", 'positions_m = "left"', "positions_m = 'left': expected a list"),
        ("channels", "channels = [0, 1]", "channels: 2 given, expected one for each of 3 microphones"),
        ("channels", "channels = [0, 1, 1]", "channels: channel 1 appears in channels before"),
        ("channels", "channels = [0, 1, 4]", "channels: channel 4 of 4"),
        ("channels", "channels = [0, 1, -1]", "channels: channel -1 of 4"),
        ("channels", "channels = [0, 1, 3]", "playback: channel 3 appears in channels before"),
        ("playback", "processed = 2", "processed: channel 2 appears in channels before"),
        ("capture_channels", "capture_channels = 0", "capture_channels = 0"),
        ("reference", "reference = 3", "reference = 3: expected a microphone, 0 to 2"),
        ("sample_rates_hz", "sample_rates_hz = [0]", "sample_rates_hz = [0]"),
        ("name", 'name = "My Array"', "name = 'My Array'"),
        ("colour", 'colour = "red"', "MicArray has no colour"),
        ("channels", "", "channels missing"),
        ("name", "name = ", "not a readable array file"),
    ],
)
def test_a_wrong_file_is_refused_by_file_and_field(write: Write, field: str, line: str, said: str) -> None:
    path = write(field, line)
    with pytest.raises(ArrayError) as caught:
        load_array(path)
    assert str(caught.value).startswith(f"{path}: ") and said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_names_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArrayError, match="unknown array 'respeaker-4mics'; did you mean respeaker-4mic"):
        load_array("respeaker-4mics")
    with pytest.raises(ArrayError, match="No such file"):
        load_array(tmp_path / "none.toml")


def test_arrays_need_no_numpy() -> None:
    code = "import sys; from edge_sdk.audio.arrays import load_array; load_array('mono'); print('numpy' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def test_the_command_lists_and_shows(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["arrays"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in shipped_arrays())
    assert main(["arrays", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == shipped_arrays()
    assert main(["arrays", str(write())]) == 0
    shown = capsys.readouterr().out
    assert "5717 Hz" in shown and "playback" in shown and "30.0 to 80.0 mm" in shown and "a ruler" in shown
    assert main(["arrays", "mono", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["aliasing_hz"] is None
    assert main(["arrays", "none"]) == 1
    out, err = capsys.readouterr()
    assert not out and err.startswith("edge-sdk: unknown array 'none'") and err.count("\n") == 1


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_array_list_is_what_arrays_prints(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["arrays", *options]) == main(["array", "list", *options]) == 0
    out = capsys.readouterr().out
    assert out == 2 * out[: len(out) // 2] and shipped_arrays()[0] in out


def test_array_show_says_what_beams_are_worth(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["array", "show", str(write()), "--azimuth", "90"]) == 0
    shown = capsys.readouterr().out
    assert "a ruler" in shown and "beams towards 90 degrees" in shown
    assert [line.split()[0] for line in shown.splitlines() if line.endswith("aliased")] == ["8000"]
    assert main(["array", "show", str(write()), "--azimuth", "90", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["name"] == "own" and found["look_azimuth_deg"] == 90
    assert {beam["design"] for beam in found["beams"]} == {"delay-and-sum", "superdirective"}
    for beam in found["beams"]:
        assert beam["pattern_db"][found["azimuths_deg"].index(90)] == pytest.approx(0, abs=0.01)
        # Delay-and-sum gains the most over noise of the microphones, superdirective over noise from everywhere.
        assert beam["white_noise_gain_db"] <= 10 * math.log10(3) + 1e-3
        (other,) = [b for b in found["beams"] if b["hz"] == beam["hz"] and b["design"] != beam["design"]]
        gains = {b["design"]: (b["white_noise_gain_db"], b["directivity_index_db"]) for b in (beam, other)}
        assert gains["delay-and-sum"][0] == pytest.approx(10 * math.log10(3), abs=1e-3)
        assert gains["superdirective"][1] >= gains["delay-and-sum"][1] - 1e-3


def test_two_microphones_half_a_wavelength_apart_gain_three_decibels_of_both_noises(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    """Noise from everywhere is incoherent there, and from endfire the other end is heard as loud as the look
    direction: aliasing begins."""
    apart = SPEED_OF_SOUND / 2 / 4000
    path = write("positions_m", f"positions_m = [[0, 0, 0], [{apart}, 0, 0]]")
    path.write_text(path.read_text().replace("channels = [2, 0, 1]", "channels = [2, 0]"))
    assert main(["array", "show", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (beam,) = [b for b in found["beams"] if b["hz"] == 4000 and b["design"] == "delay-and-sum"]
    assert beam["white_noise_gain_db"] == pytest.approx(3.01, abs=0.01)
    assert beam["directivity_index_db"] == pytest.approx(3.01, abs=0.01)
    levels = dict(zip(found["azimuths_deg"], beam["pattern_db"], strict=True))
    assert levels[-180] == pytest.approx(0, abs=0.01) and levels[90] < -30


def test_array_show_draws_and_asks_before_it_overwrites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "array.svg"
    asked = ["array", "show", "respeaker-4mic", "--out", str(path)]
    assert main(asked) == 0
    assert "superdirective" in path.read_text() and "2994 Hz" in path.read_text()
    for refused, said in (
        (asked, "exists"),
        ([*asked[:-1], str(tmp_path / "a.gif")], "not a kind of picture"),
        (["array", "show", "none"], "unknown array"),
    ):
        capsys.readouterr()
        assert main(refused) == 1
        out, err = capsys.readouterr()
        assert not out and said in err and err.count("\n") == 1
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["array", "show", "mono"]) == 0  # figures need no matplotlib
    assert main([*asked, "--force"]) == 1 and "edge-sdk[demo]" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["array", "show", "mono", "--azimuth", "400"])
