"""Two-step training of a TasNet: the filterbank first, then the separator in its coefficients (Tzinis et al., 2020).

In the first step the separator is replaced by what the sources themselves say: each source's share of the mixture's
coefficients, which the decoder turns into samples. In the second the filterbank stays as it is and the separator learns
those shares, without ever decoding: a loss among coefficients is a bound of the one among samples.

Both are trainings of their own, of two recipes, the second of which starts with the first one's checkpoint.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from models.evaluation.metrics import si_sdr
from models.objectives import latent_targets, negative_latent_si_sdr, permutation_invariant
from models.recipe import FitConfig
from models.tasnet import TasNet
from models.training.trainer import Trainer

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Resynthesis(nn.Module):
    """What the filterbank of a network can separate at best: sources from a mixture of which everything is known.

    Shape: mixture `[B, 1, n]` and sources `[B, S, n]` to `[B, S, n]`, late by the network's delay.
    """

    def __init__(self, network: TasNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, mixture: Tensor, sources: Tensor) -> Tensor:
        heard, wanted = encoded(self.network, mixture, sources)
        frames = self.network.filterbank.decode(latent_targets(heard, wanted)).flatten(0, 1)
        samples, _ = self.network.overlap_add.step(frames, self.network.overlap_add.init_state(len(frames)))
        return samples.unflatten(0, sources.shape[:2])[..., : sources.shape[-1]]


class LatentSeparation(nn.Module):
    """The loss of a network's masked coefficients against those shares, under the best assignment.

    Shape: mixture `[B, 1, n]` and sources `[B, S, n]` to `[B]`.
    """

    def __init__(self, network: TasNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, mixture: Tensor, sources: Tensor) -> Tensor:
        heard, wanted = encoded(self.network, mixture, sources)
        separated = self.network.masked(heard).transpose(1, 2)  # [B, S, T, N]
        target = latent_targets(heard, wanted)
        return permutation_invariant(negative_latent_si_sdr, separated.flatten(2), target.flatten(2))[0]


def encoded(network: TasNet, mixture: Tensor, sources: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients of the mixture `[B, T, N]` and of its sources `[B, S, T, N]`, as masks see them."""
    signals = torch.cat([mixture, sources], dim=1)
    padded = nn.functional.pad(signals.flatten(0, 1), (0, -signals.shape[-1] % network.hop))
    frames, _ = network.frames.step(padded, network.frames.init_state(len(padded)))
    coefficients = network.filterbank.activate(network.filterbank.encode(frames), frames).unflatten(
        0, signals.shape[:2]
    )
    return coefficients[:, 0], coefficients[:, 1:]


class FilterbankTrainer(Trainer):
    """The first step. Its improvement on a development set is what the filterbank can reach, not what is reached."""

    def __init__(self, network: TasNet, config: FitConfig, fabric: Fabric | None = None) -> None:
        network.separator.requires_grad_(False)
        super().__init__(network, config, fabric, module=Resynthesis(network))

    def losses(self, mixture: Tensor, sources: Tensor) -> Tensor:
        estimate = self.forward(mixture, sources)
        return self.objective(estimate, mixture, sources, self.network.delay)

    @torch.no_grad()
    def gain(self, mixture: np.ndarray, sources: np.ndarray, reference: int) -> float:
        late = [np.pad(x, ((0, 0), (0, self.network.delay))) for x in (mixture, sources)]
        known = self.fabric.to_device([torch.from_numpy(x)[None] for x in late])
        estimate = Resynthesis(self.average.network)(*known)[0, :, self.network.delay :].cpu().numpy()
        return float(np.nanmean(si_sdr(estimate, sources) - si_sdr(mixture, sources)))


class SeparatorTrainer(Trainer):
    """The second step."""

    def __init__(self, network: TasNet, config: FitConfig, fabric: Fabric | None = None) -> None:
        super().__init__(network, replace(config, filterbank_rate=0.0), fabric, module=LatentSeparation(network))

    def losses(self, mixture: Tensor, sources: Tensor) -> Tensor:
        losses: Tensor = self.forward(mixture, sources)
        return losses


# By what of the network is fitted.
TRAINERS = {"": Trainer, "filterbank": FilterbankTrainer, "separator": SeparatorTrainer}
