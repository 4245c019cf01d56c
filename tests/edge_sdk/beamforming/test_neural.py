"""Filters that a network steers: the network's masks in time with the microphones, exactly as late as they say."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike

from edge_sdk import Separator
from edge_sdk.audio.arrays import load_array
from edge_sdk.beamforming.beamformer import SpatialFilter, SpatialFilterConfig
from edge_sdk.beamforming.designs import MVDR, Learned
from edge_sdk.beamforming.directions import FoundDelayAndSum
from edge_sdk.beamforming.fixed import delay_and_sum
from edge_sdk.beamforming.masks import OutputMasks
from edge_sdk.beamforming.named import BEAMS, beamformer, design
from edge_sdk.beamforming.neural import NeuralBeamformer
from edge_sdk.beamforming.postfilter import PostFilter, PostFilterConfig
from edge_sdk.beamforming.steering import plane_wave
from edge_sdk.beamforming.stft import STFTConfig
from tests.edge_sdk.beamforming.scenes import CIRCLE, RATE, heard, outer, white

STFT = STFTConfig(256, 128)
CONFIG = SpatialFilterConfig(mics=4, stft=STFT, forget=0.98)
AZIMUTHS = [20.0, 135.0]
POST = PostFilterConfig()


class Known:
    """A network that gives what it is told, `[S, n]`, so late and in such blocks; 1 microphone."""

    mics = 1

    def __init__(self, sources: np.ndarray, delay: int = 0, block: int = 1) -> None:
        self.sources, self.delay, self.block = len(sources), delay, block
        self._known = np.pad(sources.astype(np.float32), [(0, 0), (delay, 0)])
        self.reset()

    def reset(self) -> None:
        self._taken = self._given = 0

    def process(self, x: ArrayLike) -> np.ndarray:
        begin, self._taken = self._given, self._taken + np.shape(x)[1]
        self._given = self._taken // self.block * self.block
        said = self._known[:, begin : self._given]
        return np.pad(said, [(0, 0), (0, self._given - begin - said.shape[1])])


@cache
def scene(seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Images `[2, M, n]` of two sounds that pause at different times, and their mixture with noise 30 dB down; not to
    be written to."""
    sources = white(seconds, 2)
    talking = np.repeat(np.random.default_rng(1).random((2, -(-sources.shape[1] // 800))) > 0.4, 800, axis=1)
    images = heard(sources * talking[:, : sources.shape[1]], AZIMUTHS)
    return images, (images.sum(axis=0) + 0.03 * white(seconds, 4, 100)).astype(np.float32)


def si_sdr_db(estimate: np.ndarray, target: np.ndarray) -> float:
    estimate, target = estimate.astype(float), target.astype(float)
    scaled = (estimate @ target) / (target @ target) * target
    return float(10 * np.log10((scaled @ scaled) / ((estimate - scaled) @ (estimate - scaled))))


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
            FoundDelayAndSum(CIRCLE, hz).weights(learned), delay_and_sum(towards[:, bins]), atol=1e-9
        )


def test_a_postfilter_is_its_gains_one_frame_of_masks_for_one_of_beams() -> None:
    beams = white(0.2).astype(np.float32)[:, : 20 * STFT.hop]
    post, frames = PostFilter(PostFilterConfig(0.5, -20.0), STFT, 1), 20
    for mask, gain in ((1.0, 1.0), (0.25, 0.5), (0.0, 0.1)):
        y = post.process(beams, np.full((1, frames, STFT.frequencies), mask))
        post.reset()
        settled = slice(2 * STFT.window, None)  # the frames before the masks are silent
        want = gain * beams[0, : -post.delay]
        np.testing.assert_allclose(y[0, post.delay :][settled], want[settled], atol=1e-6)
    moving = np.random.default_rng(0).random((1, frames, STFT.frequencies))
    whole = post.process(beams, moving)
    post.reset()
    halves = [post.process(beams[:, : 7 * 128], moving[:, :7]), post.process(beams[:, 7 * 128 :], moving[:, 7:])]
    np.testing.assert_array_equal(np.concatenate(halves, axis=1), whole)


def test_a_postfilter_takes_noise_off_that_a_beam_cannot() -> None:
    """As much noise as talker, different in every microphone: four of them take at most 6 dB of it off."""
    images, _ = scene(2.0)
    x = (images[0] + 0.5 * white(2.0, 4, 7)).astype(np.float32)
    found = []
    for postfilter in (None, POST):
        stream = beamformer(Known(images[:1, 0]), RATE, CIRCLE, "mvdr", postfilter=postfilter)
        found.append(si_sdr_db(stream.separate(x)[0, RATE:], images[0, 0, RATE:]))
    assert found[1] > found[0] + 1


@pytest.mark.parametrize("beam", BEAMS)
def test_silence_makes_silence_whatever_the_network_gives(beam: str) -> None:
    _, x = scene(0.1)
    stream = beamformer(Known(white(2.0, 2)), RATE, CIRCLE, beam, postfilter=POST)
    quiet = np.zeros((4, 5000), np.float32)
    for sound in (quiet, x):  # from the start, and after sound
        stream.reset()
        stream.process(sound)
        y = stream.process(quiet)[
            :, stream.delay + 2 * stream.config.stft.window :
        ]  # the filter's and the post-filter's
        np.testing.assert_array_equal(y, 0)
        assert np.isfinite(stream.filter.weights).all()


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
        ("gev", one, [0.0], "only das and mvdr"),
        ("lcmv", five, None, "5 talkers and 4 microphones"),
    ]:
        with pytest.raises(ValueError, match=message):
            design(beam, CIRCLE, hz, network.sources, azimuths_deg=azimuths)
    with pytest.raises(ValueError, match="1 microphone"):
        beamformer(one, RATE, load_array("mono"), "mvdr")
    array_network = Known(np.zeros((1, 9)))
    array_network.mics = 6  # type: ignore[misc]
    with pytest.raises(ValueError, match="a network for 6 microphones and 4"):
        NeuralBeamformer(array_network, CONFIG, MVDR())
    for wrong in ({"exponent": 0.0}, {"floor_db": 1.0}):
        with pytest.raises(ValueError, match="expected above 0"):
            PostFilterConfig(**wrong)
