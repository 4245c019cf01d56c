"""A calibration in its file, over a stream, and on the command line."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk.audio.calibration import Calibration, Correction, device_id, doubt, load_calibration, to_toml
from edge_sdk.cli import main
from edge_sdk.errors import ArrayError
from tests.edge_sdk.beamforming.scenes import CIRCLE, RATE
from tests.edge_sdk.beamforming.test_mismatch import DELAYS, GAINS_DB, all_around, miscalibrated, recorded

KNOWN = Calibration(
    CIRCLE.name, 'a "board", 2nd', "direction", RATE, tuple(GAINS_DB.tolist()), tuple(DELAYS.tolist()), 0.1, 0.5
)
GAINS_ALONE = replace(KNOWN, delays=(0.0,) * 4)


@pytest.mark.parametrize("calibration", [KNOWN, replace(KNOWN, source="noise", residual_deg=None)])
def test_a_file_holds_all_of_it(calibration: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(to_toml(calibration), encoding="utf-8")
    assert load_calibration(path, CIRCLE) == calibration


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gains_db = [", "no calibration"),
        ("", "no calibration"),
        (to_toml(KNOWN).replace("2.5", "nan"), "gains_db"),
        (to_toml(KNOWN).replace("0.4", "40.0"), "at most 1 ms"),
        (to_toml(KNOWN).replace("0.0, 2.5", "2.5"), "3 gains_db and 4 delays"),
        (to_toml(KNOWN).replace('"direction"', '"guess"'), "expected direction or noise"),
        (to_toml(replace(KNOWN, device="x")).replace('"x"', r'"x\n"'), "a name on one line"),
        (to_toml(KNOWN).replace(CIRCLE.name, "other"), "calibrates other with 4 microphones"),
        (to_toml(KNOWN) + "more = 1\n", "has no more"),
    ],
)
def test_files_that_are_none_are_refused(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(ArrayError, match=says) as refused:
        load_calibration(path, CIRCLE)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArrayError, match="edge-sdk array calibrate"):
        load_calibration(tmp_path / "c.toml", CIRCLE)


@pytest.mark.parametrize("calibration", [KNOWN, GAINS_ALONE], ids=["delays", "gains"])
@given(cuts=st.lists(st.integers(0, 2000), max_size=12))
@settings(deadline=None, max_examples=10)
def test_any_cut_of_the_stream_gives_the_same_samples(calibration: Calibration, cuts: list[int]) -> None:
    x = recorded()[:, :2000]
    want = x.copy()
    Correction(calibration, RATE).apply(want)
    got, correction = x.copy(), Correction(calibration, RATE)
    for piece in np.split(got, sorted([*cuts, 1000, 1001, 1003]), axis=1):  # views; some of one sample
        correction.apply(piece)
    np.testing.assert_array_equal(got, want)
    correction.reset()
    again = x.copy()
    correction.apply(again)
    np.testing.assert_array_equal(again, want)


def test_the_reference_comes_out_as_it_was_and_as_late_as_declared() -> None:
    x = recorded()
    correction = Correction(KNOWN, RATE)
    y = x.copy()
    correction.apply(y)
    late = correction.delay
    np.testing.assert_allclose(y[0, late:], x[0, :-late], atol=1e-6)
    gains = Correction(GAINS_ALONE, RATE)
    assert gains.delay == 0
    gains.apply(y := x.copy())
    np.testing.assert_allclose(y, x / 10 ** (GAINS_DB[:, None] / 20), rtol=1e-6)


def test_delays_are_times_at_any_rate() -> None:
    """The same samples, taken for 8000 Hz: half the delay in samples."""
    half = replace(KNOWN, rate_hz=2 * RATE, delays=tuple(2 * d for d in KNOWN.delays))
    np.testing.assert_array_equal(half.corrected(recorded(), RATE), KNOWN.corrected(recorded(), RATE))


def test_samples_of_another_array_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \[4, n\]"):
        Correction(KNOWN, RATE).apply(recorded()[:3].copy())


@pytest.fixture
def cards(tmp_path: Path) -> tuple[Path, Path]:
    """/proc and /sys of a computer with a card of its own, and an array on USB that tells its serial number."""
    proc, sys = tmp_path / "proc", tmp_path / "sys"
    (proc / "asound").mkdir(parents=True)
    (proc / "asound/cards").write_text(
        " 0 [PCH            ]: HDA-Intel - HDA Intel PCH\n                      HDA Intel PCH at 0xf7\n"
        " 1 [ArrayUAC10     ]: USB-Audio - ReSpeaker 4 Mic Array (UAC1.0)\n                      SEEED at usb-1\n"
    )
    usb = sys / "devices/usb1/1-1"
    (usb / "1-1:1.0").mkdir(parents=True)
    (usb / "serial").write_text("0042\n")
    (sys / "class/sound/card1").mkdir(parents=True)
    (sys / "class/sound/card1/device").symlink_to(usb / "1-1:1.0")
    return proc, sys


def test_a_device_is_known_by_card_and_serial_number(cards: tuple[Path, Path]) -> None:
    for name in ("ArrayUAC10", "ReSpeaker 4 Mic Array", "hw:CARD=ArrayUAC10,DEV=0", "hw:1,0"):
        assert device_id(name, *cards) == "ArrayUAC10 serial 0042"
    assert device_id("plughw:PCH", *cards) == "PCH"
    assert device_id("the one in the lab", *cards) == "the one in the lab"


def test_a_calibration_of_another_device_is_doubted_and_refused_where_serial_numbers_differ(
    cards: tuple[Path, Path],
) -> None:
    def of(device: str, opened: str = "hw:ArrayUAC10") -> str:
        return doubt(replace(KNOWN, device=device), opened, *cards)

    assert of("ArrayUAC10 serial 0042") == "" == of("lab", "in.wav") == of("lab", "default")
    for device, opened in (("lab", "hw:1"), ("ArrayUAC10", "hw:1"), ("ArrayUAC10 serial 0042", "hw:PCH")):
        said = of(device, opened)
        assert repr(device) in said and opened in said and "is it the same device?" in said and "\n" not in said
    with pytest.raises(ArrayError, match="serial 0007', and hw:ArrayUAC10 is 'ArrayUAC10 serial 0042'; measure this"):
        of("ArrayUAC10 serial 0007")


def saved(x: np.ndarray, path: Path) -> str:
    soundfile.write(path, x.T, RATE, subtype="FLOAT")
    return str(path)


def command(tmp_path: Path, wav: str, *more: str) -> list[str]:
    out = str(tmp_path / "c.toml")
    return ["array", "calibrate", "--array", CIRCLE.name, "--wav", wav, "--out", out, "--device", "lab", *more]


def test_the_command_measures_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav = saved(miscalibrated(recorded(), GAINS_DB, DELAYS), tmp_path / "x.wav")
    assert main(command(tmp_path, wav, "--azimuth", "30", "--json")) == 0
    told = json.loads(capsys.readouterr().out)
    np.testing.assert_allclose(told["gains_db"], GAINS_DB, atol=0.05)
    np.testing.assert_allclose(told["delays"], DELAYS, atol=0.01)
    first = (tmp_path / "c.toml").read_bytes()
    assert load_calibration(tmp_path / "c.toml", CIRCLE).device == "lab"
    assert main(command(tmp_path, wav, "--azimuth", "30")) == 1
    assert "exists; choose another --out or give --force" in capsys.readouterr().err
    assert main(command(tmp_path, wav, "--azimuth", "30", "--force")) == 0
    assert (tmp_path / "c.toml").read_bytes() == first
    assert "left over the band" in capsys.readouterr().out


def test_the_command_measures_gains_of_noise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav = saved(miscalibrated(all_around(), GAINS_DB, np.zeros(4)), tmp_path / "x.wav")
    assert main(command(tmp_path, wav)) == 0
    assert f"{'-':>14}" in capsys.readouterr().out
    np.testing.assert_allclose(load_calibration(tmp_path / "c.toml", CIRCLE).gains_db, GAINS_DB, atol=0.2)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (["--wav", "none.wav"], "none.wav"),
        (["--array", "none"], "unknown array"),
        (["--array", "respeaker-core-v2"], "channels"),
        (["--out", "c.json"], "expected a name that ends in .toml"),
        (["--out", "/nowhere/c.toml"], "not written"),
        (["--azimuth", "150"], "30 degrees or"),
        (["--device", "two\nlines"], "a name on one line"),
    ],
)
def test_the_command_refuses_in_one_line(
    change: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wav = saved(recorded(), tmp_path / "x.wav")
    assert main(command(tmp_path, wav, "--azimuth", "30", *change)) == 1
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1


def test_beams_of_separate_hear_equal_microphones(
    exported_bundle: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = miscalibrated(recorded(), GAINS_DB, DELAYS)
    (tmp_path / "c.toml").write_text(to_toml(KNOWN))
    wavs = {"raw": saved(x, tmp_path / "raw.wav"), "equal": saved(KNOWN.corrected(x, RATE), tmp_path / "equal.wav")}
    asked = ["separate", "--model", str(exported_bundle("tiny")), "--out", str(tmp_path), "--float", "--beam", "mvdr"]
    asked += ["--array", CIRCLE.name]
    assert main([*asked, wavs["equal"]]) == 0
    assert main([*asked, wavs["raw"], "--calibration", str(tmp_path / "c.toml")]) == 0
    got, want = (soundfile.read(tmp_path / f"{name}-1.wav")[0] for name in ("raw", "equal"))
    np.testing.assert_array_equal(got, want)
    capsys.readouterr()
    assert main([*asked[:6], wavs["raw"], "--calibration", "c.toml"]) == 1
    assert "--calibration is for the microphones of an array" in capsys.readouterr().err
    assert main([*asked, wavs["raw"], "--calibration", "none.toml", "--force"]) == 1
    err = capsys.readouterr().err
    assert "none.toml: no calibration" in err and err.count("\n") == 1
