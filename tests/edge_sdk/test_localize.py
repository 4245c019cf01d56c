"""Talkers are found and followed."""

from pathlib import Path

import numpy as np
import pytest

from edge_sdk.audio.arrays import load_array
from edge_sdk.beamforming.finders import steered_coherence
from edge_sdk.beamforming.grid import azimuth_grid, wrapped
from edge_sdk.beamforming.localizer import Localizer, LocalizerConfig, Moment, Talker
from edge_sdk.beamforming.srp_phat import SrpPhat
from edge_sdk.beamforming.steering import plane_wave, unit_vectors
from edge_sdk.beamforming.zones import Zone, listened_to
from edge_sdk.localize_command import METHODS, only
from edge_sdk.localize_table import thinned
from tests.edge_sdk.beamforming.scenes import CIRCLE, RATE, complex_noise, outer, white
from tests.edge_sdk.talkers import TETRAHEDRON, always, run, scene, talking


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
