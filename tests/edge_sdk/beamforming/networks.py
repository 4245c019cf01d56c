"""Networks that say what they are told or what they hear, and a scene for them."""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from edge_sdk.beamforming.stft import STFTConfig
from tests.edge_sdk.beamforming.scenes import heard, white

STFT = STFTConfig(256, 128)
AZIMUTHS = [20.0, 135.0]


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


class Passing:
    """A network that gives what it hears, so late and in such blocks."""

    mics = sources = 1

    def __init__(self, delay: int, block: int) -> None:
        self.delay, self.block = delay, block
        self.reset()

    def reset(self) -> None:
        self._heard = np.zeros((1, self.delay), np.float32)
        self._pending = 0

    def process(self, x: ArrayLike) -> np.ndarray:
        self._heard = np.concatenate([self._heard, np.asarray(x, np.float32)], axis=1)
        self._pending += np.shape(x)[1]
        count = self._pending // self.block * self.block
        self._pending -= count
        said, self._heard = self._heard[:, :count], self._heard[:, count:]
        return said


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
