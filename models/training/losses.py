"""The loss a recipe names: a table of words made into an objective of estimates, mixtures and sources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from models.objectives import (
    align,
    autoencoding_targets,
    leakage,
    permutation_invariant,
    phase_sensitive_loss,
    si_sdr,
    snr,
    spectral_distance,
)
from models.recipe import LossConfig

SignalLoss = Callable[[Tensor, Tensor], Tensor]


class Objective(Protocol):
    """The loss of each example, `[B]`.

    Estimate `[B, S, n]`, `delay` samples behind the mixture `[B, M, n]` and the sources `[B, S, n]`.
    """

    def __call__(self, estimate: Tensor, mixture: Tensor, sources: Tensor, delay: int) -> Tensor: ...


class Separation:
    """The configured loss of every signal, averaged over the sources under the best assignment of outputs to them.

    reference: the microphone at which the sources are wanted.
    """

    def __init__(self, config: LossConfig, reference: int = 0) -> None:
        self.config, self.reference = config, reference

    def __call__(self, estimate: Tensor, mixture: Tensor, sources: Tensor, delay: int) -> Tensor:
        return self.assigned(estimate, mixture, sources, delay)[0]

    def assigned(self, estimate: Tensor, mixture: Tensor, sources: Tensor, delay: int) -> tuple[Tensor, Tensor]:
        """The loss and which output belongs to which source, `[B]` and `[B, S]`."""
        heard = mixture[:, [self.reference]]
        estimate, both = align(estimate, torch.cat([sources, heard], dim=1), delay)
        sources, heard = both[:, :-1], both[:, -1:]
        if self.config.silent == "mixture":
            sources = autoencoding_targets(heard, sources)
        return permutation_invariant(signal_loss(self.config, heard), estimate, sources)


def signal_loss(config: LossConfig, mixture: Tensor) -> SignalLoss:
    """The loss of estimates and targets `[B, S, n]`, of a mixture `[B, 1, n]`, to `[B, S]`."""
    if config.kind == "phase-sensitive":
        distance = phase_sensitive_loss(mixture)
    else:
        ratio = {"si-sdr": si_sdr, "snr": snr}[config.kind]

        def distance(estimate: Tensor, target: Tensor) -> Tensor:
            return -ratio(estimate, target, config.ceiling_db)

    def loss(estimate: Tensor, target: Tensor) -> Tensor:
        value = distance(estimate, target)
        if config.spectral_weight:
            value = value + config.spectral_weight * spectral_distance(estimate, target)
        if config.silent != "quiet":
            return value
        silent = ~target.any(-1)
        return torch.where(silent, leakage(estimate, mixture, -config.ceiling_db), value)

    return loss
