"""Beams are those of pyroomacoustics on the same recording; `test_localization` says it of SRP-PHAT and MUSIC."""

from types import SimpleNamespace

import numpy as np
import pytest
from pyroomacoustics.beamforming import Beamformer

from edge_sdk.audio.arrays import MicArray, load_array
from edge_sdk.beamforming.fixed import delay_and_sum
from edge_sdk.beamforming.mvdr import steered_mvdr
from edge_sdk.beamforming.steering import plane_wave
from edge_sdk.beamforming.stft import STFTConfig
from tests.edge_sdk.beamforming.scenes import RATE, heard, outer, spectra_of, white

STFT = STFTConfig(256, 128)
HZ = STFT.frequencies_hz(RATE)
LOOK, AWAY = 35.0, -80.0
FAR_M = 1e5
NOISE = 0.01  # of the microphones, of the interferer's power


def far(azimuth_deg: float) -> SimpleNamespace:
    """A source as its methods take them."""
    azimuth = np.deg2rad(azimuth_deg)
    return SimpleNamespace(images=FAR_M * np.array([[np.cos(azimuth)], [np.sin(azimuth)]]))


def recording(array: MicArray) -> np.ndarray:
    """Spectra `[T, F, M]` of a talker and an interferer in the open, with noise of the microphones."""
    images = heard(white(0.3, 2), [LOOK, AWAY], array)
    return spectra_of(images.sum(axis=0) + 0.1 * white(0.3, array.mics, 3), STFT)


@pytest.mark.parametrize("name", ["respeaker-4mic", "respeaker-6mic"])
@pytest.mark.parametrize("method", ["delay-and-sum", "MVDR"])
def test_beams_are_those_of_pyroomacoustics(name: str, method: str) -> None:
    array = load_array(name)
    theirs = Beamformer(np.asarray(array.positions_m)[:, :2].T, RATE, N=STFT.window)
    towards, from_there = plane_wave(array, HZ, np.deg2rad([LOOK, AWAY]))
    if method == "MVDR":
        theirs.rake_max_sinr_weights(far(LOOK), far(AWAY), NOISE * np.eye(array.mics), attn=False)
        ours = steered_mvdr(outer(from_there) + NOISE * np.eye(array.mics), towards, loading=0.0)
    else:
        theirs.rake_delay_and_sum_weights(far(LOOK), attn=False)
        ours = delay_and_sum(towards)
    np.testing.assert_array_equal(theirs.frequencies, HZ)
    # Their phases count from the source, ours from the reference microphone.
    at_reference = [
        theirs.steering_vector_2D_from_point(f, far(LOOK).images, attn=False)[array.reference, 0] for f in HZ
    ]
    weights = theirs.weights.T * np.conj(at_reference)[:, None]
    x = recording(array)
    got, want = (np.einsum("fm,tfm->tf", w.conj(), x) for w in (ours, weights))
    # Waves from 100 km are bent by 1e-8 m over the array: 3e-6 rad.
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4 * np.abs(want).max())
