"""Gains and delays of microphones are measured from what they record, and beams get back what these took."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk.audio.arrays import MicArray, load_array
from edge_sdk.audio.calibration import Calibration
from edge_sdk.beamforming.beamformer import SpatialFilter, SpatialFilterConfig
from edge_sdk.beamforming.designs import DelayAndSum, SteeredMVDR
from edge_sdk.beamforming.mismatch import calibration_from_direction, calibration_from_noise
from edge_sdk.beamforming.steering import plane_wave
from edge_sdk.beamforming.stft import STFTConfig
from edge_sdk.errors import AudioError
from models.data.diffuse import diffuse
from tests.edge_sdk.beamforming.scenes import CIRCLE, RATE, heard, spectra_of, white

STFT = STFTConfig(512, 256)
GAINS_DB, DELAYS = np.array([0.0, 2.5, -2.0, 1.0]), np.array([0.0, 0.4, -0.3, 0.25])
SECONDS = 3.0


def miscalibrated(x: np.ndarray, gains_db: np.ndarray, delays: np.ndarray) -> np.ndarray:
    """Samples `[M, n]` of microphones so much louder and later; periodic."""
    cycles = np.fft.rfftfreq(x.shape[1])
    unequal = 10 ** (gains_db[:, None] / 20) * np.exp(-2j * np.pi * cycles * delays[:, None])
    return np.fft.irfft(np.fft.rfft(x) * unequal, x.shape[1]).astype(np.float32)


@cache
def recorded(azimuth_deg: float = 30.0, noise: float = 0.003, array: MicArray = CIRCLE) -> np.ndarray:
    """A hiss from there, and the microphones' own noise, by default 30 dB below; not to be written to."""
    x = heard(white(SECONDS), [azimuth_deg], array)[0]
    return (x + noise * white(SECONDS, array.mics, 7) / 0.1).astype(np.float32)


@cache
def all_around() -> np.ndarray:
    sound = np.random.default_rng(1).standard_normal((4, round(8 * RATE)))
    return 0.02 * diffuse(sound, CIRCLE.positions_m, RATE)


def measured(x: np.ndarray, azimuth_deg: float = 30.0, array: MicArray = CIRCLE) -> Calibration:
    return calibration_from_direction(x, array, RATE, "test", np.deg2rad(azimuth_deg))


@given(
    gains_db=st.lists(st.floats(-3, 3), min_size=4, max_size=4),
    delays=st.lists(st.floats(-0.5, 0.5), min_size=4, max_size=4),
    azimuth_deg=st.sampled_from([0.0, 30.0, -100.0]),
)
@settings(deadline=None, max_examples=12)
def test_gains_and_delays_are_found_and_taken_back(
    gains_db: list[float], delays: list[float], azimuth_deg: float
) -> None:
    gains, later = np.array(gains_db) - gains_db[0], np.array(delays) - delays[0]
    x = miscalibrated(recorded(azimuth_deg), np.array(gains_db), np.array(delays))
    found = measured(x, azimuth_deg)
    np.testing.assert_allclose(found.gains_db, gains, atol=0.05)
    np.testing.assert_allclose(found.delays, later, atol=0.01)
    again = measured(found.corrected(x, RATE), azimuth_deg)
    np.testing.assert_allclose(again.gains_db, 0, atol=0.2)
    np.testing.assert_allclose(again.delays, 0, atol=0.02)


@given(gains_db=st.lists(st.floats(-3, 3), min_size=4, max_size=4))
@settings(deadline=None, max_examples=6)
def test_noise_from_all_around_tells_gains(gains_db: list[float]) -> None:
    x = miscalibrated(all_around(), np.array(gains_db), np.zeros(4))
    found = calibration_from_noise(x, CIRCLE, RATE, "test")
    np.testing.assert_allclose(found.gains_db, np.array(gains_db) - gains_db[0], atol=0.2)
    assert not any(found.delays) and found.residual_deg is None


def test_frequencies_that_a_recording_does_not_hold_are_left_out() -> None:
    """As of a file that was resampled from 10 kHz."""
    hz = np.fft.rfftfreq(all_around().shape[1], 1 / RATE)
    x = np.fft.irfft(np.fft.rfft(miscalibrated(all_around(), GAINS_DB, np.zeros(4))) * (hz < 5000)).astype(np.float32)
    found = calibration_from_noise(x, CIRCLE, RATE, "test")
    np.testing.assert_allclose(found.gains_db, GAINS_DB, atol=0.2)


def test_what_gains_and_delays_leave_is_told() -> None:
    """A first-order high-pass at 400 Hz in one microphone leaves what no gain and no delay is."""
    x = miscalibrated(recorded(), GAINS_DB, DELAYS)
    plain = measured(x)
    assert plain.residual_db < 0.1 and plain.residual_deg < 0.5
    hz = np.fft.rfftfreq(x.shape[1], 1 / RATE)
    coloured = x.copy()
    coloured[1] = np.fft.irfft(np.fft.rfft(x[1]) / (1 - 400j / np.maximum(hz, 1)), x.shape[1])
    told = measured(coloured)
    assert told.residual_db > 3 * plain.residual_db and told.residual_deg > 1


def sinr_db(calibration: Calibration | None, mismatch: bool, learns: bool) -> float:
    """What a filter towards 30 degrees makes of a talker there and an interferer at 170, both as loud: delay-and-sum,
    or MVDR that takes all it hears for noise and so cancels a talker who is not where the weights say."""
    parts = [*heard(white(SECONDS, 2, 3), [30.0, 170.0]), (0.003 * white(SECONDS, 4, 5) / 0.1).astype(np.float32)]
    if mismatch:
        parts = [miscalibrated(part, GAINS_DB, DELAYS) for part in parts]
    if calibration is not None:
        parts = [calibration.corrected(part, RATE) for part in parts]
    steering = plane_wave(CIRCLE, STFT.frequencies_hz(RATE), np.deg2rad([30.0]))
    design = SteeredMVDR(steering) if learns else DelayAndSum(steering)
    stream = SpatialFilter(SpatialFilterConfig(mics=4, stft=STFT, forget=0.99), design)
    x = sum(parts)
    stream.process(x, np.zeros((1, stream.frames(x.shape[1]), STFT.frequencies)))
    talker, *others = (
        np.abs(np.einsum("fm,tfm->tf", stream.weights[0].conj(), spectra_of(part, STFT))) ** 2 for part in parts
    )
    return float(10 * np.log10(talker.sum() / sum(other.sum() for other in others)))


@pytest.mark.parametrize("learns", [False, True], ids=["das", "mvdr"])
def test_beams_get_back_what_the_mismatch_took(learns: bool) -> None:
    ideal, spoilt = sinr_db(None, False, learns), sinr_db(None, True, learns)
    found = measured(miscalibrated(recorded(), GAINS_DB, DELAYS))
    mended = sinr_db(found, True, learns)
    assert spoilt < ideal - (20 if learns else 0.5)
    assert mended > ideal - (1.5 if learns else 0.2)  # filters of 2 ms end below the highest frequencies


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda x: x[:, :RATE], "1.00 s are too short"),
        (lambda x: 1e-3 * x, "-80 dB of full scale is too quiet"),
        (
            lambda x: np.pad(x, [(0, 0), (0, 2 * x.shape[1])]),
            "is too quiet; expected -60 dB or more throughout",
        ),
        (lambda x: np.clip(20 * x, -1, 1), "0 is clipped, 1 is clipped"),
        (lambda x: x * np.array([[1], [0], [1], [1]]), "microphone 1 is dead"),
        (lambda x: x * np.array([[1], [1], [0.1], [1]]), "microphone 2 is quiet"),
        (lambda x: np.roll(x, 1, axis=0), "would fit"),
        (lambda x: x[[2, 1, 0, 3]], "would fit"),
        (lambda x: np.random.default_rng(0).standard_normal(x.shape) * 0.1, "one direction stands out at"),
        (lambda x: np.tile(np.sin(np.arange(x.shape[1])) * 0.1, (4, 1)), "the sound fills 1 %"),
        (
            lambda x: np.concatenate([x[:, :24_000], x[:, 24_000:] * 10 ** (np.array([[0], [1], [0], [0]]) / 20)], 1),
            "microphone 1 is 1.00 dB louder in one half",
        ),
    ],
)
def test_recordings_that_cannot_tell_are_refused(spoil: object, says: str) -> None:
    with pytest.raises(AudioError, match=says):
        measured(spoil(recorded()).astype(np.float32))  # type: ignore[operator]


def test_a_wrong_direction_is_refused_and_the_right_one_told() -> None:
    with pytest.raises(
        AudioError, match="from 150 degrees.*30 degrees or microphones 0 and 2 in each other's place would fit"
    ):
        measured(recorded(), azimuth_deg=150.0)


def test_one_microphone_cannot_be_compared() -> None:
    one = MicArray("one", "One", "test", ((0.0, 0.0, 0.0),), (0,), 1)
    with pytest.raises(AudioError, match="one has 1 microphone"):
        calibration_from_noise(recorded()[:1], one, RATE, "test")


@pytest.mark.parametrize("name", ["respeaker-usb-v2", "hearing-aid-pair"])
def test_other_arrays_are_calibrated_as_well(name: str) -> None:
    array = load_array(name)
    gains, delays = GAINS_DB[: array.mics], DELAYS[: array.mics]
    found = measured(miscalibrated(recorded(array=array), gains, delays), array=array)
    np.testing.assert_allclose(found.gains_db, gains, atol=0.05)
    np.testing.assert_allclose(found.delays, delays, atol=0.01)
