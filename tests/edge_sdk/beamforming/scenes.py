"""Covariances and sounds whose spatial filters can be said in closed form."""

import numpy as np

from edge_sdk.audio.arrays import MicArray, load_array
from edge_sdk.beamforming.stft import Analysis, STFTConfig
from tests.models.free_field import RATE, images

__all__ = ["CIRCLE", "RATE", "complex_noise", "gain", "heard", "outer", "random_covariance", "spectra_of", "white"]

CIRCLE: MicArray = load_array("respeaker-4mic")


def complex_noise(*shape: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng([seed, *shape])
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def outer(vectors: np.ndarray) -> np.ndarray:
    """`d d^H`, `[..., M]` to `[..., M, M]`."""
    return vectors[..., :, None] * vectors[..., None, :].conj()


def gain(weights: np.ndarray, transfer: np.ndarray) -> np.ndarray:
    """What a filter makes of a sound with these transfers, `[..., M]` both to `[...]`."""
    return np.einsum("...m,...m->...", weights.conj(), transfer)


def random_covariance(*shape: int, mics: int, seed: int = 0) -> np.ndarray:
    """Well-conditioned covariances `[..., M, M]`."""
    half = complex_noise(*shape, mics, 3 * mics, seed=seed)
    return half @ half.conj().swapaxes(-1, -2) / (6 * mics)


def white(seconds: float, sources: int = 1, seed: int = 0) -> np.ndarray:
    """White noise `[S, n]`, 20 dB below full scale."""
    return 0.1 * np.random.default_rng(seed).standard_normal((sources, round(seconds * RATE)))


def heard(sources: np.ndarray, azimuths_deg: list[float], array: MicArray = CIRCLE) -> np.ndarray:
    """Sources `[S, n]` far away in the open at every microphone, `[S, M, n]`."""
    return images(sources, np.asarray(array.positions_m), azimuths_deg)


def spectra_of(x: np.ndarray, config: STFTConfig) -> np.ndarray:
    """Spectra of all whole frames of `[M, n]`, `[T, F, M]`."""
    return np.stack([s.copy() for s in Analysis(config, len(x)).push(x.astype(np.float32))])
