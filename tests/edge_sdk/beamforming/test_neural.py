"""Filters that a network steers: the network's masks in time with the microphones, exactly as late as they say."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_sdk import Separator
from edge_sdk.beamforming.beamformer import SpatialFilter, SpatialFilterConfig
from edge_sdk.beamforming.designs import MVDR, DelayAndSum, Learned
from edge_sdk.beamforming.directions import Found
from edge_sdk.beamforming.fixed import delay_and_sum
from edge_sdk.beamforming.masks import OutputMasks
from edge_sdk.beamforming.named import BEAMS, beamformer
from edge_sdk.beamforming.neural import NeuralBeamformer
from edge_sdk.beamforming.postfilter import PostFilterConfig
from edge_sdk.beamforming.steering import plane_wave
from edge_sdk.beamforming.stft import STFTConfig
from tests.edge_sdk.beamforming.networks import AZIMUTHS, STFT, Known, Passing, scene, si_sdr_db
from tests.edge_sdk.beamforming.scenes import CIRCLE, RATE, outer, white

CONFIG = SpatialFilterConfig(mics=4, stft=STFT, forget=0.98)
POST = PostFilterConfig()


@pytest.fixture(params=["tiny", "carry", "array"])
def network(request: pytest.FixtureRequest, exported_bundle: Callable[[str], Path]) -> Separator:
    """One source and two at one microphone, and two at four."""
    return Separator.open(exported_bundle(request.param))


@pytest.mark.parametrize("postfilter", [None, POST], ids=["", "postfilter"])
def test_any_cut_of_the_stream_gives_the_same_samples(network: Separator, postfilter: PostFilterConfig | None) -> None:
    _, x = scene(0.3)
    stream = NeuralBeamformer(network, CONFIG, MVDR(), postfilter)
    want = stream.separate(x)
    assert want.shape == (network.sources, x.shape[1]) and np.abs(want).max() > 1e-3
    for sizes in ([1] * 150, [1, 127, 1000, 3, 64], [0, 4000]):
        parts = [stream.process(piece) for piece in np.split(x, np.cumsum(sizes), axis=1)]
        np.testing.assert_array_equal(np.concatenate([*parts, stream.flush()], axis=1)[:, stream.delay :], want)


def test_the_filter_gets_masks_of_the_outputs_and_the_microphones_as_late_as_these(network: Separator) -> None:
    _, x = scene(0.3)
    config = SpatialFilterConfig(mics=4, sources=network.sources, stft=STFT, reference=2)
    outputs = network.process(x[2:3] if network.mics == 1 else x)
    count = outputs.shape[1]
    delayed = np.pad(x, [(0, 0), (network.delay, 0)])[:, :count]
    masks = OutputMasks(STFT, network.sources).push(outputs, delayed[2])
    want = SpatialFilter(config, MVDR()).process(delayed, masks)
    stream = NeuralBeamformer(network, config, MVDR())
    got = [stream.process(piece) for piece in np.array_split(x, 9, axis=1)]
    np.testing.assert_array_equal(np.concatenate(got, axis=1), want)


@pytest.mark.parametrize(
    ("late", "block", "hop"), [(0, 1, 16), (24, 8, 16), (5, 48, 16), (7, 12, 16), (0, 16, 16), (30, 30, 20)]
)
def test_latency_is_the_longest_wait_and_no_more(late: int, block: int, hop: int) -> None:
    """Blocks and hops with and without common divisors, over all their positions to each other."""
    config = SpatialFilterConfig(mics=2, stft=STFTConfig(2 * hop, hop))
    stream, quiet = NeuralBeamformer(Known(np.zeros((1, 9)), late, block), config, MVDR()), np.zeros((2, 1), np.float32)
    complete = np.cumsum([stream.process(quiet).shape[1] for _ in range(2 * block * hop)])
    # Output i + delay belongs to sample i, which arrives as number i + 1, counted from its first moment as number i.
    outputs = np.arange(complete[-1])
    waits = np.searchsorted(complete, outputs, side="right") + 1 - (outputs - stream.delay)
    assert waits.max() == stream.latency


@pytest.mark.parametrize("postfilter", [None, PostFilterConfig(floor_db=0.0)], ids=["", "postfilter"])
@pytest.mark.parametrize(("late", "block"), [(0, 1), (64, 64), (77, 100)])
def test_what_passes_undistorted_comes_out_exactly_as_late_as_declared(
    late: int, block: int, postfilter: PostFilterConfig | None
) -> None:
    """A talker who is all there is, the same in all microphones, passes as it is, the post-filter's floor at 0 dB."""
    x = np.tile(white(0.4).astype(np.float32), (4, 1))
    stream = NeuralBeamformer(Known(x[:1], late, block), CONFIG, MVDR(), postfilter)
    y = np.concatenate([stream.process(x), stream.flush()], axis=1)
    assert y.shape[1] == x.shape[1] + stream.delay
    np.testing.assert_allclose(y[0, stream.delay :], x[0], rtol=0, atol=2e-4)  # the loading of MVDR


@pytest.mark.parametrize(
    ("beam", "azimuths"), [*((beam, None) for beam in BEAMS), ("das", AZIMUTHS), ("mvdr", AZIMUTHS)]
)
def test_filters_by_name_take_talkers_apart(beam: str, azimuths: list[float] | None) -> None:
    images, x = scene(2.0)
    stream = beamformer(Known(images[:, 0], 64, 64), RATE, CIRCLE, beam, azimuths_deg=azimuths)
    late = slice(RATE, x.shape[1])
    for y, image in zip(stream.separate(x), images, strict=True):
        gained = si_sdr_db(y[late], image[0, late]) - si_sdr_db(x[0, late], image[0, late])
        # Small arrays hear little of directions by delays alone; GEV colours what it lets through.
        assert gained > {"das": 1, "gev": 3}.get(beam, 8), gained


def test_more_suppression_leaves_less_noise_and_more_distortion() -> None:
    images, _ = scene(2.0)
    noise = 0.3 * white(2.0, 4, 7).astype(np.float32)
    left, bent = [], []
    for suppression in (0.1, 0.5, 0.9):
        stream = beamformer(Known(images[:1, 0]), RATE, CIRCLE, "mwf", suppression)
        stream.process(images[0] + noise)
        weights = stream.filter.weights[0]
        left.append(float(np.sum(np.abs(weights) ** 2)))
        through = np.einsum(
            "fm,fm->f", weights.conj(), plane_wave(CIRCLE, stream.config.stft.frequencies_hz(RATE), np.deg2rad(20.0))
        )
        bent.append(float(np.mean(np.abs(1 - through[5:-5]) ** 2)))
    assert left[0] > left[1] > left[2] and bent[0] < bent[1] < bent[2]


def test_the_delay_and_sum_that_finds_its_directions_looks_at_the_talkers() -> None:
    hz = STFT.frequencies_hz(RATE)
    towards = plane_wave(CIRCLE, hz, np.deg2rad(AZIMUTHS))  # both on the grid
    nobody = np.zeros((len(hz), 4, 4), complex)
    speech = outer(towards)
    for bins in (slice(None), slice(1, None, 4)):
        learned = Learned(speech[:, bins], speech[::-1][:, bins], nobody[bins], np.ones(4, bool), 0, bins)
        np.testing.assert_allclose(
            Found(CIRCLE, hz, DelayAndSum).weights(learned), delay_and_sum(towards[:, bins]), atol=1e-9
        )


def test_a_postfilter_is_a_gain_for_every_bin_of_the_beam() -> None:
    """Where gains are the same at all frequencies they are gains of samples."""
    x = white(0.2).astype(np.float32)[:, : 20 * STFT.hop]
    for mask, gain in ((1.0, 1.0), (0.25, 0.5), (0.0, 0.1)):
        gains = PostFilterConfig(0.5, -20.0).gains(np.full((1, 20, STFT.frequencies), mask))
        np.testing.assert_allclose(gains, gain, rtol=1e-12)
        beam = SpatialFilter(SpatialFilterConfig(mics=1, stft=STFT), DelayAndSum(np.ones((1, STFT.frequencies, 1))))
        y = beam.process(x, None, gains)[:, beam.delay :]
        np.testing.assert_allclose(y, gain * x[:, : y.shape[1]], rtol=0, atol=1e-6)


def test_without_a_beam_the_outputs_of_the_network_pass_and_a_postfilter_works_on_them(network: Separator) -> None:
    _, x = scene(0.3)
    own = NeuralBeamformer(network, CONFIG, None).separate(x)
    want = network.separate(x[:1] if network.mics == 1 else x)
    np.testing.assert_allclose(own, want, rtol=0, atol=1e-6 * max(1, np.abs(want).max()))
    filtered = NeuralBeamformer(network, CONFIG, None, POST).separate(x)
    assert 0.01 < np.sum(filtered**2) / np.sum(own**2) < 1


def test_a_postfilter_takes_noise_off_that_a_beam_cannot() -> None:
    """As much noise as talker, different in every microphone: four of them take at most 6 dB of it off."""
    images, _ = scene(2.0)
    x = (images[0] + 0.5 * white(2.0, 4, 7)).astype(np.float32)
    found = []
    for postfilter in (None, POST):
        stream = beamformer(Known(images[:1, 0]), RATE, CIRCLE, "mvdr", postfilter=postfilter)
        found.append(si_sdr_db(stream.separate(x)[0, RATE:], images[0, 0, RATE:]))
    assert found[1] > found[0] + 1


def test_a_refused_block_leaves_the_stream_as_it_was(network: Separator) -> None:
    _, x = scene(0.2)
    stream = NeuralBeamformer(network, CONFIG, MVDR(), POST)
    want = stream.separate(x)
    first = stream.process(x[:, :1000])
    for wrong in (np.full((4, 10), np.nan, np.float32), np.full((4, 10), np.inf), x[:3], x.astype(np.int16)):
        with pytest.raises(ValueError, match="expected"):
            stream.process(wrong)
    y = np.concatenate([first, stream.process(x[:, 1000:]), stream.flush()], axis=1)
    np.testing.assert_array_equal(y[:, stream.delay :], want)


def test_a_network_that_listens_again_hears_the_beam_and_steers_a_second_one() -> None:
    """As if both were run one after the other, exactly as late as declared, however the stream is cut."""
    images, x = scene(1.0)
    first, again = Known(images[:1, 0], 64, 64), Passing(40, 32)
    stream = beamformer(first, RATE, CIRCLE, "mvdr", again=again)
    beam = beamformer(Known(images[:1, 0], 64, 64), RATE, CIRCLE, "mvdr").separate(x)
    # So late that frames begin at the same samples.
    want = beamformer(Known(beam, stream.network.delay), RATE, CIRCLE, "mvdr").separate(x)
    whole, late = stream.separate(x), slice(RATE // 2, None)
    # Its first beam rings before the first sample, which `want` was not told, and statistics are few in the beginning.
    np.testing.assert_allclose(whole[:, late], want[:, late], rtol=0, atol=1e-3)
    parts = [stream.process(piece) for piece in np.array_split(x, 37, axis=1)]
    cut = np.concatenate([*parts, stream.flush()], axis=1)
    np.testing.assert_array_equal(cut[:, stream.delay :], whole)
    assert stream.delay == 64 + 40 + 2 * stream.filter.delay
    waits = np.cumsum([stream.process(x[:, n : n + 1]).shape[1] for n in range(3 * stream.latency)])
    outputs = np.arange(waits[-1])
    assert (np.searchsorted(waits, outputs, side="right") + 1 - (outputs - stream.delay)).max() <= stream.latency
