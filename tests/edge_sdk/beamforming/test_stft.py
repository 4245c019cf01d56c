"""Spectra turn back into the samples they came from, exactly as late as declared."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk.beamforming.stft import Analysis, STFTConfig, Synthesis

CONFIGS = [
    STFTConfig(256, 128),
    STFTConfig(512, 128),
    STFTConfig(512, 64, synthesis=128),  # long frames, short wait
    STFTConfig(30, 10),  # three frames over each sample
    STFTConfig(50, 8, synthesis=16),
]


def through(config: STFTConfig, pieces: list[np.ndarray]) -> np.ndarray:
    analysis, synthesis = Analysis(config, len(pieces[0])), Synthesis(config, len(pieces[0]))
    hops = []
    for piece in pieces:
        for spectra in analysis.push(piece):
            hops.append(np.empty((len(piece), config.hop), np.float32))
            synthesis.add(spectra.T, hops[-1])
    return np.concatenate(hops, axis=1)


@pytest.mark.parametrize("config", CONFIGS)
def test_samples_come_back_as_late_as_declared(config: STFTConfig) -> None:
    x = np.random.default_rng(0).standard_normal((3, 20 * config.window)).astype(np.float32)
    y = through(config, [x])
    np.testing.assert_allclose(y[:, : config.delay], 0, atol=1e-15)
    # Float32 sums of the overlapping frames.
    np.testing.assert_allclose(y[:, config.delay :], x[:, : y.shape[1] - config.delay], rtol=0, atol=2e-6)


@pytest.mark.parametrize("config", CONFIGS)
def test_an_output_waits_no_longer_than_the_latency(config: STFTConfig) -> None:
    """A change of the newest sample changes only what is younger than the latency, and changes that."""
    x = (
        np.random.default_rng(1)
        .standard_normal((1, 20 * config.hop * (config.window // config.hop)))
        .astype(np.float32)
    )
    changed = x.copy()
    last = x.shape[1] - 1
    changed[0, last - config.latency + 1] += 1  # the oldest that the last hop of output may still wait for
    differs = np.flatnonzero(np.abs(through(config, [x]) - through(config, [changed])) > 1e-6)
    assert differs.tolist() == [last - config.latency + 1 + config.delay]


@pytest.mark.parametrize("config", CONFIGS[1:3])
@given(cuts=st.lists(st.integers(0, 4000)))
@settings(deadline=None, max_examples=20)
def test_any_cut_of_the_stream_gives_the_same_samples(config: STFTConfig, cuts: list[int]) -> None:
    x = np.random.default_rng(2).standard_normal((2, 4000)).astype(np.float32)
    np.testing.assert_array_equal(through(config, np.split(x, sorted(cuts), axis=1)), through(config, [x]))


def test_equally_long_windows_are_square_roots_of_a_hann_window() -> None:
    config = STFTConfig(64, 32)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(64) / 64)
    np.testing.assert_allclose(config.analysis_taper(), np.sqrt(hann), atol=1e-15)
    np.testing.assert_allclose(config.synthesis_taper(), np.sqrt(hann), atol=1e-15)


@pytest.mark.parametrize(("window", "hop", "synthesis"), [(256, 0, 0), (256, 100, 0), (128, 128, 0), (128, 64, 256)])
def test_windows_that_do_not_fit_are_refused(window: int, hop: int, synthesis: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        STFTConfig(window, hop, synthesis)
