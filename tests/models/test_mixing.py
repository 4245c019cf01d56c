"""Mixtures are what their numbers say and the same for everyone, with every option and without any."""

import hashlib
import json
import platform
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.contract import from_plain
from edge_sdk.errors import DataError
from models.data.augment import AugmentConfig
from models.data.faults import FaultConfig
from models.data.levels import activity_level
from models.data.mixing import CurriculumConfig, MixConfig, Mixtures
from models.data.spatial import SpatialConfig
from models.spread import spread
from tests.models.conftest import Maker
from tests.models.echoes import EchoRooms
from tests.models.recordings import RATE

ALL = AugmentConfig(
    speech_speed=0.5,
    speech_narrow=0.3,
    reverb=0.5,
    noise_speed=0.5,
    noise_reversed=0.5,
    noise_equalizer=0.5,
    synthetic=0.4,
    most_noises=3,
    narrow=0.3,
    clip=0.3,
    noise_only=0.1,
    speech_only=0.1,
)
FAULTS = FaultConfig(gain=1.0, timing=1.0, dead=0.5, swapped=0.5, clipped=0.5, clock=0.5, clock_jitter_samples=0.2)


def snr_db(example: object, reference: int = 0) -> float:
    heard = example.images[:, reference].sum(axis=0)  # type: ignore[attr-defined]
    noise = example.mixture[reference] - heard  # type: ignore[attr-defined]
    return float(20 * np.log10(activity_level(heard) / activity_level(noise)))


# Of the code before there were options. Elsewhere than on x86-64 compilers fuse multiplications with additions.
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the hashes are of x86-64")
@pytest.mark.parametrize(
    ("changes", "sha256"),
    [
        ({}, "08b65c744dc6f563"),
        ({"sources": 2, "babble": 0.0}, "376909262f1f2574"),
        ({"sources": 2, "noisy": False}, "de97ca1f7dc0cd17"),
        ({"babble": 1.0}, "cb82e0746b6056b5"),
        ({"second_noise": 1.0, "babble": 0.0, "colour": 1.0}, "5bf2138292c17f5a"),
    ],
)
def test_without_options_the_samples_are_those_of_the_first_version(
    make: Maker, changes: dict[str, object], sha256: str
) -> None:
    made, digest = make(seed=5, **changes), hashlib.sha256()
    for index in range(12):
        for signals in made[index]:
            digest.update(signals.tobytes())
    assert digest.hexdigest()[:16] == sha256


def test_a_mixture_is_its_number_and_nothing_else(make: Maker) -> None:
    one, other = make(), make()
    for index in (5, 0, 5):
        for a, b in zip(one[index], other[index], strict=True):
            assert np.array_equal(a, b)
    assert not np.array_equal(one[0][0], one[1][0])
    assert not np.array_equal(one[0][0], make(seed=2)[0][0])


def digest_of(item: tuple[Mixtures, int]) -> str:
    made, index = item
    example = made.example(index)
    signals = (example.mixture, example.sources, example.images)
    return hashlib.sha256(b"".join(s.tobytes() for s in signals) + json.dumps(example.about).encode()).hexdigest()


def test_worker_processes_make_the_same_mixtures_in_any_order(make: Maker) -> None:
    open_air = make(sources=2, augment=ALL, overlap=(0.0, 1.0))
    in_rooms = make(rooms=EchoRooms(), sources=2, augment=ALL, faults=FAULTS)
    items = [(made, index) for made in (open_air, in_rooms) for index in range(6)]
    here = [digest_of(item) for item in items]
    assert list(spread(digest_of, items[::-1], workers=2)) == here[::-1]
    assert len(set(here)) == len(here)


def test_pairs_and_examples_agree(make: Maker) -> None:
    made = make(rooms=EchoRooms(), sources=2, augment=ALL, faults=FAULTS)
    for index in range(4):
        (mixture, sources), example = made[index], made.example(index)
        assert np.array_equal(mixture, example.mixture) and np.array_equal(sources, example.sources)
        assert example.mixture.shape == (4, RATE) and example.images.shape == (2, 4, RATE)
        assert {mixture.dtype, sources.dtype, example.images.dtype} == {np.dtype(np.float32)}
        json.dumps(example.about, allow_nan=False)  # plain data


@pytest.mark.parametrize("snr", [-5.0, 0.0, 12.0])
def test_the_mixture_has_the_asked_ratio_and_level(make: Maker, snr: float) -> None:
    made = make(snr_db=(snr, snr), level_db=(-30.0, -30.0))
    for index in range(8):
        example = made.example(index)
        assert snr_db(example) == pytest.approx(snr, abs=0.01)
        assert 20 * np.log10(np.sqrt(np.mean(example.mixture**2))) == pytest.approx(-30.0, abs=0.01)
        assert example.about["snr_db"] == snr and example.about["level_db"] == pytest.approx(-30.0, abs=0.01)


def test_variations_keep_the_asked_ratio(make: Maker) -> None:
    varied = replace(ALL, clip=0.0, noise_only=0.0, speech_only=0.0)
    made = make(augment=varied, sources=2, between_talkers_db=(3.0, 3.0), babble=0.0)
    for index in range(20):
        example = made.example(index)
        assert snr_db(example) == pytest.approx(example.about["snr_db"], abs=0.1)
        first, second = (activity_level(image[0]) for image in example.images)
        assert 20 * np.log10(first / second) == pytest.approx(3.0, abs=0.1)


def test_loud_mixtures_stay_below_full_scale(make: Maker) -> None:
    made = make(level_db=(0.0, 0.0), rooms=EchoRooms())
    assert max(np.abs(made[i][0]).max() for i in range(5)) < 0.99001


def test_two_talkers_are_two_people(make: Maker) -> None:
    made = make(sources=2, noisy=False)
    for index in range(10):
        example = made.example(index)
        np.testing.assert_allclose(example.mixture[0], example.sources.sum(axis=0), atol=1e-6)
        assert len({Path(talker).parent for talker in example.about["talkers"]}) == 2


def test_an_option_leaves_the_choice_of_recordings_alone(make: Maker) -> None:
    plain = make()
    varied = make(augment=replace(ALL, synthetic=0.0, most_noises=2, noise_only=0.0))
    in_rooms, both = make(rooms=EchoRooms(), faults=FAULTS), make(rooms=EchoRooms(), augment=ALL)
    for index in range(10):
        talkers = plain.example(index).about["talkers"]
        assert talkers == varied.example(index).about["talkers"] == in_rooms.example(index).about["talkers"]
        assert in_rooms.example(index).about["room"] == both.example(index).about["room"]


def test_noise_alone_has_silent_targets_and_speech_alone_is_its_target(make: Maker) -> None:
    noise = make(augment=AugmentConfig(noise_only=1.0), sources=2).example(0)
    assert not noise.sources.any() and not noise.images.any() and noise.mixture.any()
    assert noise.about["talkers"] == [] and noise.about["noises"] and "snr_db" not in noise.about
    speech = make(augment=AugmentConfig(speech_only=1.0)).example(0)
    np.testing.assert_array_equal(speech.mixture, speech.sources)
    assert speech.about["noises"] == []
    both = make(augment=AugmentConfig(noise_only=0.3, speech_only=0.3))
    made = [both.example(i).about for i in range(100)]
    assert 15 < sum(not about["talkers"] for about in made) < 45  # 30 on average, 4.6 the deviation
    assert 15 < sum(not about["noises"] for about in made) < 45


def test_up_to_as_many_noises_as_asked_for(make: Maker) -> None:
    made = make(second_noise=0.7, babble=0.0, augment=AugmentConfig(most_noises=3))
    assert {len(made.example(i).about["noises"]) for i in range(30)} == {1, 2, 3}


def test_made_up_noises_stand_in_for_recordings(make: Maker) -> None:
    made = make(babble=0.0, augment=AugmentConfig(synthetic=0.5))
    names = [name for i in range(40) for name in made.example(i).about["noises"]]
    share = np.mean([name.startswith("synthetic ") for name in names])
    assert 0.25 < share < 0.75 and all(n.startswith(("synthetic ", "noise/")) for n in names)


def test_a_clipped_mixture_keeps_its_targets(make: Maker) -> None:
    level = {"level_db": (-30.0, -30.0), "snr_db": (10.0, 10.0)}
    clipped = make(augment=AugmentConfig(clip=1.0, clip_db=(-6.0, -6.0)), **level).example(0)
    whole = make(**level).example(0)
    assert np.sum(np.abs(clipped.mixture) > 0.9999 * np.abs(clipped.mixture).max()) > 3
    gain = np.vdot(whole.sources, clipped.sources) / np.vdot(whole.sources, whole.sources)
    np.testing.assert_allclose(clipped.sources, gain * whole.sources, atol=1e-6)
    assert np.abs(clipped.mixture).max() == pytest.approx(0.501 * gain * np.abs(whole.mixture).max(), rel=1e-3)


def test_a_curriculum_moves_the_range_of_ratios(make: Maker) -> None:
    easy_first = CurriculumConfig(mixtures=100, snr_db=(20.0, 30.0))
    assert easy_first.range_db(0, (-5.0, 5.0)) == (20.0, 30.0)
    assert easy_first.range_db(50, (-5.0, 5.0)) == (7.5, 17.5)
    assert easy_first.range_db(100, (-5.0, 5.0)) == easy_first.range_db(9999, (-5.0, 5.0)) == (-5.0, 5.0)
    made = make(snr_db=(-5.0, -5.0), curriculum=easy_first)
    assert 20.0 <= snr_db(made.example(0)) <= 30.0
    assert snr_db(made.example(100)) == pytest.approx(-5.0, abs=0.01)
    late = make(snr_db=(-5.0, -5.0))
    assert np.array_equal(made[150][0], late[150][0]), "what comes after it knows nothing of it"


def test_too_few_speakers_or_seconds_are_refused(make: Maker) -> None:
    with pytest.raises(DataError, match="4 speakers: mixtures of 5"):
        make(sources=5, babble=0.0)
    with pytest.raises(DataError, match="the babble of 4"):
        make(babble_talkers=4)
    with pytest.raises(DataError, match="the babble of 5"):
        make(augment=AugmentConfig(most_babble=5))
    with pytest.raises(DataError, match=r"20 s of speech in all for mixtures of 30 s"):
        make(seconds=30.0)
    with pytest.raises(DataError, match=r"9 s of noise in all for mixtures of 10 s"):
        make(seconds=10.0)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"overlap": [0.5, 1.5]}, "overlap"),
        ({"augment": {"reverb": 2.0}}, "augment.reverb = 2.0: expected a chance"),
        ({"augment": {"noise_speeds": [2.0, 0.5]}}, "the lower first"),
        ({"augment": {"speech_speeds": [0.0, 1.0]}}, "expected factors"),
        ({"augment": {"most_noises": 0}}, "most_noises = 0"),
        ({"augment": {"most_babble": 33}}, "most_babble = 33"),
        ({"augment": {"noise_only": 0.6, "speech_only": 0.6}}, "at most 1"),
        ({"augment": {"echo": 0.1}}, "AugmentConfig has no echo"),
        ({"spatial": {"target": "dry"}}, "'image' or 'early' or 'direct'"),
        ({"spatial": {"min_angle_deg": 200.0}}, "min_angle_deg = 200"),
        ({"faults": {"dead": -0.1}}, "faults.dead"),
        ({"faults": {"clock_ppm": 1e6}}, "clock_ppm = 1000000"),
        ({"curriculum": {"mixtures": -1}}, "mixtures = -1"),
    ],
)
def test_impossible_options_are_named(tables: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_plain(MixConfig, tables)


def test_options_come_from_nested_tables() -> None:
    config = from_plain(MixConfig, {"spatial": {"target": "early"}, "augment": {"reverb": 1}, "faults": {"gain": 0.5}})
    assert config == MixConfig(
        spatial=SpatialConfig(target="early"), augment=AugmentConfig(reverb=1.0), faults=FaultConfig(gain=0.5)
    )
