"""Silence, dead microphones and masks that mislead leave a stream of filters finite; what cannot be is refused."""

import numpy as np
import pytest

from edge_sdk.beamforming.beamformer import SpatialFilter, SpatialFilterConfig
from edge_sdk.beamforming.designs import (
    MVDR,
    DelayAndSum,
    Design,
    MaxSNR,
    NullOthers,
    RankOneWienerFilter,
    Superdirective,
    WienerFilter,
)
from edge_sdk.beamforming.masks import DirectionMasks
from tests.edge_sdk.beamforming.scenes import RATE
from tests.edge_sdk.beamforming.two_talkers import CONFIG, DESIGNS, STEERING, STFT, named, scene, si_sdr_db


@pytest.mark.parametrize("design", DESIGNS, ids=named)
def test_silence_makes_silence_and_leaves_filters_finite(design: Design) -> None:
    _, x, masks = scene(0.3)
    quiet = np.zeros((4, 60 * STFT.hop), np.float32)
    for first in (quiet[:, : 20 * STFT.hop], x):  # from the start, and after sound
        stream = SpatialFilter(CONFIG, design)
        stream.process(first, masks[:, : stream.frames(first.shape[1])] if first is x else np.full((2, 20, 129), 0.5))
        y = stream.process(quiet, np.full((2, stream.frames(quiet.shape[1]), 129), 0.5))
        np.testing.assert_array_equal(y[:, 2 * STFT.window :], 0)
        assert np.isfinite(stream.weights).all()


@pytest.mark.parametrize("mask", [0.0, 1.0])
@pytest.mark.parametrize("design", DESIGNS[:6], ids=named)
def test_one_sided_masks_for_a_long_time_leave_filters_finite(design: Design, mask: float) -> None:
    _, x, masks = scene(0.3)
    config = SpatialFilterConfig(mics=4, sources=2, stft=STFT, forget=0.5)
    stream = SpatialFilter(config, design)
    stream.process(x, masks)
    sided = np.zeros((2, 150, 129))
    sided[0] = mask
    y = stream.process(np.tile(x, 4)[:, : 150 * STFT.hop - x.shape[1] % STFT.hop], sided)
    assert np.isfinite(stream.weights).all() and np.isfinite(y).all() and np.abs(y).max() < 100


@pytest.mark.parametrize("dead", [0, 2])
@pytest.mark.parametrize("design", [MaxSNR(), DESIGNS[-1]], ids=named)
def test_a_microphone_that_dies_is_left_out(design: Design, dead: int) -> None:
    """The reference as well: another one takes its place."""
    images, x, masks = scene(2.0)
    x = np.where((np.arange(4) == dead)[:, None] & (np.arange(x.shape[1]) > RATE // 2), 0, x)
    stream = SpatialFilter(CONFIG, design)
    y = stream.process(x, masks)[:, stream.delay :]
    assert np.isfinite(y).all()
    late = slice(RATE // 2 + RATE, y.shape[1])  # from a second after its death
    reference = 1 if dead == 0 and not isinstance(design, DelayAndSum | Superdirective) else 0
    target = images[0, reference, late].astype(float)
    np.testing.assert_allclose(stream.weights[..., dead], 0, atol=1e-6)
    assert si_sdr_db(y[0, late].astype(float), target) > si_sdr_db(x[reference or 1, late].astype(float), target) - 0.5


def test_until_masks_come_a_learning_filter_is_the_reference_microphone() -> None:
    _, x, _ = scene(0.3)
    stream = SpatialFilter(SpatialFilterConfig(mics=4, sources=2, stft=STFT, reference=3), MVDR())
    y = stream.process(x)[:, stream.delay :]
    np.testing.assert_allclose(y, np.tile(x[3, : y.shape[1]], (2, 1)), rtol=0, atol=1e-6)


def test_masks_of_independent_outputs_that_sum_to_more_than_one_are_taken() -> None:
    _, x, _ = scene(0.3)
    stream = SpatialFilter(CONFIG, NullOthers())
    assert np.isfinite(stream.process(x, np.ones((2, stream.frames(x.shape[1]), 129)))).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"forget": 1.0}, "forget = 1.0"),
        ({"reference": 4}, "reference = 4"),
        ({"every": 0}, "every 0"),
        ({"lag": -1}, "lag = -1"),
    ],
)
def test_sizes_that_cannot_be_are_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SpatialFilterConfig(mics=4, **change)  # type: ignore[arg-type]


def test_samples_and_masks_that_cannot_be_are_refused() -> None:
    stream, x = SpatialFilter(CONFIG, MVDR()), np.zeros((4, 128), np.float32)
    for samples, message in [
        (x[:3], r"expected \[4, n\]"),
        (x.astype(np.int16), "expected floats"),
        (x + np.nan, "NaN"),
    ]:
        with pytest.raises(ValueError, match=message):
            stream.process(samples)
    for masks, message in [
        (np.zeros((2, 2, 129)), r"masks of shape \[2, 2, 129\]: expected \[2, 1, 129\]"),
        (np.full((2, 1, 129), np.nan), "from 0 to 1"),
        (np.full((2, 1, 129), 1.5), "from 0 to 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            stream.process(x, masks)
    with pytest.raises(ValueError, match="other directions"):
        DirectionMasks(STEERING[:1])
    for design in (WienerFilter, RankOneWienerFilter):
        with pytest.raises(ValueError, match="suppression"):
            design(2.0)
