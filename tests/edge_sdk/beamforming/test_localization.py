"""Delays and directions of simulated talkers are found where they are."""

import dataclasses

import numpy as np
import pytest
from pyroomacoustics.doa import MUSIC, SRP

from edge_sdk.audio.arrays import MicArray, load_array
from edge_sdk.beamforming.gcc_phat import gcc_phat, phat
from edge_sdk.beamforming.grid import Grid, azimuth_grid, sphere_grid, wrapped
from edge_sdk.beamforming.music import music
from edge_sdk.beamforming.srp_phat import SrpPhat
from edge_sdk.beamforming.steering import plane_wave, unit_vectors
from edge_sdk.beamforming.stft import STFTConfig
from tests.edge_sdk.beamforming.scenes import CIRCLE, RATE, complex_noise, heard, outer, spectra_of, white

STFT = STFTConfig(512, 256)
HZ = STFT.frequencies_hz(RATE)
CUBE = MicArray(
    "tetrahedron", "", "", ((0.03, 0.03, 0.03), (0.03, -0.03, -0.03), (-0.03, 0.03, -0.03), (-0.03, -0.03, 0.03)),
    (0, 1, 2, 3), 4,
)  # fmt: skip


def degrees_apart(a_rad: float, b_deg: float) -> float:
    return abs(np.rad2deg(wrapped(a_rad - np.deg2rad(b_deg))))


@pytest.mark.parametrize("delay", [-3.7, -1.0, -0.25, 0.0, 0.4, 2.1, 6.55])
def test_delays_are_found_to_a_tenth_of_a_sample(delay: float) -> None:
    x = white(0.128, 1)[0]
    spectrum = np.fft.rfft(x) * np.exp(-2j * np.pi * np.arange(len(x) // 2 + 1) / len(x) * delay)
    y = np.fft.irfft(spectrum, len(x))
    noise = 0.01 * white(0.128, 2, seed=1)
    assert gcc_phat(x + noise[0], y + noise[1], 8) == pytest.approx(delay, abs=0.1)


def test_no_delay_is_beyond_the_largest_and_silence_has_none() -> None:
    x = white(0.1, 2)
    assert abs(gcc_phat(x[0], x[1], 4)) <= 4
    assert gcc_phat(np.zeros(100), np.zeros(100), 4) == 0


@pytest.mark.parametrize("name", ["respeaker-4mic", "respeaker-6mic", "minidsp-uma8"])
@pytest.mark.parametrize("azimuth", [-178.0, -93.3, 0.0, 47.5, 130.0])
def test_steered_power_finds_one_talker_within_a_degree(name: str, azimuth: float) -> None:
    array = load_array(name)
    x = heard(white(0.3, 1), [azimuth], array)[0] + 0.01 * white(0.3, array.mics, seed=2)
    srp = SrpPhat(array, azimuth_grid(array), HZ)
    for spectra in spectra_of(x, STFT):
        srp.update(spectra)
    ((found,),) = srp.directions(1)
    assert degrees_apart(found.azimuth_rad, azimuth) < 1 and found.strength > 0.8


def test_steered_power_finds_two_talkers_and_their_masks_tell_which_is_which() -> None:
    sources = white(1.0, 2, seed=3) * np.repeat(np.random.default_rng(3).random((2, 20)) > 0.3, 800, axis=1)
    images = heard(sources, [-60.0, 45.0])
    x = images.sum(axis=0) + 0.003 * white(1.0, 4, seed=4)
    powers = np.abs(spectra_of(images[:, 0], STFT)) ** 2
    masks = (powers / (powers.sum(axis=-1, keepdims=True) + 1e-12)).transpose(0, 2, 1)  # [T, S, F]
    every = SrpPhat(CIRCLE, azimuth_grid(CIRCLE), HZ, forget=0.99)
    each = SrpPhat(CIRCLE, azimuth_grid(CIRCLE), HZ, forget=0.99, masks=2)
    for spectra, m in zip(spectra_of(x, STFT), masks, strict=True):
        every.update(spectra)
        each.update(spectra, m)
    found = sorted(d.azimuth_rad for d in every.directions(2)[0])
    assert degrees_apart(found[0], -60) < 5 and degrees_apart(found[1], 45) < 5
    (first,), (second,) = each.directions(1)
    assert degrees_apart(first.azimuth_rad, -60) < 2 and degrees_apart(second.azimuth_rad, 45) < 2


def test_a_line_gives_its_side() -> None:
    line = load_array("respeaker-4mic-linear")
    for azimuth in (25.0, 90.0, 140.0):
        srp = SrpPhat(line, azimuth_grid(line), HZ)
        for spectra in spectra_of(heard(white(0.2, 1), [azimuth], line)[0], STFT):
            srp.update(spectra)
        assert degrees_apart(srp.directions(1)[0][0].azimuth_rad, azimuth) < 2


def test_an_array_with_height_tells_elevations() -> None:
    azimuth, elevation = 0.7, -0.5
    lead = unit_vectors(azimuth, elevation) @ (np.asarray(CUBE.positions_m) - CUBE.positions_m[0]).T / 343.0
    x = white(0.3, 1)[0]
    turns = np.exp(2j * np.pi * np.fft.rfftfreq(len(x), 1 / RATE) * lead[:, None])
    srp = SrpPhat(CUBE, sphere_grid(CUBE, np.deg2rad(10)), HZ)
    for spectra in spectra_of(np.fft.irfft(np.fft.rfft(x) * turns, len(x)), STFT):
        srp.update(spectra)
    ((found,),) = srp.directions(1)
    assert degrees_apart(found.azimuth_rad, np.rad2deg(azimuth)) < 1.5
    assert degrees_apart(found.elevation_rad, np.rad2deg(elevation)) < 1.5


def test_the_sum_over_pairs_is_the_power_of_the_steered_sum() -> None:
    """`|sum_m d* y / |y| |^2` holds every pair twice, and each microphone with itself."""
    srp = SrpPhat(CIRCLE, azimuth_grid(CIRCLE), HZ, forget=0.0)
    spectra = complex_noise(len(HZ), 4)
    srp.update(spectra)
    band = (HZ >= 200) & (HZ <= 7000)
    steering = plane_wave(CIRCLE, HZ[band], azimuth_grid(CIRCLE).azimuths_rad)
    steered = np.abs(np.einsum("dfm,fm->df", steering.conj(), phat(spectra)[band])) ** 2
    want = (steered.sum(axis=1) - 4 * band.sum()) / (2 * 6 * band.sum())
    np.testing.assert_allclose(srp.power()[0], want, rtol=0, atol=1e-5)  # float32 products


def reference_scene() -> tuple[np.ndarray, dict[str, object]]:
    """Two talkers as pyroomacoustics wants them: spectra `[M, F, T]`, and what it is made with."""
    images = heard(white(0.6, 2, seed=6), [-100.0, 15.0])
    spectra = spectra_of(images.sum(axis=0) + 0.01 * white(0.6, 4, seed=7), STFT)
    grid = azimuth_grid(CIRCLE, np.deg2rad(2))
    made = {"L": np.asarray(CIRCLE.positions_m)[:, :2].T, "fs": RATE, "nfft": STFT.window, "c": 343.0, "num_src": 2}
    return spectra, {**made, "azimuth": grid.azimuths_rad}


def test_steered_power_is_that_of_pyroomacoustics() -> None:
    spectra, made = reference_scene()
    theirs = SRP(**made)
    theirs.locate_sources(spectra.transpose(2, 1, 0), freq_range=[500.0, 4000.0])
    grid = azimuth_grid(CIRCLE, np.deg2rad(2))
    band = theirs.freq_hz[[0, -1]]
    srp = SrpPhat(CIRCLE, grid, HZ, forget=0.999999, band_hz=(float(band[0]) - 1, float(band[1]) + 1))
    for s in spectra:
        srp.update(s)
    want = theirs.grid.values
    assert np.corrcoef(srp.power()[0], want)[0, 1] > 0.9999
    found = sorted(d.azimuth_rad for d in srp.directions(2)[0])
    there = sorted(wrapped(a) for a in theirs.azimuth_recon)
    assert all(degrees_apart(a, np.rad2deg(b)) <= 1 for a, b in zip(found, there, strict=True))


def test_music_is_that_of_pyroomacoustics() -> None:
    spectra, made = reference_scene()
    theirs = MUSIC(**made)
    theirs.locate_sources(spectra.transpose(2, 1, 0), freq_range=[500.0, 4000.0])
    grid = azimuth_grid(CIRCLE, np.deg2rad(2))
    band = np.isin(np.arange(len(HZ)), theirs.freq_bins)
    covariance = np.einsum("tfm,tfn->fmn", spectra, spectra.conj())[band]
    got = music(covariance, plane_wave(CIRCLE, HZ[band], grid.azimuths_rad), 2)
    np.testing.assert_allclose(got, theirs.grid.values / theirs.grid.values.max(), rtol=1e-6)
    found = sorted(d.azimuth_rad for d in grid.peaks(got, 2, np.deg2rad(20)))
    assert degrees_apart(found[0], -100) < 2 and degrees_apart(found[1], 15) < 2


def test_music_separates_talkers_that_steered_power_sees_as_one() -> None:
    azimuths, grid = [0.0, 25.0], azimuth_grid(CIRCLE, np.deg2rad(1))
    band = (HZ > 500) & (HZ < 2000)
    d = plane_wave(CIRCLE, HZ[band], np.deg2rad(azimuths))
    covariance = outer(d).sum(axis=0) + 1e-3 * np.eye(4)
    steering = plane_wave(CIRCLE, HZ[band], grid.azimuths_rad)
    found = sorted(d.azimuth_rad for d in grid.peaks(music(covariance, steering, 2, normalize=True), 2, np.deg2rad(5)))
    assert all(degrees_apart(f, a) < 1 for f, a in zip(found, azimuths, strict=True))
    steered = np.einsum("dfm,fmn,dfn->d", steering.conj(), covariance, steering).real
    assert (
        len(grid.peaks(steered, 2, np.deg2rad(5))) < 2
        or degrees_apart(grid.peaks(steered, 1, 0.1)[0].azimuth_rad, 12.5) < 5
    )


def test_peaks_are_refined_between_points_and_across_the_seam() -> None:
    grid = azimuth_grid(CIRCLE, np.deg2rad(10))
    for azimuth in (-179.0, 3.3, 176.0):
        power = np.cos(grid.azimuths_rad - np.deg2rad(azimuth))
        (found,) = grid.peaks(power, 3, 0.3)
        assert degrees_apart(found.azimuth_rad, azimuth) < 0.1
    assert grid.peaks(np.zeros(grid.size), 2, 0.3) == []


def test_silence_has_no_direction() -> None:
    srp = SrpPhat(CIRCLE, azimuth_grid(CIRCLE), HZ)
    srp.update(np.zeros((len(HZ), 4), complex))
    assert srp.directions(2) == [[]]
    assert not srp.power().any()
    assert not music(np.zeros((3, 4, 4), complex), complex_noise(5, 3, 4), 1).any()


def test_a_talker_who_is_silent_for_long_is_forgotten_while_another_talks() -> None:
    srp, masks = SrpPhat(CIRCLE, azimuth_grid(CIRCLE), HZ, masks=2), np.ones((2, len(HZ)))
    for frame in range(400):
        masks[1] = frame < 10
        srp.update(complex_noise(len(HZ), 4, seed=frame), masks)
        if frame == 20:
            assert srp.directions(1)[1]
    assert srp.directions(1)[0] and not srp.directions(1)[1]
    assert not srp.power()[1].any()


def test_a_dead_microphone_costs_no_direction() -> None:
    x = heard(white(0.3, 1), [70.0])[0]
    x[1] = 0
    srp = SrpPhat(CIRCLE, azimuth_grid(CIRCLE), HZ)
    for spectra in spectra_of(x, STFT):
        srp.update(spectra)
    assert degrees_apart(srp.directions(1)[0][0].azimuth_rad, 70) < 3


def test_what_an_array_cannot_tell_is_refused() -> None:
    upright = dataclasses.replace(load_array("respeaker-2mic"), positions_m=((0.0, 0.0, 0.0), (0.0, 0.0, 0.1)))
    with pytest.raises(ValueError, match="respeaker-4mic is flat"):
        sphere_grid(CIRCLE)
    with pytest.raises(ValueError, match="tell no azimuth"):
        azimuth_grid(upright)
    with pytest.raises(ValueError, match="at least 2"):
        SrpPhat(load_array("mono"), Grid(np.zeros(1), np.zeros(1), True), HZ)
    with pytest.raises(ValueError, match="no frequency"):
        SrpPhat(CIRCLE, azimuth_grid(CIRCLE), HZ, band_hz=(9000.0, 9500.0))
    with pytest.raises(ValueError, match="one microphone more than talkers"):
        music(np.zeros((3, 4, 4), complex), complex_noise(5, 3, 4), 4)
    with pytest.raises(ValueError, match="expected two of"):
        gcc_phat(np.zeros(10), np.zeros(11), 2)
    with pytest.raises(ValueError, match="NaN"):
        gcc_phat(np.full(10, np.nan), np.zeros(10), 2)
    with pytest.raises(ValueError, match="step"):
        azimuth_grid(CIRCLE, 0.0)
