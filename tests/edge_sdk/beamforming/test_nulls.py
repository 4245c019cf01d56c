"""Zones to keep are where filters look, zones to null are what they do not hear, as far as microphones can tell."""

from functools import cache

import numpy as np
import pytest

from edge_sdk.audio.arrays import load_array
from edge_sdk.beamforming.beamformer import SpatialFilter, SpatialFilterConfig
from edge_sdk.beamforming.designs import DelayAndSum, Learned, SteeredMVDR
from edge_sdk.beamforming.directions import Found
from edge_sdk.beamforming.fixed import superdirective
from edge_sdk.beamforming.lcmv import lcmv
from edge_sdk.beamforming.measures import beam_pattern_db, white_noise_gain_db
from edge_sdk.beamforming.named import STEERED, beamformer, design, stft_for
from edge_sdk.beamforming.nulls import LOUDEST, nulls_for, zone_coherence
from edge_sdk.beamforming.steering import plane_wave
from edge_sdk.beamforming.zones import Zone
from tests.edge_sdk.beamforming.networks import Known, si_sdr_db
from tests.edge_sdk.beamforming.scenes import CIRCLE, RATE, heard, outer, white

STFT = stft_for(RATE)
HZ = STFT.frequencies_hz(RATE)
LOOK, AWAY = 20.0, 110.0
LOOKING, LEAVING = plane_wave(CIRCLE, HZ, np.deg2rad([LOOK, AWAY]))


def zone(start_deg: float, end_deg: float) -> Zone:
    return Zone(*np.deg2rad([start_deg, end_deg]))


POINT = zone(AWAY, AWAY)


def learned(speech: np.ndarray, noise: np.ndarray, heard: np.ndarray | None = None) -> Learned:
    mics = np.ones(4, bool) if heard is None else heard
    return Learned(speech, noise, noise[0], mics, int(np.argmax(mics)), slice(None))


NOTHING = learned(np.zeros((1, len(HZ), 4, 4), complex), np.broadcast_to(np.eye(4, dtype=complex), (1, len(HZ), 4, 4)))


@cache
def interferer() -> np.ndarray:
    """White noise from 300 Hz on, from a direction, `[M, n]`; below, so small an array tells no directions apart."""
    x = white(1.5, 1, 4)[0]
    spectrum = np.fft.rfft(x)
    spectrum[np.fft.rfftfreq(len(x), 1 / RATE) < 300] = 0
    return heard(np.fft.irfft(spectrum, len(x))[None], [AWAY])[0].astype(np.float32)


@pytest.mark.parametrize("beam", STEERED)
def test_an_interferer_in_the_open_is_30_db_down_where_a_null_lies_on_it(beam: str) -> None:
    """At the output of the stream, in which each frame is filtered as if the sound went round in it."""
    stream = SpatialFilter(
        SpatialFilterConfig(mics=4, stft=STFT), design(beam, CIRCLE, HZ, 1, azimuths_deg=[LOOK], null=[POINT])
    )
    quiet = 1e-3 * white(0.5, 4, 3).astype(np.float32)  # the noise of the microphones is all that is learned
    stream.process(quiet, np.zeros((1, stream.frames(quiet.shape[1]), STFT.frequencies)))
    y = stream.process(interferer())[0, STFT.window :]
    down_db = 10 * np.log10(np.mean(y**2) / np.mean(interferer()[0] ** 2))
    assert down_db < -30
    np.testing.assert_allclose(np.einsum("fm,fm->f", stream.weights[0].conj(), LOOKING), 1, rtol=1e-9)


@pytest.mark.parametrize("width", [0.0, 30.0, 60.0])
def test_nulls_leave_the_look_direction_as_it_is_and_never_cost_more_white_noise_gain_than_they_may(
    width: float,
) -> None:
    nulls = nulls_for(LOOKING[None], zone_coherence(CIRCLE, HZ, [zone(AWAY - width / 2, AWAY + width / 2)])[None])
    weights = DelayAndSum(LOOKING[None], nulls).weights(NOTHING)
    np.testing.assert_allclose(np.einsum("fm,fm->f", weights[0].conj(), LOOKING), 1, rtol=1e-9)
    assert white_noise_gain_db(weights, LOOKING).min() > -10.01
    told_apart = HZ > 1000
    across = plane_wave(CIRCLE, HZ, np.deg2rad(np.linspace(AWAY - width / 2, AWAY + width / 2, 7)))
    mean_db = 10 * np.log10(np.mean(10 ** (beam_pattern_db(weights, across)[:, told_apart] / 10)))
    assert mean_db < {0.0: -55, 30.0: -25, 60.0: -12}[width]  # four microphones have three zeros
    deepest = nulls.strength[0] == LOUDEST
    assert deepest[told_apart].all() and not deepest[1:5].any()


def test_delay_and_sum_with_nulls_is_superdirective_against_sound_from_the_zones() -> None:
    """Where the white-noise gain is what limits both."""
    from_zone = zone_coherence(CIRCLE, HZ, [zone(90, 150)])
    nulls = nulls_for(LOOKING[None], from_zone[None])
    limited = nulls.strength[0] < 0.9 * LOUDEST
    got, want = DelayAndSum(LOOKING[None], nulls).weights(NOTHING), superdirective(LOOKING[None], from_zone)
    np.testing.assert_allclose(got[:, limited], want[:, limited], rtol=1e-4, atol=1e-6)
    assert limited.sum() > 5


def test_steered_lcmv_is_lcmv_where_microphones_tell_the_talkers_apart() -> None:
    noise = np.eye(4) + 0.1 * outer(plane_wave(CIRCLE, HZ, 2.5))
    both = learned(np.zeros((2, len(HZ), 4, 4), complex), np.stack([noise, noise]))
    got = design("lcmv", CIRCLE, HZ, 2, azimuths_deg=[LOOK, AWAY]).weights(both)
    want = lcmv(noise, np.stack([LOOKING, LEAVING]))
    np.testing.assert_allclose(got[:, 40:], want[:, 40:], rtol=0, atol=3e-3)  # nulls of 60 dB, not of 80


def test_filters_look_in_the_zones_to_keep_and_not_in_those_to_null() -> None:
    """At the one of two who has fewer of the frequencies, when the other is outside; not at the slope of that peak."""
    fewer = np.random.default_rng(0).random(len(HZ)) < 0.4
    both = learned(outer(np.where(fewer[:, None], LOOKING, LEAVING))[None], NOTHING.noise)
    strongest = Found(CIRCLE, HZ, DelayAndSum).weights(both)
    assert beam_pattern_db(strongest, LEAVING[None]).min() > -0.5  # the grid has every fifth degree
    for zones in ({"keep": [zone(-30, 95)]}, {"null": [zone(100, 120)]}):
        for steered in (DelayAndSum, SteeredMVDR):
            weights = Found(CIRCLE, HZ, steered, **zones).weights(both)
            below_aliasing = HZ < 2500  # where five degrees more or less matter little
            assert beam_pattern_db(weights, LOOKING[None])[0, below_aliasing].min() > -1


def test_a_dead_microphone_takes_no_part_in_nulls() -> None:
    alive = np.array([True, True, False, True])
    for beam in STEERED:
        made = design(beam, CIRCLE, HZ, 1, azimuths_deg=[LOOK], null=[POINT])
        weights = made.weights(learned(NOTHING.speech, NOTHING.noise * np.outer(alive, alive), alive))
        np.testing.assert_allclose(weights[..., 2], 0, atol=1e-9)
        np.testing.assert_allclose(np.einsum("fm,fm->f", weights[0].conj(), LOOKING), 1, rtol=1e-9)
        assert beam_pattern_db(weights, LEAVING[None])[0, 20:].max() < -30


@pytest.mark.parametrize("beam", ["das", "mvdr"])
def test_a_talker_in_a_zone_to_null_is_taken_off_whom_the_network_takes_for_one(beam: str) -> None:
    """A network that does not tell two talkers apart; the zone does."""
    sources = white(2.0, 2, 8)
    images = heard(sources, [LOOK, AWAY])
    x = (images.sum(axis=0) + 1e-3 * white(2.0, 4, 9)).astype(np.float32)
    known = images[:, 0].sum(axis=0)[None]
    late = slice(RATE, x.shape[1])
    gained = []
    for null in ([], [zone(AWAY - 10, AWAY + 10)]):
        y = beamformer(Known(known), RATE, CIRCLE, beam, null=null).separate(x)[0]
        gained.append(si_sdr_db(y[late], images[0, 0, late]) - si_sdr_db(x[0, late], images[0, 0, late]))
    assert gained[1] > gained[0] + 5 and gained[1] > 8


@pytest.mark.parametrize(
    ("beam", "options", "said"),
    [
        ("gev", {"null": [POINT]}, "only das, mvdr, lcmv take them"),
        ("mwf", {"keep": [POINT]}, "only das, mvdr, lcmv take them"),
        ("lcmv", {"null": [POINT]}, "a look direction for each source, too"),
        ("mvdr", {"null": [zone(0, 40)], "azimuths_deg": [LOOK]}, "look direction 20: expected one outside"),
        ("das", {"keep": [zone(0, 40)], "azimuths_deg": [LOOK]}, "expected one of them"),
        ("das", {"keep": [zone(0, 40)], "null": [zone(-10, 50)]}, "leave no azimuth"),
        ("mvdr", {"keep": [zone(1, 2)]}, "leave no azimuth"),
        ("lcmv", {"azimuths_deg": [float("nan")]}, "look direction"),
    ],
)
def test_zones_that_cannot_be_are_refused(beam: str, options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        design(beam, CIRCLE, HZ, 1, **options)  # type: ignore[arg-type]


def test_a_line_of_two_has_nulls_as_well() -> None:
    pair = load_array("respeaker-2mic")
    made = design("das", pair, HZ, 1, azimuths_deg=[90.0], null=[zone(0, 0)])
    two = Learned(
        *(np.zeros((1, len(HZ), 2, 2), complex),) * 2, np.zeros((len(HZ), 2, 2)), np.ones(2, bool), 0, slice(None)
    )
    weights = made.weights(two)
    hz = (HZ > 1000) & (HZ < 2500)
    assert beam_pattern_db(weights, plane_wave(pair, HZ, np.array([0.0])))[0, hz].max() < -40
