"""A microphone that breaks is left out of beams within a second, and taken in again when it is well."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from edge_sdk.beamforming.beamformer import SpatialFilter, SpatialFilterConfig
from edge_sdk.beamforming.covariance import forgetting
from edge_sdk.beamforming.designs import MVDR, DelayAndSum, Design, WienerFilter
from edge_sdk.beamforming.named import beamformer, design
from edge_sdk.beamforming.neural import NeuralBeamformer
from edge_sdk.beamforming.steering import plane_wave
from edge_sdk.beamforming.watch import FADE_S, MicrophoneWatch
from tests.edge_sdk.beamforming.networks import AZIMUTHS, STFT, Known, scene, si_sdr_db
from tests.edge_sdk.beamforming.scenes import CIRCLE, RATE, white

SECONDS, BREAKS_S, WELL_S = 10.0, 2.0, 3.6
SEEN_S, TRUSTED_S = 2.4, 4.4  # at the end of the first window with the fault, and of the second without
LEARNED_S = TRUSTED_S + 5.0  # statistics of 2 s know it to 90 %
CONFIG = SpatialFilterConfig(mics=4, sources=2, stft=STFT, forget=forgetting(2.0, STFT.hop, RATE))
STEERING = plane_wave(CIRCLE, STFT.frequencies_hz(RATE), np.deg2rad(AZIMUTHS))


def at(*seconds: float) -> slice:
    return slice(*(round(s * RATE) for s in seconds))


def spoilt(fault: str, mic: int) -> np.ndarray:
    """The mixture, a microphone of which is faulty for a while."""
    x, when = scene(SECONDS)[1].copy(), at(BREAKS_S, WELL_S)
    broken = x[mic, when]
    if fault == "dead":
        broken[:] = 1e-4 * white(WELL_S - BREAKS_S, 1, 5)[0]
    elif fault == "clipped":
        np.clip(40 * broken, -1, 1, out=broken)
    else:
        broken += 0.5
    return x


def outputs(x: np.ndarray, beam: str, watched: bool, stand_in: int = 0) -> np.ndarray:
    """Sources of a network that knows them as the reference hears them, which is another one while that is faulty."""
    images = scene(SECONDS)[0]
    known, meanwhile = images[:, 0].copy(), at(SEEN_S, TRUSTED_S)
    known[:, meanwhile] = images[:, stand_in, meanwhile]
    chosen = design(beam, CIRCLE, STFT.frequencies_hz(RATE), 2, azimuths_deg=AZIMUTHS if beam == "das" else None)
    return NeuralBeamformer(Known(known), CONFIG, chosen, None, RATE if watched else None).separate(x)


@cache
def unharmed(beam: str) -> np.ndarray:
    return outputs(scene(SECONDS)[1], beam, watched=True)


def quality_db(y: np.ndarray, when: slice, reference: int = 0) -> float:
    images = scene(SECONDS)[0]
    return float(np.mean([si_sdr_db(y[s, when], images[s, reference, when]) for s in range(2)]))


@pytest.mark.parametrize("beam", ["mvdr", "das"])
@pytest.mark.parametrize("fault", ["dead", "clipped", "offset"])
@pytest.mark.parametrize("mic", [0, 1], ids=["reference", "other"])
def test_a_faulty_microphone_costs_little_after_a_second(beam: str, fault: str, mic: int) -> None:
    """Three microphones instead of four; without a watch, much is lost where they are needed most."""
    x, stand_in = spoilt(fault, mic), 1 if mic == 0 else 0
    # A fixed beam looks from the reference, whichever microphones it sums; others give talkers as the stand-in does.
    heard_at = stand_in if beam == "mvdr" else 0
    watched, plain = outputs(x, beam, True, stand_in), outputs(x, beam, False)
    broken, later = at(BREAKS_S + 1, WELL_S), at(LEARNED_S, SECONDS)
    never = quality_db(unharmed(beam), broken)
    assert quality_db(watched, broken, heard_at) > never - 3.0
    gained_db = -0.2  # the statistics of the other microphones know by themselves what the loss of one means
    if beam == "das" and fault != "dead":
        gained_db = 4.0
    elif beam == "mvdr" and mic == 0 and fault != "offset":
        gained_db = 10.0
    assert quality_db(watched, broken, heard_at) > quality_db(plain, broken) + gained_db
    assert quality_db(watched, later) > quality_db(unharmed(beam), later) - 2.0  # a tenth is missing


def test_any_cut_of_the_stream_gives_the_same_samples() -> None:
    x = spoilt("clipped", 0)[:, : round(5 * RATE)]
    chosen = design("mvdr", CIRCLE, STFT.frequencies_hz(RATE), 2)
    known = scene(SECONDS)[0][:, 0].copy()
    stream = NeuralBeamformer(Known(known), CONFIG, chosen, None, RATE)
    want = stream.separate(x)
    for size in (6400, 6399, 1000, 20_000):  # judgements fall every 6400 samples
        pieces = np.split(x, range(size, x.shape[1], size), axis=1)
        parts = [stream.process(piece) for piece in pieces]
        np.testing.assert_array_equal(np.concatenate([*parts, stream.flush()], axis=1)[:, stream.delay :], want)


@pytest.mark.parametrize("chosen", [MVDR(), WienerFilter(0.7), DelayAndSum(STEERING)], ids=lambda d: type(d).__name__)
def test_what_is_not_trusted_is_as_if_it_were_not_there(chosen: Design) -> None:
    """Four microphones without the second are the other three, but for the loading, which is a mean over all."""
    x = scene(2.0)[1]
    left = [0, 2, 3]
    masks = np.random.default_rng(0).random((2, SpatialFilter(CONFIG, chosen).frames(x.shape[1]), STFT.frequencies)) / 2
    four = SpatialFilter(CONFIG, chosen)
    four.trust([True, False, True, True])
    spoilt_x = x.copy()
    spoilt_x[1] = white(2.0, 1, 8)[0] * 10
    same = DelayAndSum(STEERING[..., left]) if isinstance(chosen, DelayAndSum) else chosen
    want = SpatialFilter(replace(CONFIG, mics=3), same).process(x[left], masks)
    # The fixed beam takes the change up with its first frame, and the one before that is still in the output.
    np.testing.assert_allclose(four.process(np.clip(spoilt_x, -1, 1), masks)[:, 256:], want[:, 256:], atol=2e-3)


def test_a_change_makes_no_click() -> None:
    """Of a low tone nothing is heard above 2 kHz when a microphone is left out or taken in, to -60 dB."""
    time = np.arange(3 * RATE) / RATE
    x = np.tile(0.3 * np.sin(2 * np.pi * 200 * time), (4, 1)).astype(np.float32)
    x[1] *= 0.5
    stream = SpatialFilter(replace(CONFIG, sources=1, forget=0.9), DelayAndSum(STEERING[:1]))
    parts = [stream.process(x[:, :RATE])]
    before = stream.weights.copy()
    stream.trust([True, False, True, True])
    parts.append(stream.process(x[:, RATE : 2 * RATE]))
    assert not stream.weights[..., 1].any()
    stream.trust([True] * 4)
    parts.append(stream.process(x[:, 2 * RATE :]))
    np.testing.assert_allclose(stream.weights, before, atol=1e-12)
    y = np.concatenate(parts, axis=1)[0, 2048:]
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y)))) ** 2
    above = np.fft.rfftfreq(len(y), 1 / RATE) > 2000
    assert spectrum[above].sum() < 1e-6 * spectrum.sum()


def test_the_network_hears_another_microphone_without_a_step() -> None:
    tone = np.sin(2 * np.pi * 100 * np.arange(2 * RATE) / RATE)
    x = (np.linspace(0.2, 0.5, 4)[:, None] * tone).astype(np.float32)
    x[0, RATE // 2 :] = 0
    watch = MicrophoneWatch(4, RATE, reference=0)
    heard = np.concatenate([watch.replaced(piece) for piece in watch.pieces(x)], axis=1)
    seen = np.flatnonzero(heard[0] != x[0])[0]
    assert RATE // 2 < seen <= RATE // 2 + 0.8 * RATE
    fade = round(FADE_S * RATE)
    np.testing.assert_array_equal(heard[0, seen + fade :], x[1, seen + fade :])
    assert np.abs(np.diff(heard[0, seen - 1 : seen + fade])).max() < 0.03  # twice what the tone itself makes
    np.testing.assert_array_equal(heard[1:], x[1:])


def test_silence_says_nothing_about_microphones() -> None:
    watch = MicrophoneWatch(4, RATE)
    for piece in watch.pieces(np.zeros((4, 2 * RATE), np.float32)):
        np.testing.assert_array_equal(watch.replaced(piece), piece)
    assert watch.good == (True,) * 4


@pytest.mark.parametrize("mics", [[True] * 3, [False] * 4])
def test_trust_needs_somebody_to_trust(mics: list[bool]) -> None:
    with pytest.raises(ValueError, match=r"expected \[4\] of which one is true"):
        SpatialFilter(CONFIG, MVDR()).trust(mics)


def test_beams_by_name_watch_their_microphones() -> None:
    """And are as new after a reset."""
    x = scene(SECONDS)[1][:, : 2 * RATE].copy()
    x[2] = 0
    stream = beamformer(Known(scene(SECONDS)[0][:, 0]), RATE, CIRCLE, "das", azimuths_deg=AZIMUTHS)
    stream.process(x)
    assert not stream.filter.weights[..., 2].any()
    stream.reset()
    assert stream.filter.weights[..., 2].any()
