"""The stream does what its filters do, exactly as late as it says, whatever the blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk.beamforming.beamformer import SpatialFilter, SpatialFilterConfig
from edge_sdk.beamforming.designs import (
    MVDR,
    DelayAndSum,
    Design,
    MaxSNR,
    RankOneWienerFilter,
    WienerFilter,
)
from edge_sdk.beamforming.masks import DirectionMasks, OutputMasks, ratio_masks
from edge_sdk.beamforming.presence import SpeechPresence
from edge_sdk.beamforming.steering import plane_wave
from edge_sdk.beamforming.stft import STFTConfig
from models.evaluation import beamformers as offline
from tests.edge_sdk.beamforming.scenes import CIRCLE, RATE, heard, spectra_of, white
from tests.edge_sdk.beamforming.two_talkers import (
    AZIMUTHS,
    CONFIG,
    DESIGNS,
    STEERING,
    STFT,
    named,
    scene,
    si_sdr_db,
    talkers,
)


@pytest.mark.parametrize("design", [MVDR(), DESIGNS[-1]], ids=named)  # one that learns, one that does not
@given(cuts=st.lists(st.integers(0, 6000), max_size=12))
@settings(deadline=None, max_examples=4)
def test_any_cut_of_the_stream_gives_the_same_samples(design: Design, cuts: list[int]) -> None:
    _, x, masks = scene(0.375)
    want = SpatialFilter(CONFIG, design).process(x, masks)
    stream, got, done = SpatialFilter(CONFIG, design), [], 0
    for piece in np.split(x, sorted(cuts), axis=1):
        frames = stream.frames(piece.shape[1])
        got.append(stream.process(piece, masks[:, done : done + frames]))
        done += frames
    np.testing.assert_array_equal(np.concatenate(got, axis=1), want)


@pytest.mark.parametrize("stft", [STFT, STFTConfig(512, 64, synthesis=128)])
def test_what_passes_undistorted_comes_out_exactly_as_late_as_declared(stft: STFTConfig) -> None:
    image, _ = talkers(0.5)
    steering = plane_wave(CIRCLE, stft.frequencies_hz(RATE), np.deg2rad(AZIMUTHS[:1]))
    config = SpatialFilterConfig(mics=4, stft=stft)
    reference = np.tile(image[0], (4, 1))  # the same in all microphones: from straight above
    above = np.ones_like(steering)
    stream = SpatialFilter(config, DelayAndSum(above))
    y = np.concatenate([stream.process(reference), stream.flush()], axis=1)
    assert y.shape[1] == image.shape[1] + stream.delay and stream.latency == stream.delay + stft.hop
    np.testing.assert_allclose(y[0, stream.delay :], image[0], rtol=0, atol=1e-6)
    # From a direction, frames are shifted against each other by up to a few samples, within their windows.
    beamed = SpatialFilter(config, DelayAndSum(steering))
    y = np.concatenate([beamed.process(image), beamed.flush()], axis=1)[:, beamed.delay :]
    assert si_sdr_db(y[0].astype(float), image[0].astype(float)) > 30


def test_the_weights_are_those_of_the_offline_baseline_with_the_same_statistics() -> None:
    _, x, masks = scene()
    config = SpatialFilterConfig(mics=4, sources=2, stft=STFT, forget=0.995, every=1)
    stream = SpatialFilter(config, MVDR())
    stream.process(x, masks)
    spectra = spectra_of(x, STFT).transpose(2, 0, 1)  # [M, T, F]
    age = 0.005 * 0.995 ** np.arange(masks.shape[1])[::-1, None]
    for weights, mask in zip(stream.weights, masks, strict=True):
        want = offline.mvdr(offline.covariance(spectra, age * mask), offline.covariance(spectra, age * (1 - mask)))
        np.testing.assert_allclose(weights[1:-1], want[1:-1], rtol=0, atol=1e-4)  # 1e-12 more in its denominators


@pytest.mark.parametrize("design", [MVDR(), WienerFilter(0.5), RankOneWienerFilter(0.5), *DESIGNS[3:6]], ids=named)
def test_filters_with_ideal_masks_take_the_talkers_apart(design: Design) -> None:
    images, x, masks = scene(2.0)
    stream = SpatialFilter(CONFIG, design)
    y = stream.process(x, masks)[:, stream.delay :]
    late = slice(RATE, y.shape[1])  # what a second has taught
    gained = []
    for estimate, image in zip(y, images, strict=True):
        before = si_sdr_db(x[0, late].astype(float), image[0, late].astype(float))
        gained.append(si_sdr_db(estimate[late].astype(float), image[0, late].astype(float)) - before)
    # The noise, 30 dB down, bounds it for signals as loud as their interferer; GEV colours what it lets through.
    assert min(gained) > (4 if isinstance(design, MaxSNR) else 10), gained


def test_renewing_a_part_of_the_frequencies_each_frame_loses_little() -> None:
    images, x, masks = scene(2.0)
    found = []
    for every in (1, 8):
        config = SpatialFilterConfig(mics=4, sources=2, stft=STFT, forget=0.98, every=every)
        stream = SpatialFilter(config, MVDR())
        y = stream.process(x, masks)[:, stream.delay :]
        found.append(si_sdr_db(y[0, RATE:].astype(float), images[0, 0, RATE : y.shape[1]].astype(float)))
    assert found[1] > found[0] - 1


def test_late_masks_are_matched_with_what_was_heard_then() -> None:
    """The statistics of a filter that gets masks three frames late are those of one in time, three frames ago."""
    _, x, masks = scene()
    in_time = SpatialFilter(SpatialFilterConfig(mics=4, sources=2, stft=STFT, every=1), MVDR())
    late = SpatialFilter(SpatialFilterConfig(mics=4, sources=2, stft=STFT, every=1, lag=3), MVDR())
    early, rest = x[:, : -3 * STFT.hop], masks[:, :-3]
    in_time.process(early[:, : rest.shape[1] * STFT.hop], rest)
    padded = np.concatenate([np.zeros_like(masks[:, :3]), rest], axis=1)
    late.process(x[:, : padded.shape[1] * STFT.hop], padded)
    np.testing.assert_allclose(late.weights, in_time.weights, rtol=1e-12, atol=1e-14)


def test_a_masker_is_asked_for_every_frame() -> None:
    _, x, _ = scene()
    masker = DirectionMasks(STEERING)
    masks = np.stack([masker.masks(s) for s in spectra_of(x, STFT)], axis=1)
    want = SpatialFilter(CONFIG, MVDR()).process(x, masks)
    np.testing.assert_array_equal(SpatialFilter(CONFIG, MVDR(), masker).process(x), want)


def test_speech_presence_drives_a_filter_against_steady_noise() -> None:
    """A sound that comes and goes, in the noise of another direction that stays."""
    image = talkers(3.0)[0] * np.repeat(np.arange(30) % 3 == 0, 1600)
    noise = heard(white(3.0, 1, 5), [-60.0])[0] * 0.3
    x = (image + noise).astype(np.float32)
    stream = SpatialFilter(SpatialFilterConfig(mics=4, stft=STFT), WienerFilter(0.5), SpeechPresence(STFT.frequencies))
    y = stream.process(x)[0, stream.delay :]
    late = slice(RATE, len(y))
    target = image[0, late].astype(float)
    assert si_sdr_db(y[late].astype(float), target) > si_sdr_db(x[0, late].astype(float), target) + 6


def test_outputs_of_a_network_become_masks_of_the_mixture() -> None:
    images = talkers(0.5)
    found = OutputMasks(STFT, 2).push(images[:, 0], images[:, 0].sum(axis=0))
    spectra = spectra_of(images[:, 0], STFT)
    powers = np.abs(spectra) ** 2
    np.testing.assert_allclose(found[0], powers[..., 0] / (powers.sum(axis=-1) + 1e-20), atol=1e-3)
    assert found.min() >= 0 and found.sum(axis=0).max() <= 1 + 1e-9
    halves = np.array([[1.0 + 0j], [0.0]])
    np.testing.assert_allclose(ratio_masks(halves, np.array([2.0 + 0j])), [[0.5], [0.0]])
    np.testing.assert_array_equal(ratio_masks(np.zeros((2, 1), complex), np.zeros(1, complex)), 0)


def test_a_reset_filter_is_a_new_one() -> None:
    _, x, masks = scene(0.3)
    stream = SpatialFilter(CONFIG, MVDR())
    want = stream.process(x, masks)
    stream.flush()
    np.testing.assert_array_equal(stream.process(x, masks), want)
