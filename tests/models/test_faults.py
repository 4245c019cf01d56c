"""Faulty arrays do what their faults say, and targets stay what the reference's channel carries."""

import numpy as np
import pytest

from models.data.faults import (
    FaultConfig,
    Faults,
    captured,
    delayed,
    draw_faults,
    out_of_step,
    target_gain,
    with_clipping,
)
from models.data.spatial import SpatialConfig
from tests.models.conftest import Maker
from tests.models.echoes import EchoRooms
from tests.models.recordings import RATE

ALL = FaultConfig(gain=1.0, timing=1.0, dead=1.0, swapped=1.0, clipped=1.0, clock=1.0, clock_jitter_samples=0.3)


def field(mics: int = 4, samples: int = 4000) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((mics, samples), dtype=np.float32)


def draw(config: FaultConfig, seed: int, mics: int = 4, reference: int = 0) -> Faults:
    return draw_faults(config, mics, reference, 4000, RATE, np.random.default_rng(seed))


def test_a_sound_array_captures_what_is_there() -> None:
    faults = draw(FaultConfig(), 0)
    assert not faults.any and faults.about() == {}
    np.testing.assert_array_equal(captured(field(), faults), field())
    np.testing.assert_array_equal(with_clipping(field(), faults), field())


def test_gains_are_in_their_range_and_targets_have_that_of_the_reference() -> None:
    for seed in range(20):
        faults = draw(FaultConfig(gain=1.0, gain_db=3.0), seed, reference=1)
        gains = np.std(captured(field(), faults), axis=1) / np.std(field(), axis=1)
        assert np.abs(20 * np.log10(gains)).max() <= 3.0 and np.ptp(gains) > 0
        assert target_gain(faults, 1) == pytest.approx(gains[1], rel=1e-5)


def test_whole_delays_shift_and_fractions_turn_tones_by_their_part() -> None:
    signal = field(1)
    np.testing.assert_allclose(delayed(signal, np.array([3.0]))[0, 3:], signal[0, :-3], atol=1e-5)
    time = np.arange(4000)
    for cycles in (0.05, 0.2, 0.37):
        tone = np.sin(2 * np.pi * cycles * time).astype(np.float32)
        late = delayed(tone[None], np.array([0.4]))[0]
        expected = np.sin(2 * np.pi * cycles * (time - 0.4))
        # Cut off tones ring at their ends; all frequencies have the same delay and their whole level between.
        np.testing.assert_allclose(late[500:-500], expected[500:-500], atol=2e-3)


def test_timing_spares_the_reference_and_stays_in_its_range() -> None:
    for seed in range(20):
        faults = draw(FaultConfig(timing=1.0, timing_samples=0.5), seed, reference=2)
        assert faults.delays[2] == 0.0 and 0 < np.abs(faults.delays).max() <= 0.5
        np.testing.assert_allclose(captured(field(), faults)[2], field()[2], atol=1e-5)


def test_a_dead_microphone_is_silent_and_never_the_reference() -> None:
    dead = {draw(FaultConfig(dead=1.0), seed, reference=1).dead for seed in range(50)}
    assert dead == {0, 2, 3}
    faults = draw(FaultConfig(dead=1.0), 0)
    out = captured(field(), faults)
    silent = [m for m in range(4) if not out[m].any()]
    assert silent == [faults.dead]
    others = [m for m in range(4) if m != faults.dead]
    np.testing.assert_array_equal(out[others], field()[others])


def test_swapped_microphones_are_on_each_others_channels() -> None:
    faults = draw(FaultConfig(swapped=1.0), 0)
    a, b = faults.about()["swapped"]
    out = captured(field(), faults)
    np.testing.assert_array_equal(out[[a, b]], field()[[b, a]])
    others = [m for m in range(4) if m not in (a, b)]
    np.testing.assert_array_equal(out[others], field()[others])


def test_one_microphone_clips_and_targets_do_not() -> None:
    faults = draw(FaultConfig(clipped=1.0, clipped_db=(-6.0, -6.0)), 0)
    mic, _ = faults.clipped  # type: ignore[misc]
    np.testing.assert_array_equal(captured(field(), faults), field())
    out = with_clipping(field(), faults)
    assert np.abs(out[mic]).max() == pytest.approx(0.501 * np.abs(field()[mic]).max(), rel=1e-3)
    others = [m for m in range(4) if m != mic]
    np.testing.assert_array_equal(out[others], field()[others])


@pytest.mark.parametrize(("cycles", "atol"), [(0.05, 1e-4), (0.25, 1e-4), (0.45, 3e-3)])
def test_another_clock_plays_a_tone_at_its_own_pace(cycles: float, atol: float) -> None:
    """Against the formula of the tone, away from its ends, where it is cut off and rings."""
    time, ppm = np.arange(48_000), 200.0
    wander = np.array([0.0, 0.4, -0.3, 0.1, 0.0])
    tone = np.sin(2 * np.pi * cycles * time).astype(np.float32)
    times = time * (1 + ppm * 1e-6) + np.interp(np.linspace(0, 1, 48_000), np.linspace(0, 1, 5), wander)
    taken = out_of_step(tone[None], ppm, wander)[0]
    inside = slice(2000, -2000)
    np.testing.assert_allclose(taken[inside], np.sin(2 * np.pi * cycles * times)[inside], atol=atol)
    assert times[-1] - time[-1] > 9.0  # samples that the boards are apart after three seconds


def test_the_clock_of_the_reference_counts() -> None:
    for seed in range(20):
        faults = draw(FaultConfig(clock=1.0, clock_ppm=100.0), seed, reference=3)
        assert 3 not in faults.apart and len(faults.apart) in (1, 3) and abs(faults.ppm) <= 100.0
        out = captured(field(), faults)
        np.testing.assert_array_equal(out[3], field()[3])
        assert all(np.abs(out[m] - field()[m]).max() > 0.01 for m in faults.apart)


def test_one_microphone_has_no_other_to_differ_from() -> None:
    faults = draw(ALL, 0, mics=1)
    assert set(faults.about()) == {"gains_db", "clipped"}


@pytest.mark.parametrize("name", ["gain", "timing", "dead", "swapped", "clipped", "clock"])
def test_faults_befall_by_their_chance(name: str) -> None:
    befallen = np.mean([draw(FaultConfig(**{name: 0.3}), seed).any for seed in range(500)])
    assert befallen == pytest.approx(0.3, abs=0.08)  # four deviations


@pytest.mark.parametrize("array", ["respeaker-2mic", "respeaker-4mic"])
def test_targets_stay_what_the_reference_channel_carries(make: Maker, array: str) -> None:
    """Whatever is wrong: the image on that channel is the target, swapped microphones and gains included."""
    made = make(rooms=EchoRooms(array), sources=2, faults=ALL)
    swapped = 0
    for index in range(8):
        example = made.example(index)
        np.testing.assert_allclose(example.sources, example.images[:, made.reference], atol=1e-6)
        swapped += made.reference in example.about["faults"]["swapped"]
        assert not example.mixture[example.about["faults"]["dead"]].any()
    assert swapped > 0


def test_early_targets_follow_a_swapped_reference(make: Maker) -> None:
    """The echo rooms delay each microphone by two samples more, which shows whose target it is."""
    fixed = {"noisy": False, "level_db": (-30.0, -30.0), "spatial": SpatialConfig("direct")}
    straight = make(rooms=EchoRooms("respeaker-2mic"), **fixed).example(0).sources[0]
    crossed = make(rooms=EchoRooms("respeaker-2mic"), faults=FaultConfig(swapped=1.0), **fixed).example(0).sources[0]
    np.testing.assert_allclose(crossed[2:], straight[:-2], atol=1e-4)
    assert np.abs(crossed[:-2] - straight[:-2]).max() > 1e-3
