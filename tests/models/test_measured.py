"""Measured responses as rooms: SOFA and sound files, whose pulses are where the geometry of the test puts them."""

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from edge_sdk.audio.arrays import SPEED_OF_SOUND, MicArray, load_array
from edge_sdk.cli import main
from edge_sdk.errors import AudioError, DataError
from models.data.decay import decay_db, reverberation_time
from models.data.image_source import LEAD
from models.data.measured import import_rooms
from models.data.onset import arrivals, cut_lead
from models.data.rirs import open_rooms
from tests.models.impulses import time_differences

sofar = pytest.importorskip("sofar", reason="of the extra that trains, which CI installs")

RATE, STORE_RATE, TAPS = 48_000, 16_000, 1024
EARS = np.array([[0, 0.09, 0], [0, -0.09, 0.0]])
AZIMUTHS_DEG, DISTANCE_M = np.arange(-150, 180, 30.0), 1.4


def pulses(samples: np.ndarray) -> np.ndarray:
    """Band-limited to 7 kHz, so that both rates hold them, at fractions of a sample, `[..., taps]`."""
    time = np.arange(TAPS) - samples[..., None]
    cut = 2 * 7000 / RATE
    return cut * np.sinc(cut * time) * np.exp(-0.5 * (time / 24) ** 2)


def arrivals_of(azimuths_deg: np.ndarray) -> np.ndarray:
    """When the ears hear a source on a circle, in samples of the file, `[positions, 2]`."""
    azimuths = np.radians(azimuths_deg)
    sources = DISTANCE_M * np.stack([np.cos(azimuths), np.sin(azimuths), np.zeros_like(azimuths)], axis=1)
    return np.linalg.norm(sources[:, None] - EARS, axis=-1) / SPEED_OF_SOUND * RATE + 30


def sofa(path: Path, azimuths_deg: np.ndarray = AZIMUTHS_DEG, **changes: Any) -> Path:
    """A file of head-related responses without a head: pulses at two points."""
    file = sofar.Sofa("SimpleFreeFieldHRIR")
    count = len(azimuths_deg)
    file.SourcePosition = np.stack([azimuths_deg % 360, np.zeros(count), np.full(count, DISTANCE_M)], axis=1)
    file.ReceiverPosition = EARS
    file.Data_IR = 0.3 * pulses(arrivals_of(azimuths_deg))
    file.Data_SamplingRate = RATE
    file.GLOBAL_ListenerShortName = "two points"
    for name, value in changes.items():
        setattr(file, name, value)
    sofar.write_sofa(str(path), file)
    return path


def test_hrirs_become_a_room_with_the_directions_and_delays_of_the_file(tmp_path: Path) -> None:
    store = import_rooms(tmp_path / "rooms", [sofa(tmp_path / "Two Points.sofa")], workers=0)
    assert (store.array.name, store.array.title, store.array.worn) == ("two-points", "two points", True)
    np.testing.assert_array_equal(store.array.positions_m, EARS)
    room = store[0]
    assert len(store) == 1 and room.rirs.shape[:2] == (len(AZIMUTHS_DEG), 2) and math.isnan(room.rt60_s)
    np.testing.assert_allclose(np.degrees(room.azimuths_rad), AZIMUTHS_DEG, atol=1e-9)
    np.testing.assert_allclose(room.distances_m, DISTANCE_M)
    expected = arrivals_of(AZIMUTHS_DEG) * STORE_RATE / RATE
    found = time_differences(room.rirs, room.direct, 0)
    np.testing.assert_allclose(found[:, 1], expected[:, 1] - expected[:, 0], atol=0.05)  # 1/64 grid, resampling
    # The first arrival comes LEAD samples after the beginning, later ones as much later as they should.
    first = expected.min(axis=1)
    assert (room.direct - (expected[:, 0] - first) >= LEAD - 0.1).all()
    assert (room.direct - (expected[:, 0] - first) < LEAD + 1.1).all()
    assert np.abs(room.rirs).max() == pytest.approx(1, abs=0.02)


def test_resampling_keeps_the_spectrum(tmp_path: Path) -> None:
    path = sofa(tmp_path / "a.sofa")
    native = import_rooms(tmp_path / "native", [path], sample_rate=RATE, workers=0)[0].rirs
    lower = import_rooms(tmp_path / "lower", [path], sample_rate=STORE_RATE, workers=0)[0].rirs
    gains = []
    for rirs, rate in ((native, RATE), (lower, STORE_RATE)):
        turns = np.exp(-2j * np.pi * np.array([[200], [1000], [5000]]) / rate * np.arange(rirs.shape[-1]))
        gains.append(np.abs(rirs @ turns.T))
    np.testing.assert_allclose(gains[0] / gains[0].max(), gains[1] / gains[1].max(), rtol=0.01)  # up to their scale


def test_delays_that_a_file_keeps_apart_are_put_back(tmp_path: Path) -> None:
    taken = np.floor(arrivals_of(AZIMUTHS_DEG)) - 60 + 0.25
    apart = {"Data_IR": 0.3 * pulses(arrivals_of(AZIMUTHS_DEG) - taken), "Data_Delay": taken}
    rooms = [
        import_rooms(tmp_path / name, [sofa(tmp_path / f"{name}.sofa", **changes)], workers=0)[0]
        for name, changes in (("whole", {}), ("apart", apart))
    ]
    both = [time_differences(room.rirs, room.direct, 0) for room in rooms]
    np.testing.assert_allclose(both[0], both[1], atol=0.05)


def test_a_turned_listener_sees_sources_elsewhere(tmp_path: Path) -> None:
    turned = {"ListenerView": [[0, 1, 0]], "ListenerPosition": [[1, 0, 0]]}
    turned["SourcePosition"] = np.array([[1.0, 2.0, 0.5]])
    turned |= {"SourcePosition_Type": "cartesian", "SourcePosition_Units": "metre"}
    path = sofa(tmp_path / "a.sofa", np.array([0.0]), **turned)
    room = import_rooms(tmp_path / "rooms", [path], workers=0)[0]
    assert room.azimuths_rad[0] == pytest.approx(0)  # two metres ahead, as it looks along y
    assert room.distances_m[0] == pytest.approx(math.hypot(2, 0.5))
    assert room.elevations_rad[0] == pytest.approx(math.atan2(0.5, 2))


def test_a_file_that_counts_azimuths_the_other_way_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import_rooms(tmp_path / "right", [sofa(tmp_path / "right.sofa")], workers=0)
    assert not caplog.records
    mirrored = sofa(tmp_path / "wrong.sofa", Data_IR=pulses(arrivals_of(-AZIMUTHS_DEG)))
    import_rooms(tmp_path / "wrong", [mirrored], workers=0)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and "counts azimuths" in record.getMessage()


def sounds(folder: Path, rate: int = RATE) -> Path:
    """The same pulses as sound files of one position each."""
    folder.mkdir(exist_ok=True)
    lines = ["file,azimuth_deg,elevation_deg,distance_m"]
    for azimuth, response in zip(AZIMUTHS_DEG, 0.3 * pulses(arrivals_of(AZIMUTHS_DEG)), strict=True):
        soundfile.write(folder / f"at{azimuth + 200:.0f}.wav", response.T, rate, "FLOAT")
        lines.append(f"at{azimuth + 200:.0f}.wav,{azimuth:g},0,{DISTANCE_M}")
    (folder / "positions.csv").write_text("\n".join(lines))
    return folder


PAIR = MicArray("pair", "two points", "this test", tuple(map(tuple, EARS.tolist())), (0, 1), 2)


def test_sound_files_are_read_as_the_sofa_file_of_the_same_responses(tmp_path: Path) -> None:
    one = import_rooms(tmp_path / "one", [sofa(tmp_path / "a.sofa")], PAIR, workers=0)[0]
    other = import_rooms(tmp_path / "other", [sounds(tmp_path / "wavs")], PAIR, workers=0)[0]
    order = np.argsort([f"at{azimuth + 200:.0f}.wav" for azimuth in AZIMUTHS_DEG])
    np.testing.assert_allclose(other.rirs, one.rirs[order], atol=2e-3)  # 16 bits twice
    np.testing.assert_allclose(other.azimuths_rad, one.azimuths_rad[order], atol=1e-12)
    np.testing.assert_allclose(other.direct, one.direct[order], atol=0.01)


def test_capture_channels_are_mapped_to_microphones_and_unknown_places_stay_unknown(tmp_path: Path) -> None:
    array = load_array("respeaker-usb-v2")
    heard = np.zeros((6, TAPS))
    for channel in range(6):
        heard[channel, 100 + channel] = 0.5 if channel in array.channels else 1.0
    soundfile.write(tmp_path / "a.wav", heard.T, STORE_RATE, "FLOAT")
    room = import_rooms(tmp_path / "rooms", [tmp_path / "a.wav"], array, workers=0)[0]
    np.testing.assert_array_equal(room.rirs[0].argmax(axis=1) - LEAD, [0, 1, 2, 3])
    assert room.direct[0] == LEAD and np.isnan(room.azimuths_rad).all() and np.isnan(room.distances_m).all()


def test_sources_are_rooms_in_their_order_and_the_command_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [sofa(tmp_path / "a.sofa", AZIMUTHS_DEG[:3]), sofa(tmp_path / "b.sofa", AZIMUTHS_DEG[3:])]
    command = ["simulate", "import", *map(str, paths), "--out", str(tmp_path / "rooms"), "--workers", "0"]
    assert main(command) == 0
    assert "2 rooms with 11 positions for a" in capsys.readouterr().out
    store = open_rooms(tmp_path / "rooms")
    assert [len(store[index].rirs) for index in range(2)] == [3, 8]
    assert main(command) == 0
    paths[1].write_bytes(paths[0].read_bytes())
    assert main(command) == 1
    assert "holds other rooms: sources = " in capsys.readouterr().err


def test_what_cannot_be_imported_is_refused_in_one_line(tmp_path: Path) -> None:
    good, wavs = sofa(tmp_path / "good.sofa"), sounds(tmp_path / "wavs")
    (tmp_path / "junk.sofa").write_bytes(b"x" * 1000)
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").touch()
    silent = sofa(tmp_path / "silent.sofa", Data_IR=np.zeros((len(AZIMUTHS_DEG), 2, TAPS)))
    holes = 0.3 * pulses(arrivals_of(AZIMUTHS_DEG))
    holes[2, 1, 3] = math.nan
    broken = sofa(tmp_path / "nan.sofa", Data_IR=holes)
    mixed = sounds(tmp_path / "mixed")
    soundfile.write(mixed / "other.wav", np.ones((50, 2)), 8000)
    torn = sounds(tmp_path / "torn")
    (torn / "at50.wav").write_bytes((torn / "at50.wav").read_bytes()[:-100])
    wrong = sounds(tmp_path / "wrong")
    (wrong / "positions.csv").write_text("file,azimuth_deg\nat50.wav,north")
    for source, array, said in (
        (tmp_path / "none.sofa", None, "no such file"),
        (tmp_path / "junk.sofa", None, "not a readable SOFA file"),
        (tmp_path / "empty", PAIR, "no .wav or .flac files in it"),
        (tmp_path / "a.txt", PAIR, "not a file of responses; expected .sofa"),
        (good, load_array("respeaker-4mic"), "responses of 2 microphones, respeaker-4mic has 4"),
        (wavs, load_array("respeaker-4mic"), "2 channels of 1024 samples, respeaker-4mic has 4 microphones"),
        (wavs, None, "sound files do not say where their microphones were; give --array"),
        (silent, None, "silent or not finite"),
        (broken, None, "silent or not finite"),
        (mixed, PAIR, "files of 8000 Hz and 48000 Hz"),
        (torn, PAIR, "at50.wav: ends before the length that it promises"),
        (wrong, PAIR, "positions.csv: could not convert string to float: 'north'"),
    ):
        with pytest.raises((DataError, AudioError)) as caught:
            import_rooms(tmp_path / "out", [source], array, workers=0)
        assert said in str(caught.value) and "\n" not in str(caught.value), source


def test_sofa_of_another_kind_is_refused(tmp_path: Path) -> None:
    file = sofar.Sofa("SimpleFreeFieldHRTF")
    sofar.write_sofa(str(tmp_path / "transfer.sofa"), file)
    with pytest.raises(DataError, match="cannot be used as impulse responses"):
        import_rooms(tmp_path / "out", [tmp_path / "transfer.sofa"], PAIR, workers=0)


def test_an_onset_is_the_first_peak_even_where_a_later_one_is_louder() -> None:
    time = np.arange(400.0)
    response = np.sinc(time - 100.3) - 3 * np.sinc(time - 180)
    found = arrivals(np.stack([response, -response])[None], STORE_RATE)
    np.testing.assert_allclose(found, 100.3, atol=0.05)  # 1/64 of a sample, and a sinc that goes on beyond the window
    cut, moved = cut_lead(np.stack([response, np.roll(response, 7)])[None], found + np.array([0, 7]), 40)
    np.testing.assert_allclose(moved, found - 60 + np.array([0, 7]))
    np.testing.assert_array_equal(cut[0, 0, :340], response[60:])


@pytest.mark.parametrize("seconds", [0.2, 0.7])
def test_reverberation_times_of_exponential_decays_are_exact(seconds: float) -> None:
    time = np.arange(2 * STORE_RATE) / STORE_RATE
    decay = 10 ** (-3 * time / seconds)
    assert reverberation_time(decay, STORE_RATE) == pytest.approx(seconds, rel=1e-3)
    np.testing.assert_allclose(decay_db(decay)[: STORE_RATE // 5], -60 * time[: STORE_RATE // 5] / seconds, atol=1e-3)


def test_decays_that_drown_in_noise_have_no_reverberation_time() -> None:
    time = np.arange(STORE_RATE) / STORE_RATE
    noise = np.random.default_rng(0).standard_normal(STORE_RATE)
    assert math.isnan(reverberation_time(noise * (10 ** (-3 * time / 0.3) + 0.05), STORE_RATE))
    assert reverberation_time(noise * 10 ** (-3 * time / 0.3), STORE_RATE) == pytest.approx(0.3, rel=0.05)
