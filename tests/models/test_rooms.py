"""Rooms: what the responses say of geometry, reverberation and diffuseness, and rooms that cannot be."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, csd, sosfilt

from edge_sdk.audio.arrays import SPEED_OF_SOUND, MicArray, load_array
from edge_sdk.errors import DataError, RecipeError
from models.data.decay import reverberation_time
from models.data.image_source import DENSITY, HIGH_PASS_HZ, LEAD, TABLE, images, late_arrivals, loss_for, responses
from models.data.rooms import RoomConfig, angle_between, check_rooms, draw_scene, load_rooms
from models.data.simulation import simulate_room
from tests.models.impulses import time_differences

RATE = 16_000
# Far from walls and near to talkers, so that the direct path is over when the first reflection comes.
OPEN = RoomConfig(
    length_m=(7, 9),
    width_m=(7, 9),
    height_m=(3.4, 4),
    rt60_s=(0.3, 0.5),
    array_height_m=(1.5, 1.9),
    array_to_wall_m=(2.5, 5),
    distance_m=(0.5, 1.2),
    positions=6,
)


@pytest.mark.parametrize("name", ["respeaker-4mic", "respeaker-6mic", "hearing-aid-pair"])
def test_time_differences_between_microphones_are_those_of_the_geometry(name: str) -> None:
    array, worst = load_array(name), 0.0
    places = np.array(array.positions_m)
    for index in range(4):
        room = simulate_room(OPEN, array, RATE, seed=3, index=index)
        flat = room.distances_m * np.cos(room.elevations_rad)
        talkers = np.stack(
            [
                flat * np.cos(room.azimuths_rad),
                flat * np.sin(room.azimuths_rad),
                room.distances_m * np.sin(room.elevations_rad),
            ],
            axis=1,
        )
        arrivals = np.linalg.norm(talkers[:, None] - places, axis=-1) / SPEED_OF_SOUND * RATE
        found = time_differences(room.rirs, room.direct, array.reference)
        worst = max(worst, np.abs(found - (arrivals - arrivals[:, [array.reference]])).max())
    assert worst < 0.1  # samples, of 0.25 allowed: grid of the search 1/64, the rest is the high pass and reflections


def test_direct_says_when_the_direct_path_arrives() -> None:
    array = replace(load_array("respeaker-4mic"), reference=2)
    room = simulate_room(OPEN, array, RATE, seed=3, index=9)
    # Against a pulse at a known place, by the same search that compares microphones.
    pulse = np.sinc(np.arange(room.rirs.shape[2]) - 60)
    heard = np.stack([np.broadcast_to(pulse, room.rirs[:, 2].shape), room.rirs[:, 2]], axis=1)
    found = time_differences(heard, room.direct, 0) + 60
    np.testing.assert_allclose(found[:, 1], room.direct, atol=0.25)
    assert room.direct.min() >= LEAD


def test_mean_reverberation_time_is_the_one_asked_for() -> None:
    array, ratios = load_array("mono"), {-25.0: [], -35.0: []}
    for rt60_s in (0.15, 0.3, 0.6, 0.9):
        config = RoomConfig(rt60_s=(rt60_s, rt60_s), length_m=(3, 6), width_m=(2.5, 5), positions=4)
        for index in range(3):
            room = simulate_room(config, array, RATE, seed=11, index=index)
            for lowest_db, found in ratios.items():
                found.append(reverberation_time(room.rirs, RATE, lowest_db) / rt60_s)
    for found in ratios.values():
        assert max(found) < 1.2 and min(found) > 0.8
    assert np.mean(ratios[-35.0]) == pytest.approx(1, abs=0.03)  # T30 is what the walls are chosen for


def test_the_early_part_is_the_image_source_method_of_pyroomacoustics(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyroomacoustics as pra

    scene = draw_scene(RoomConfig(positions=2, rt60_s=(0.4, 0.4)), load_array("respeaker-2mic"), seed=5, index=0)
    ours, direct = responses(
        scene.room_m, scene.loss, scene.positions_m, scene.mics_m, 3000, RATE, np.random.default_rng(0)
    )
    for name, value in {"rir_hpf_enable": False, "sinc_lut_granularity": TABLE, "num_threads": 1}.items():
        monkeypatch.setitem(pra.parameters._constants, name, value)
    room = pra.ShoeBox(scene.room_m, fs=RATE, materials=pra.Material(1 - math.exp(-2 * scene.loss)), max_order=20)
    room.add_microphone_array(scene.mics_m.T)
    for place in scene.positions_m:
        room.add_source(place)
    room.compute_rir()
    mixing_s = math.sqrt(DENSITY * RATE * scene.room_m.prod() / (4 * math.pi * SPEED_OF_SOUND**3))
    sos = butter(2, HIGH_PASS_HZ, "highpass", fs=RATE, output="sos")
    for position in range(2):
        distance = np.linalg.norm(scene.positions_m[position] - scene.mics_m[0]) / SPEED_OF_SOUND * RATE
        skipped = round(distance + LEAD - direct[position, 0])
        both = int(mixing_s * RATE) - skipped - 2 * LEAD
        for mic in range(2):
            theirs = sosfilt(sos, room.rir[mic][position])[skipped : skipped + both]
            error = ours[position, mic, :both] - theirs
            assert both > 500
            # pyroomacoustics keeps places and times as float32, and cuts a filter's first half sample: -50 dB and less.
            assert 10 * np.log10(np.sum(error**2) / np.sum(theirs**2)) < -45


def test_the_direct_path_is_heard_in_a_booth_too() -> None:
    booth, mics = np.array([0.9, 0.8, 0.8]), np.array([[0.1, 0.1, 0.1]])
    rirs, direct = responses(booth, 1.0, np.array([[0.8, 0.7, 0.7]]), mics, 400, 4000, np.random.default_rng(0))
    at, metres = round(direct[0, 0]), math.dist((0.8, 0.7, 0.7), mics[0])
    assert np.abs(rirs[0, 0, : LEAD - 4]).max() < 0.1 and np.abs(rirs[0, 0, at - 1 : at + 2]).max() > 0.5 / metres


def test_late_arrivals_carry_the_energy_of_all_images() -> None:
    room_m, centre, per_s = np.array([4.0, 3.0, 2.5]), np.array([1.5, 1.2, 1.0]), 20_000.0
    loss = loss_for(0.4, room_m)
    places, walls = images(room_m, np.array([3.0, 2.0, 1.6]), centre, SPEED_OF_SOUND * 0.2)
    late, strengths = late_arrivals(room_m, loss, centre, 0.05, 0.2, per_s, np.random.default_rng(0))
    for begin_s in (0.05, 0.1, 0.15):
        ring = [SPEED_OF_SOUND * begin_s, SPEED_OF_SOUND * (begin_s + 0.05)]
        energies = []
        for where, strength in ((places, np.exp(-loss * walls)), (late, strengths)):
            metres = np.linalg.norm(where - centre, axis=1)
            inside = (metres >= ring[0]) & (metres < ring[1])
            energies.append(np.sum((strength[inside] / metres[inside]) ** 2))
        assert energies[0] == pytest.approx(energies[1], rel=0.15)  # a thousand random directions


def test_the_late_part_is_as_coherent_as_a_diffuse_field() -> None:
    rng, room_m = np.random.default_rng(0), np.array([5.0, 4.0, 3.0])
    mics = np.array([2.0, 1.8, 1.2]) + np.array([[-0.04, 0, 0.03], [0.04, 0, -0.03]])  # 0.1 m apart
    talkers = rng.uniform(0.3, room_m - 0.3, (12, 3))
    rirs, _ = responses(room_m, 0.0, talkers, mics, 9000, RATE, rng)  # walls that absorb nothing: no direction decays
    late = rirs[..., int(0.1 * RATE) :]
    frequencies, cross = csd(late[:, 0], late[:, 1], RATE, nperseg=256)
    powers = [csd(late[:, m], late[:, m], RATE, nperseg=256)[1].real.mean(axis=0) for m in (0, 1)]
    coherence = cross.mean(axis=0).real / np.sqrt(powers[0] * powers[1])
    spoken = (frequencies > 100) & (frequencies < 7500)
    diffuse = np.sinc(2 * frequencies * 0.1 / SPEED_OF_SOUND)  # sin(k d) / (k d)
    # 700 independent segments: a standard error of 0.03 per frequency.
    assert np.abs(coherence - diffuse)[spoken].max() < 0.12
    assert np.sqrt(np.mean((coherence - diffuse)[spoken] ** 2)) < 0.04


def test_rooms_are_drawn_as_configured() -> None:
    array, config = load_array("respeaker-6mic"), RoomConfig(positions=6, separation_deg=30)
    for index in range(20):
        scene = draw_scene(config, array, seed=0, index=index)
        seen = scene.positions_m - scene.centre_m
        azimuths = np.arctan2(seen[:, 1], seen[:, 0])
        for name, value in (("length_m", 0), ("width_m", 1), ("height_m", 2)):
            low, high = getattr(config, name)
            assert low <= scene.room_m[value] <= high
        assert config.rt60_s[0] <= scene.rt60_s <= config.rt60_s[1]
        assert (scene.mics_m > 0).all() and (scene.mics_m < scene.room_m).all()
        distances = np.linalg.norm(seen, axis=1)
        assert (distances >= config.distance_m[0]).all() and (distances <= config.distance_m[1]).all()
        assert (np.minimum(scene.positions_m, scene.room_m - scene.positions_m) >= config.talker_to_wall_m).all()
        pairs = [angle_between(a, b) for n, a in enumerate(azimuths) for b in azimuths[:n]]
        assert math.degrees(min(pairs)) >= 30


def test_dead_rooms_are_drawn_smaller_instead_of_never() -> None:
    config = RoomConfig(length_m=(2.5, 20), width_m=(2.5, 20), height_m=(2.4, 6), rt60_s=(0.1, 0.1), positions=1)
    sizes = [draw_scene(config, load_array("mono"), 0, index).room_m.prod() for index in range(5)]
    assert max(sizes) < 400  # of 2,400 cubic metres


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rt60_s": (0.02, 0.4)}, "rt60_s from 0.02: the smallest room, 3 x 3 x 2.4 m, rings for 0.0"),
        ({"array_height_m": (4.0, 5.0)}, "array_height_m from 4: rooms are at most 3.5 m high"),
        ({"talker_height_m": (3.5, 5.0)}, "talker_height_m from 3.5"),
        ({"distance_m": (12.0, 13.0)}, "distance_m from 12: the diagonal of the largest room"),
        ({"array_to_wall_m": (3.5, 4.0)}, "keeps 3.5 m from walls: no place"),
    ],
)
def test_impossible_rooms_are_refused_before_work_begins(changes: dict[str, tuple[float, float]], said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        check_rooms(RoomConfig(**changes), load_array("respeaker-4mic"))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_an_array_larger_than_the_rooms_is_refused() -> None:
    wide = MicArray("wide", "", "", ((-4.0, 0, 0), (4.0, 0, 0)), (0, 1), 2)
    with pytest.raises(RecipeError, match="wide reaches 4 m from its centre"):
        check_rooms(RoomConfig(), wide)


def test_a_room_without_places_for_its_talkers_says_so() -> None:
    config = RoomConfig(length_m=(3, 3), width_m=(3, 3), distance_m=(2.5, 3), talker_to_wall_m=1.2)
    with pytest.raises(DataError, match="room 4: none of 100 drawn fits: no 8 places at these distances"):
        draw_scene(config, load_array("mono"), seed=0, index=4)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("rt60_s = [0.5, 0.2]", "rt60_s = 0.5 .. 0.2: expected two positive numbers"),
        ("rt60_s = [0.5, nan]", "rt60_s"),
        ("rt60_s = [1, 9]", "rt60_s up to 9: expected at most 5 s"),
        ("length_m = [0, 4]", "length_m = 0 .. 4"),
        ("positions = 0", "positions = 0"),
        ("separation_deg = 50", "separation_deg = 50 for 8 positions"),
        ("talker_to_wall_m = -1", "talker_to_wall_m = -1"),
        ("rt60 = [0.2, 0.4]", "RoomConfig has no rt60"),
        ("rt60_s = ", "not a readable TOML file"),
    ],
)
def test_a_wrong_file_of_rooms_is_refused_by_file_and_field(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "rooms.toml").write_text(line)
    with pytest.raises(RecipeError) as caught:
        load_rooms(tmp_path / "rooms.toml")
    assert str(caught.value).startswith(f"{tmp_path / 'rooms.toml'}: ") and said in str(caught.value)


def test_a_file_of_rooms_overrides_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "rooms.toml").write_text("rt60_s = [0.1, 0.2]\npositions = 3")
    assert load_rooms(tmp_path / "rooms.toml") == RoomConfig(rt60_s=(0.1, 0.2), positions=3)
