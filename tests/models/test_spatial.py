"""Talkers sit apart, noises elsewhere or around, and targets are what they are said to be."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import csd, welch

from edge_sdk.audio.arrays import load_array
from edge_sdk.errors import DataError
from models.data.diffuse import around, coherence, diffuse, mixing_matrices
from models.data.levels import activity_level
from models.data.mixing import Mixtures
from models.data.rirs import open_rooms
from models.data.rooms import RoomConfig
from models.data.simulation import simulate_rooms
from models.data.spatial import SpatialConfig, noises_heard, seat, smallest_angle, wrapped
from tests.models.conftest import Maker
from tests.models.echoes import EARLY, LATE, EchoRooms
from tests.models.recordings import RATE


def clean(make: Maker, target: str, **changes: object) -> Mixtures:
    """A talker alone at a known level, in a room of echoes."""
    fixed = {"noisy": False, "level_db": (-30.0, -30.0), "spatial": SpatialConfig(target=target)}  # type: ignore[arg-type]
    return make(rooms=EchoRooms(), **{**fixed, **changes})


def later(signal: np.ndarray, samples: int) -> np.ndarray:
    return np.pad(signal, (samples, 0))[: len(signal)]


@pytest.mark.parametrize("array", ["respeaker-4mic", "respeaker-2mic"])
def test_targets_and_noise_add_up_to_the_mixture(make: Maker, array: str) -> None:
    made = make(rooms=EchoRooms(array), sources=2, snr_db=(150.0, 150.0))
    for index in range(4):
        example = made.example(index)
        reference = made.reference
        np.testing.assert_array_equal(example.sources, example.images[:, reference])
        own = example.mixture - example.images.sum(axis=0)  # noise of the microphones alone, 40 dB down or more
        assert activity_level(own[reference]) < 0.011 * activity_level(example.images[:, reference].sum(axis=0))


def test_targets_are_the_parts_of_the_reverberant_image(make: Maker) -> None:
    for index in range(3):
        image, early, direct = (clean(make, t).example(index).sources[0] for t in ("image", "early", "direct"))
        np.testing.assert_allclose(early, direct + 0.5 * later(direct, EARLY), atol=1e-6)
        np.testing.assert_allclose(image, early + 0.25 * later(direct, LATE), atol=1e-6)


def test_the_direct_sound_keeps_its_time(make: Maker) -> None:
    dry = make(noisy=False, level_db=(-30.0, -30.0)).example(0).sources[0]
    direct = clean(make, "direct").example(0).sources[0]
    gain = np.vdot(dry, direct) / np.vdot(dry, dry)
    np.testing.assert_allclose(direct, gain * dry, atol=1e-5)


def test_microphones_hear_a_talker_one_after_the_other(make: Maker) -> None:
    image = clean(make, "image").example(1).images[0]
    for mic in range(1, len(image)):
        np.testing.assert_allclose(image[mic], later(image[0], 2 * mic), atol=2e-6)


@pytest.mark.parametrize("diffuse_chance", [0.0, 1.0])
def test_the_ratio_is_that_at_the_reference(make: Maker, diffuse_chance: float) -> None:
    made = make(rooms=EchoRooms(), sources=2, spatial=SpatialConfig(diffuse=diffuse_chance), snr_db=(-5.0, 10.0))
    for index in range(6):
        example = made.example(index)
        heard = example.images[:, 0].sum(axis=0)
        ratio = 20 * np.log10(activity_level(heard) / activity_level(example.mixture[0] - heard))
        assert ratio == pytest.approx(example.about["snr_db"], abs=0.1)
        assert example.about["noise_from"] == ("around" if diffuse_chance else "positions")


def test_talkers_sit_apart_and_noises_elsewhere() -> None:
    rooms, rng = EchoRooms(positions=9), np.random.default_rng(0)
    for _ in range(200):
        seating = seat(rooms, 3, 60.0, rng)
        assert smallest_angle(seating.azimuths_deg) >= 60.0
        assert len(seating.talkers) == 3 and sorted(seating.talkers + seating.free) == list(range(9))
        assert seating.about()["angle_deg"] >= 60.0
    assert len({seat(rooms, 1, 0.0, rng).talkers[0] for _ in range(200)}) == 9


def test_angles_wrap_round() -> None:
    assert smallest_angle(np.array([-175.0, 170.0, 20.0])) == pytest.approx(15.0)
    assert smallest_angle(np.array([40.0])) == 180.0


def test_rooms_without_places_for_all_are_refused(make: Maker) -> None:
    made = make(rooms=EchoRooms(positions=4), sources=2, spatial=SpatialConfig(min_angle_deg=120.0))
    assert made.example(0).about["angle_deg"] == 180.0
    crowded = make(rooms=EchoRooms(positions=3), sources=2, spatial=SpatialConfig(min_angle_deg=130.0))
    with pytest.raises(DataError, match=r"no 2 positions 130 degrees apart; lower mix\.spatial\.min_angle_deg"):
        crowded[0]
    with pytest.raises(DataError, match="no 2 positions"):
        make(rooms=EchoRooms(positions=1), sources=2)[0]


def test_noise_comes_from_around_where_every_position_is_taken(make: Maker) -> None:
    made = make(rooms=EchoRooms(positions=2), sources=2, spatial=SpatialConfig(diffuse=0.0))
    assert made.example(0).about["noise_from"] == "around"


def test_rooms_of_another_rate_are_refused(make: Maker) -> None:
    rooms = EchoRooms()
    rooms.sample_rate = 16_000
    with pytest.raises(DataError, match="rooms of 16000 Hz for mixtures of 8000 Hz"):
        make(rooms=rooms)


def test_noise_at_a_position_is_a_convolution_that_runs_round() -> None:
    seating = seat(EchoRooms(), 1, 0.0, np.random.default_rng(0))
    noises = [np.random.default_rng(n).standard_normal(3000).astype(np.float32) for n in range(2)]
    heard = noises_heard(noises, seating)
    for mic, signal in enumerate(heard):
        expected = np.zeros(3000)
        for noise, position in zip(noises, seating.free, strict=False):
            for delay, gain in ((0, 1.0), (EARLY, 0.5), (LATE, 0.25)):
                expected += gain * np.roll(noise, 20 + position + 2 * mic + delay)
        np.testing.assert_allclose(signal, expected, atol=1e-5)


def test_responses_longer_than_the_mixture_wrap_more_than_once() -> None:
    response = np.random.default_rng(0).standard_normal((1, 25)).astype(np.float32)
    expected = response[0, :10] + response[0, 10:20] + np.pad(response[0, 20:], (0, 5))
    np.testing.assert_allclose(wrapped(response, 10)[0], expected, rtol=1e-6)


def test_diffuse_noise_has_the_coherence_of_an_isotropic_field() -> None:
    """sin(x) / x of x = 2 pi f d / c between every two microphones, in twenty seconds of it."""
    array, rate, size = load_array("respeaker-4mic"), 16_000, 512
    white = np.random.default_rng(0).standard_normal((array.mics, 20 * rate)).astype(np.float32)
    field = diffuse(white, array.positions_m, rate)
    inside, hz = slice(2, -1), np.arange(size // 2 + 1) * rate / size  # the lowest two bins hold the removed mean
    powers = [welch(signal, rate, nperseg=size)[1] for signal in field]
    for a, b in [(0, 1), (0, 2), (1, 3)]:
        found = csd(field[a], field[b], rate, nperseg=size)[1] / np.sqrt(powers[a] * powers[b])
        x = 2 * np.pi * hz[inside] * math.dist(array.positions_m[a], array.positions_m[b]) / 343.0
        np.testing.assert_allclose(coherence(array.positions_m, hz)[inside, a, b], np.sin(x) / x, atol=1e-12)
        # 1250 overlapping segments: a deviation of 0.03.
        np.testing.assert_allclose(found[inside], np.sin(x) / x, atol=0.15)
        assert np.sqrt(np.mean(np.abs(found[inside] - np.sin(x) / x) ** 2)) < 0.04
    levels_db = 10 * np.log10(np.mean(field**2, axis=1))
    assert np.ptp(levels_db) < 0.1  # every microphone hears the same power


@pytest.mark.parametrize("array", ["respeaker-2mic", "respeaker-6mic", "minidsp-uma8", "hearing-aid-pair"])
def test_the_mixing_matrices_give_exactly_that_coherence(array: str) -> None:
    positions = load_array(array).positions_m
    roots = mixing_matrices(positions, 1000, 16_000).transpose(2, 0, 1).astype(np.float64)
    expected = coherence(positions, np.fft.rfftfreq(1000, 1 / 16_000))
    np.testing.assert_allclose(roots @ roots.transpose(0, 2, 1), expected, atol=1e-5)  # roots are float32
    assert np.abs(np.diff(roots, axis=0)).max() < 0.1  # smooth over frequency, so that the filters are short


def test_one_noise_becomes_as_many_as_there_are_microphones() -> None:
    noise = np.random.default_rng(0).standard_normal(48_000).astype(np.float32)
    several = around(noise, 4)
    np.testing.assert_array_equal(several[0], noise)
    np.testing.assert_array_equal(several[1], np.roll(noise, 12_000))
    assert np.abs(np.corrcoef(several) - np.eye(4)).max() < 0.03  # six deviations


def test_microphones_hiss_each_for_itself_at_the_asked_level(make: Maker) -> None:
    quiet = SpatialConfig(sensor_noise_db=(-30.0, -30.0))
    example = make(rooms=EchoRooms(), snr_db=(150.0, 150.0), spatial=quiet).example(0)
    speech, own = example.images.sum(axis=0), example.mixture - example.images.sum(axis=0)
    for signal in own:
        assert 20 * np.log10(signal.std() / activity_level(speech[0])) == pytest.approx(-30.0, abs=0.2)
    assert np.abs(np.corrcoef(own) - np.eye(4)).max() < 0.06  # 8000 samples: five deviations


def test_images_are_convolutions_with_the_stored_responses(make: Maker, tmp_path: Path) -> None:
    """With the real store and without its Fourier transforms: talker by talker and microphone by microphone."""
    small = RoomConfig(positions=3, rt60_s=(0.15, 0.2), length_m=(3, 4), width_m=(3, 4), height_m=(2.4, 2.5))
    simulate_rooms(tmp_path, load_array("respeaker-4mic"), small, 2, sample_rate=RATE, workers=0)
    fixed = {"noisy": False, "sources": 2, "between_talkers_db": (0.0, 0.0)}
    dry, made = make(**fixed).example(0), make(rooms=open_rooms(tmp_path), **fixed)
    example, room = made.example(0), made.rooms[made.example(0).about["room"]]  # type: ignore[index]
    assert example.about["talkers"] == dry.about["talkers"]
    for talker, distance_m in enumerate(example.about["distances_m"]):
        position = int(np.abs(room.distances_m - distance_m).argmin())
        begin = int(room.direct[position])
        expected = [np.convolve(dry.sources[talker], rir)[begin : begin + RATE] for rir in room.rirs[position]]
        gain = np.vdot(expected, example.images[talker]) / np.vdot(expected, expected)
        np.testing.assert_allclose(example.images[talker], gain * np.array(expected), atol=1e-5)
