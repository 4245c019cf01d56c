"""Two talkers in noise at a circle of microphones, with ideal masks, and the designs that take them apart."""

from functools import cache

import numpy as np

from edge_sdk.beamforming.beamformer import SpatialFilterConfig
from edge_sdk.beamforming.designs import (
    MVDR,
    DelayAndSum,
    Design,
    MaxSNR,
    NullOthers,
    RankOneWienerFilter,
    SteeredMVDR,
    Superdirective,
    WienerFilter,
)
from edge_sdk.beamforming.steering import diffuse_coherence, plane_wave
from edge_sdk.beamforming.stft import STFTConfig
from tests.edge_sdk.beamforming.scenes import CIRCLE, RATE, heard, spectra_of, white

STFT = STFTConfig(256, 128)
HZ = STFT.frequencies_hz(RATE)
AZIMUTHS = [20.0, 135.0]
STEERING = plane_wave(CIRCLE, HZ, np.deg2rad(AZIMUTHS))
CONFIG = SpatialFilterConfig(mics=4, sources=2, stft=STFT, forget=0.98)
DESIGNS: list[Design] = [
    MVDR(),
    WienerFilter(0.7),
    RankOneWienerFilter(0.7),
    MaxSNR(),
    NullOthers(),
    SteeredMVDR(STEERING),
    DelayAndSum(STEERING),
    Superdirective(STEERING, diffuse_coherence(CIRCLE, HZ)),
]


def named(design: Design) -> str:
    return type(design).__name__


def talkers(seconds: float, seed: int = 0) -> np.ndarray:
    """Images `[2, M, n]` of two sounds that pause at different times, so that bins belong to one or the other."""
    sources = white(seconds, 2, seed)
    sources *= np.repeat(np.random.default_rng(seed).random((2, -(-sources.shape[1] // 800))) > 0.4, 800, axis=1)[
        :, : sources.shape[1]
    ]
    return heard(sources, AZIMUTHS)


def ideal_masks(images: np.ndarray, noise: np.ndarray, stft: STFTConfig = STFT) -> np.ndarray:
    """Ratio masks `[S, T, F]` at the first microphone."""
    powers = np.abs(spectra_of(np.concatenate([images[:, 0], noise[:1]]), stft)).transpose(2, 0, 1) ** 2
    return powers[:-1] / (powers.sum(axis=0) + 1e-20)


@cache
def scene(seconds: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, the mixture with noise 30 dB down, and ideal masks; not to be written to."""
    images = talkers(seconds)
    noise = 0.03 * white(seconds, 4, 100)
    return images, (images.sum(axis=0) + noise).astype(np.float32), ideal_masks(images, noise)


def si_sdr_db(estimate: np.ndarray, target: np.ndarray) -> float:
    scaled = (estimate @ target) / (target @ target) * target
    return float(10 * np.log10((scaled @ scaled) / ((estimate - scaled) @ (estimate - scaled))))
