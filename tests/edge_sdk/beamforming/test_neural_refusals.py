"""What a filter that a network steers makes of silence, dead channels, broken networks and sizes that do not fit."""

import numpy as np
import pytest

from edge_sdk.audio.arrays import load_array
from edge_sdk.beamforming.beamformer import SpatialFilterConfig
from edge_sdk.beamforming.designs import MVDR
from edge_sdk.beamforming.named import BEAMS, OWN, beamformer, design
from edge_sdk.beamforming.neural import NeuralBeamformer
from edge_sdk.beamforming.postfilter import PostFilterConfig
from tests.edge_sdk.beamforming.networks import STFT, Known, scene
from tests.edge_sdk.beamforming.scenes import CIRCLE, RATE, white

CONFIG = SpatialFilterConfig(mics=4, stft=STFT, forget=0.98)
POST = PostFilterConfig()


@pytest.mark.parametrize("beam", BEAMS)
def test_silence_makes_silence_whatever_the_network_gives(beam: str) -> None:
    _, x = scene(0.1)
    stream = beamformer(Known(white(2.0, 2)), RATE, CIRCLE, beam, postfilter=POST)
    quiet = np.zeros((4, 5000), np.float32)
    for sound in (quiet, x):  # from the start, and after sound
        stream.reset()
        stream.process(sound)
        y = stream.process(quiet)[:, stream.delay + stream.config.stft.window :]
        np.testing.assert_array_equal(y, 0)
        assert np.isfinite(stream.filter.weights).all()


@pytest.mark.parametrize("zero", [[2], [0, 3], [0, 1, 2, 3]])
@pytest.mark.parametrize("beam", BEAMS)
def test_channels_of_zeros_from_the_start_are_left_out(beam: str, zero: list[int]) -> None:
    images, mixture = scene(2.0)
    x = mixture.copy()
    x[zero] = 0
    stream = beamformer(Known(images[:, 0]), RATE, CIRCLE, beam, postfilter=POST)
    y = stream.separate(x)
    assert np.isfinite(y).all() and np.isfinite(stream.filter.weights).all()
    if len(zero) == 4:
        assert not y.any()
    else:
        assert 0.05 < np.std(y[:, RATE:]) / np.std(mixture[0, RATE:]) < 2


def test_what_a_broken_network_gives_never_leaves_a_filter() -> None:
    """It is refused at the block in which it comes, and a new stream knows nothing of it."""
    _, x = scene(0.2)
    for bad in (np.nan, np.inf, 1e30):
        known = white(0.2).astype(np.float32)
        known[0, 2000] = bad
        for beam in (*BEAMS, OWN):
            network = Known(known)
            stream = beamformer(network, RATE, CIRCLE, beam, postfilter=POST)
            assert np.isfinite(stream.process(x[:, :1900])).all()
            with pytest.raises(ValueError, match="expected finite ones"):
                stream.process(x[:, 1900:])
            stream.reset()
            network._known[...] = 0
            assert np.isfinite(stream.process(x)).all()


def test_sizes_that_do_not_fit_are_refused() -> None:
    hz = STFT.frequencies_hz(RATE)
    one = Known(np.zeros((1, 9)))
    with pytest.raises(ValueError, match="lag = 2"):
        NeuralBeamformer(one, SpatialFilterConfig(mics=4, stft=STFT, lag=2), MVDR())
    five = Known(np.zeros((5, 9)))
    for beam, network, azimuths, message in [
        ("none", one, None, "expected one of das, mvdr"),
        ("das", one, [0.0, 90.0], "2 look directions for 1 sources"),
        ("das", one, [float("nan")], "look direction"),
        ("gev", one, [0.0], "only das, mvdr, lcmv"),
        ("lcmv", five, None, "5 talkers and 4 microphones"),
    ]:
        with pytest.raises(ValueError, match=message):
            design(beam, CIRCLE, hz, network.sources, azimuths_deg=azimuths)
    with pytest.raises(ValueError, match="expected nothing to steer"):
        beamformer(one, RATE, CIRCLE, OWN, azimuths_deg=[0.0])
    with pytest.raises(ValueError, match="expected one talker, heard by one microphone"):
        beamformer(Known(np.zeros((2, 9))), RATE, CIRCLE, "mvdr", again=one)
    with pytest.raises(ValueError, match="1 microphone"):
        beamformer(one, RATE, load_array("mono"), "mvdr")
    array_network = Known(np.zeros((1, 9)))
    array_network.mics = 6  # type: ignore[misc]
    with pytest.raises(ValueError, match="a network for 6 microphones and 4"):
        NeuralBeamformer(array_network, CONFIG, MVDR())
    for wrong in ({"exponent": 0.0}, {"floor_db": 1.0}):
        with pytest.raises(ValueError, match="expected above 0"):
            PostFilterConfig(**wrong)
