"""Training of a network that looks at an array from several sides: each view by itself, on mixtures of its own.

What several views make of a mixture together is a choice among them that needs no training, so equal parts of every
batch go to each, at the cost of a network of one view.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

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


class ViewTrainer(Trainer):
    """Each view on its part of every batch. Improvement on a development set is that of all views together."""

    def __init__(self, network: TasNet, config: FitConfig, fabric: Fabric | None = None) -> None:
        super().__init__(network, config, fabric, module=OneViewEach(network))
