"""Training of a network that looks at an array from several sides: each view by itself, on mixtures of its own.

What several views make of a mixture together is a choice among them that needs no training, so equal parts of every
batch go to each, at the cost of a network of one view. A view cannot order talkers that are equally far towards its
first microphone, and is not taken where they are; so in most batches the other view may get them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor, nn

from edge_sdk.audio.arrays import MicArray
from models.data.example import Example
from models.data.mixing import Mixtures
from models.layers.views import SOURCES
from models.recipe import FitConfig
from models.tasnet import TasNet
from models.training.trainer import Trainer

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class OneViewEach(nn.Module):
    """Sources of mixtures `[B, M, n]`, `[B, S, n]`, the first part of the batch by the first view, and so on."""

    def __init__(self, network: TasNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, mixture: Tensor) -> Tensor:
        network, (batch, mics, samples) = self.network, mixture.shape
        views = network.config.views
        padded = nn.functional.pad(mixture, (0, -samples % network.hop)).flatten(0, 1)
        frames, _ = network.frames.step(padded, network.frames.init_state(len(padded)))
        coefficients = network.filterbank.encode(frames.unflatten(0, (batch, mics)).transpose(1, 2))
        memory = network.masks_state(batch)
        sources, _ = network.separate_views(coefficients.unflatten(0, (views, -1)), memory)  # [V, B / V, T, S, N]
        windows = network.filterbank.decode(sources.flatten(0, 1)).transpose(1, 2).flatten(0, 1)
        y, _ = network.overlap_add.step(windows, network.overlap_add.init_state(len(windows)))
        return y.unflatten(0, (batch, -1))[..., :samples]


def apart(azimuths_deg: list[float], array: MicArray, mic: int) -> float:
    """How much further one of two talkers is than the other towards a microphone from the array's centre, 0 to 2."""
    positions = np.asarray(array.positions_m)[:, :2]
    x, y = positions[mic] - positions.mean(axis=0)
    first, second = np.cos(np.radians(azimuths_deg) - np.arctan2(y, x))
    return float(abs(first - second))


class SuitedToViews:
    """Mixtures for a loader of batches: in `share` of the batches those come first that suit the first of two views.

    firsts: the microphone with which each view begins. Mixtures whose talkers' places are not known stay in between.
    """

    def __init__(self, mixtures: Mixtures, firsts: tuple[int, int], share: float) -> None:
        self.mixtures, self.firsts, self.share = mixtures, firsts, share

    def __getitems__(self, numbers: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
        examples = [self.mixtures.example(number) for number in numbers]
        if np.random.default_rng([self.mixtures.seed, min(numbers)]).random() < self.share:
            examples.sort(key=self.suits_first, reverse=True)
        return [(example.mixture, example.sources) for example in examples]

    def suits_first(self, example: Example) -> float:
        """How much better the first view can order the talkers than the second, -2 to 2."""
        azimuths = example.about.get("azimuths_deg", [])
        if self.mixtures.rooms is None or len(azimuths) != SOURCES:
            return 0.0
        first, second = (apart(azimuths, self.mixtures.rooms.array, mic) for mic in self.firsts)
        return first - second


class ViewTrainer(Trainer):
    """Each view on its part of every batch. Improvement on a development set is that of all views together."""

    def __init__(self, network: TasNet, config: FitConfig, fabric: Fabric | None = None) -> None:
        super().__init__(network, config, fabric, module=OneViewEach(network))
        first, second = network.config.spatial.views
        self.firsts = first[0], second[0]

    def loaded(self, mixtures: Mixtures) -> SuitedToViews:
        return SuitedToViews(mixtures, self.firsts, self.config.suited)
