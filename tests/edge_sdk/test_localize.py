"""Talkers of a recording are found and followed, and what cannot be said is refused in one line."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk.audio.arrays import MicArray, load_array
from edge_sdk.beamforming.finders import steered_coherence
from edge_sdk.beamforming.grid import azimuth_grid, wrapped
from edge_sdk.beamforming.localizer import FINDERS, Localizer, LocalizerConfig, Moment, Talker
from edge_sdk.beamforming.srp_phat import SrpPhat
from edge_sdk.beamforming.steering import plane_wave, unit_vectors
from edge_sdk.beamforming.zones import Zone, listened_to
from edge_sdk.cli import main
from edge_sdk.localize_command import METHODS, only
from edge_sdk.localize_table import thinned
from tests.edge_sdk.beamforming.scenes import CIRCLE, RATE, complex_noise, heard, outer, white

TETRAHEDRON = """
name = "tetrahedron"
title = "Four corners of a cube"
source = "computed"
positions_m = [[0.03, 0.03, 0.03], [0.03, -0.03, -0.03], [-0.03, 0.03, -0.03], [-0.03, -0.03, 0.03]]
channels = [0, 1, 2, 3]
capture_channels = 4
"""


def talking(seconds: float, on: Callable[[np.ndarray], np.ndarray], seed: int) -> np.ndarray:
    """Noise in bursts of a tenth of a second, most of them loud, `[n]`, silent where `on` says so of the time."""
    rng, n = np.random.default_rng(seed), round(seconds * RATE)
    bursts = np.repeat(rng.random(n // 1600 + 1) > 0.3, 1600)[:n]
    return white(seconds, 1, seed)[0] * bursts * on(np.arange(n) / RATE)


def always(time: np.ndarray) -> np.ndarray:
    return np.ones_like(time)


def scene(azimuths: list[float], ons: list[Callable[[np.ndarray], np.ndarray]], seconds: float = 3.0) -> np.ndarray:
    """Talkers in the open with microphones' noise 40 dB below, `[4, n]`."""
    sources = np.stack([talking(seconds, on, seed) for seed, on in enumerate(ons)])
    x = heard(sources, azimuths).sum(axis=0) + 0.001 * white(seconds, 4, seed=9) / 0.1
    return x.astype(np.float32)


def run(x: np.ndarray, array: MicArray = CIRCLE, block: int = 1000, **options: object) -> list[Moment]:
    localizer = Localizer(array, LocalizerConfig(**options))  # type: ignore[arg-type]
    return [m for start in range(0, x.shape[1], block) for m in localizer.process(x[:, start : start + block])]


def off_deg(talker: Talker | None, azimuth: float) -> float:
    assert talker is not None
    return abs(np.rad2deg(wrapped(talker.azimuth_rad - np.deg2rad(azimuth))))


@pytest.mark.parametrize("method", METHODS)
def test_a_talker_is_found_and_nobody_else(method: str) -> None:
    moments = run(scene([-70.0], [always]), method=method)
    assert moments[-1].time_s == pytest.approx(3.0, abs=0.04)
    for moment in moments[20:]:
        first, second = moment.talkers
        assert off_deg(first, -70) < 3 and second is None


@pytest.mark.parametrize("method", METHODS)
def test_talkers_who_take_turns_keep_their_places(method: str) -> None:
    def early(time: np.ndarray) -> np.ndarray:
        return (time % 2) < 1.2

    def late(time: np.ndarray) -> np.ndarray:
        return (time % 2) > 0.8

    moments = run(scene([100.0, -20.0], [early, late], 5.0), method=method)
    for moment in moments[60:]:
        first, second = moment.talkers
        assert off_deg(first, 100) < 6 and off_deg(second, -20) < 6
    alone = [m for m in moments if 2.3 < m.time_s < 2.75]
    assert not any(m.talkers[1].heard for m in alone if m.talkers[1])  # who is silent is not heard
    assert all(m.talkers[0].heard for m in alone[::8] if m.talkers[0]) and alone


@pytest.mark.parametrize("block", [1, 255, 4096, 10**6])
def test_however_the_stream_is_cut_the_moments_are_the_same(block: int) -> None:
    x = scene([30.0], [always], 0.5)
    assert run(x, block=block) == run(x)


def test_silence_and_noise_that_is_different_in_every_microphone_have_no_talker() -> None:
    for x in (np.zeros((4, RATE), np.float32), white(2.0, 4, seed=5).astype(np.float32)):
        assert all(moment.talkers == (None, None) for moment in run(x))


def test_an_array_with_height_tells_above_from_below(tmp_path: Path) -> None:
    (tmp_path / "tetrahedron.toml").write_text(TETRAHEDRON)
    array = load_array(tmp_path / "tetrahedron.toml")
    azimuth, elevation = 0.7, -0.5
    lead = unit_vectors(azimuth, elevation) @ (np.asarray(array.positions_m) - array.positions_m[0]).T / 343.0
    x = talking(1.5, always, 1)
    turns = np.exp(2j * np.pi * np.fft.rfftfreq(len(x), 1 / RATE) * lead[:, None])
    samples = np.fft.irfft(np.fft.rfft(x) * turns, len(x)) + 1e-4 * white(1.5, 4, seed=2)
    talker = run(samples.astype(np.float32), array, talkers=1, elevation=True)[-1].talkers[0]
    assert off_deg(talker, np.rad2deg(azimuth)) < 2
    assert talker is not None and talker.elevation_rad == pytest.approx(elevation, abs=np.deg2rad(2))


@pytest.mark.parametrize("method", METHODS)
def test_a_talker_standing_over_a_flat_board_is_found(method: str) -> None:
    """Grids in the plane of the board alone would look past it: no microphone is in phase there."""
    azimuth, elevation = 130.0, 65.0
    x = talking(2.0, always, 6)
    leads = np.cos(np.deg2rad(elevation)) * unit_vectors(np.deg2rad(azimuth)) @ np.asarray(CIRCLE.positions_m).T / 343.0
    turns = np.exp(2j * np.pi * np.fft.rfftfreq(len(x), 1 / RATE) * leads[:, None])
    samples = np.fft.irfft(np.fft.rfft(x) * turns, len(x)) + 1e-4 * white(2.0, 4, seed=7)
    first, second = run(samples.astype(np.float32), method=method)[-1].talkers
    assert off_deg(first, azimuth) < 4 and second is None


def test_the_strength_of_music_is_that_of_steered_power() -> None:
    """For one frame, coherences are products of phases, and their turned mean is the power of SRP-PHAT."""
    hz, grid = np.linspace(300, 3000, 40), azimuth_grid(CIRCLE)
    spectra = complex_noise(40, 4)
    srp = SrpPhat(CIRCLE, grid, hz, forget=0.0)
    srp.update(spectra)
    got = steered_coherence(outer(spectra), plane_wave(CIRCLE, hz, *grid.directions()))
    np.testing.assert_allclose(got, srp.power()[0], rtol=0, atol=1e-5)  # float32 products there


@pytest.mark.parametrize(
    ("start", "end", "inside", "outside"),
    [
        (-30, 60, [-30, 0, 60], [-31, 61, 180]),
        (150, -150, [150, 180, -180, -151], [149, -149, 0]),
        (300, 30, [-60, 0, 30], [-61, 31, 90]),
    ],
)
def test_a_zone_turns_from_x_towards_y(start: float, end: float, inside: list[float], outside: list[float]) -> None:
    zone = Zone(*np.deg2rad([start, end + 1e-9]))
    for azimuth in inside:
        assert np.deg2rad(azimuth + 5e-10) in zone and not listened_to(np.deg2rad(azimuth + 5e-10), (), (zone,))
    for azimuth in outside:
        assert np.deg2rad(azimuth) not in zone and not listened_to(np.deg2rad(azimuth), (zone,), ())
    with pytest.raises(ValueError, match="finite"):
        Zone(0.0, float("nan"))


@pytest.mark.parametrize("method", METHODS)
def test_talkers_outside_the_zones_are_nobody(method: str) -> None:
    x = scene([100.0, -20.0], [always, always])
    front = Zone(*np.deg2rad([60.0, 140.0]))
    for options in ({"keep": (front,)}, {"null": (Zone(front.end_rad, front.start_rad),)}):
        for moment in run(x, method=method, **options)[20:]:
            first, second = moment.talkers
            assert off_deg(first, 100) < 8 and second is None  # as loud as the one outside, at once
    assert all(talker is None for m in run(x, keep=(Zone(2.8, -2.8),)) for talker in m.talkers)


def test_an_array_with_a_microphone_less_keeps_the_rest() -> None:
    array = load_array("respeaker-6mic")
    less = only(array, [1, 2, 5])
    assert less.positions_m == tuple(array.positions_m[m] for m in (1, 2, 5))
    assert less.channels == tuple(array.channels[m] for m in (1, 2, 5)) and less.reference == 0


def test_moments_between_two_lines_are_summed_up() -> None:
    def moment(n: int, is_heard: bool) -> Moment:
        return Moment(0.1 * n, (Talker(0.1 * n, None, 0.1, is_heard), None))

    moments = [moment(n, n == 3) for n in range(1, 12)]
    rows = list(thinned(moments, 0.5))
    assert [round(row.time_s, 3) for row in rows] == [0.5, 1.0, 1.1]
    assert [row.talkers[0].heard for row in rows if row.talkers[0]] == [True, False, False]
    assert [round(row.time_s, 3) for row in thinned(moments, 5.0)] == [1.1]
    assert len(list(thinned(moments, 0.001))) == len(moments)


def test_configs_that_cannot_be_are_refused() -> None:
    for options, said in (
        ({"method": "ear"}, "expected srp-phat or music"),
        ({"talkers": 0}, "talkers 0"),
        ({"band_hz": (200.0, 9000.0)}, "within 0 to 8000"),
        ({"least": 2.0}, "least = 2.0"),
    ):
        with pytest.raises(ValueError, match=said):
            LocalizerConfig(**options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="tell no azimuth"):
        Localizer(load_array("mono"), LocalizerConfig())


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
