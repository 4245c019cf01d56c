"""Talkers around an array, made of noise, and where a localizer finds them; and an array with height."""

from collections.abc import Callable

import numpy as np

from edge_sdk.audio.arrays import MicArray
from edge_sdk.beamforming.localizer import Localizer, LocalizerConfig, Moment
from tests.edge_sdk.beamforming.scenes import CIRCLE, RATE, heard, white

TETRAHEDRON = """
name = "tetrahedron"
title = "Four corners of a cube"
source = "computed"
positions_m = [[0.03, 0.03, 0.03], [0.03, -0.03, -0.03], [-0.03, 0.03, -0.03], [-0.03, -0.03, 0.03]]
channels = [0, 1, 2, 3]
capture_channels = 4
"""


def talking(seconds: float, on: Callable[[np.ndarray], np.ndarray], seed: int) -> np.ndarray:
    """Noise in bursts of a tenth of a second, most of them loud, `[n]`, silent where `on` says so of the time."""
    rng, n = np.random.default_rng(seed), round(seconds * RATE)
    bursts = np.repeat(rng.random(n // 1600 + 1) > 0.3, 1600)[:n]
    return white(seconds, 1, seed)[0] * bursts * on(np.arange(n) / RATE)


def always(time: np.ndarray) -> np.ndarray:
    return np.ones_like(time)


def scene(azimuths: list[float], ons: list[Callable[[np.ndarray], np.ndarray]], seconds: float = 3.0) -> np.ndarray:
    """Talkers in the open with microphones' noise 40 dB below, `[4, n]`."""
    sources = np.stack([talking(seconds, on, seed) for seed, on in enumerate(ons)])
    x = heard(sources, azimuths).sum(axis=0) + 0.001 * white(seconds, 4, seed=9) / 0.1
    return x.astype(np.float32)


def run(x: np.ndarray, array: MicArray = CIRCLE, block: int = 1000, **options: object) -> list[Moment]:
    localizer = Localizer(array, LocalizerConfig(**options))  # type: ignore[arg-type]
    return [m for start in range(0, x.shape[1], block) for m in localizer.process(x[:, start : start + block])]
