"""A track keeps its talker and its slot."""

import numpy as np
import pytest

from edge_sdk.beamforming.grid import Direction, wrapped
from edge_sdk.beamforming.tracking import Tracker, TrackerConfig

STEP_S = 0.032


def run(tracker: Tracker, paths_deg: np.ndarray, noise_deg: float = 3.0, seed: int = 0) -> np.ndarray:
    """Azimuths of the slots `[T, slots]` in degrees, NaN where empty, for talkers `[T, S]`, NaN where silent; the order
    of the directions is another in every update."""
    rng, found = np.random.default_rng(seed), []
    for moment in paths_deg:
        seen = [Direction(wrapped(np.deg2rad(a + noise_deg * rng.standard_normal())), 0, 1) for a in moment if a == a]
        rng.shuffle(seen)  # type: ignore[arg-type]
        slots = tracker.update(seen)
        found.append([np.nan if t is None else np.rad2deg(t.azimuth_rad) for t in slots])
    return np.array(found)


def error_deg(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    return np.abs(np.rad2deg(np.angle(np.exp(1j * np.deg2rad(found - true)))))


def test_a_still_talker_is_followed_more_exactly_than_it_is_seen() -> None:
    path = np.full((300, 1), 40.0)
    found = run(Tracker(TrackerConfig(slots=1)), path, noise_deg=5)
    assert np.sqrt(np.mean(error_deg(found[100:], path[100:]) ** 2)) < 3.5


def test_a_talker_walks_round_the_array_across_the_seam() -> None:
    path = np.linspace(100, 460, 500)[:, None]  # 22 degrees a second
    found = run(Tracker(TrackerConfig(slots=1)), path)
    assert error_deg(found[10:], path[10:]).max() < 12
    assert np.median(error_deg(found[10:], path[10:])) < 3


def test_slots_keep_their_talkers_while_these_take_turns_and_pause() -> None:
    time = np.arange(600)
    paths = np.stack([np.full(600, 170.0), np.full(600, -120.0)], axis=1)
    paths[(time // 50) % 3 == 0, 0] = np.nan
    paths[(time // 50) % 3 == 1, 1] = np.nan
    found = run(Tracker(TrackerConfig(slots=2)), paths)
    first, second = (170, -120) if error_deg(found[-1, 0], 170) < 20 else (-120, 170)
    assert error_deg(found[120:, 0], first).max() < 12 and error_deg(found[120:, 1], second).max() < 12


def test_talkers_that_pass_each_other_keep_their_slots() -> None:
    time = np.arange(500)
    paths = np.stack([-60 + 0.24 * time, 60 - 0.24 * time], axis=1)
    found = run(Tracker(TrackerConfig(slots=2, moving_rad=float(np.deg2rad(5)))), paths, noise_deg=1.0)
    swapped = error_deg(found[20, 0], paths[20, 0]) > 20
    assert error_deg(found[-1], paths[-1, ::-1] if swapped else paths[-1]).max() < 10


def test_a_reflection_that_comes_and_goes_takes_no_slot() -> None:
    paths = np.full((200, 2), np.nan)
    paths[:, 0], paths[::20, 1] = 0.0, 90.0
    assert np.isnan(run(Tracker(TrackerConfig(slots=2)), paths)[:, 1]).all()


def test_a_talker_who_left_gives_the_slot_to_the_next() -> None:
    paths = np.full((300, 1), 0.0)
    paths[100:] = 120.0
    found = run(Tracker(TrackerConfig(slots=1, forget_s=2.0)), paths)[:, 0]
    assert error_deg(found[99], 0) < 10 and error_deg(found[101 + int(1.9 / STEP_S)], 0) < 10
    assert error_deg(found[110 + int(2.0 / STEP_S) :], 120).max() < 10


def test_long_silence_leaves_a_track_finite() -> None:
    tracker = Tracker(TrackerConfig(slots=1, forget_s=1e9))
    run(tracker, np.full((20, 1), 30.0))
    run(tracker, np.full((5000, 1), np.nan))
    (track,) = tracker.slots
    assert track is not None and np.isfinite(track.azimuth_rad) and track.unsure_rad <= np.pi * 1.01
    run(tracker, np.full((20, 1), 35.0))
    assert error_deg(np.rad2deg(track.azimuth_rad), 35) < 6


def test_weak_directions_are_passed_over() -> None:
    tracker = Tracker(TrackerConfig(slots=1, confirm=1, least=0.5))
    assert tracker.update([Direction(0.0, 0.0, 0.4)]) == [None]
    assert tracker.update([Direction(0.0, 0.0, 0.6)]) != [None]


def test_configs_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="slots 0"):
        TrackerConfig(slots=0)
    with pytest.raises(ValueError, match="positive"):
        TrackerConfig(step_s=0.0)
