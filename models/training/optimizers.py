"""What turns gradients into steps: AdamW for everything, or Muon for the matrices and AdamW for the rest.

Muon makes the step of a matrix orthogonal (Jordan et al., 2024): every direction of it learns at the same rate. Its
steps are scaled as large as AdamW's (Liu et al., 2025, "Muon is scalable for LLM training"), so that both share one
learning rate.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

from models.recipe import FitConfig

# What each remembers of a parameter.
MOMENTS: dict[type[Optimizer], tuple[str, ...]] = {
    AdamW: ("step", "exp_avg", "exp_avg_sq"),
    Muon: ("momentum_buffer",),
}
BETAS = (0.9, 0.99)


def make_optimizers(network: nn.Module, config: FitConfig) -> list[Optimizer]:
    """Matrices decay; scales and biases do not; a filterbank has a learning rate of its own, and AdamW always."""
    bank = getattr(network, "filterbank", None)
    filterbank = list(bank.parameters()) if isinstance(bank, nn.Module) else []
    for parameter in filterbank:
        parameter.requires_grad_(config.filterbank_rate > 0)
    own = {id(p) for p in filterbank}
    rest = [p for p in network.parameters() if id(p) not in own]
    matrices = [p for p in rest if p.ndim > 1]
    orthogonal = layer_weights(network, own) if config.optimizer == "muon" else []
    taken = {id(p) for p in orthogonal}
    rates: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    groups = [
        {"params": [p for p in matrices if id(p) not in taken], **rates},
        {"params": [p for p in rest if p.ndim < 2], **rates, "weight_decay": 0.0},
    ]
    if config.filterbank_rate > 0:
        groups.append({"params": filterbank, "lr": config.filterbank_rate, "weight_decay": 0.0})
    optimizers: list[Optimizer] = [AdamW(groups, betas=BETAS)]
    if orthogonal:
        optimizers.append(Muon(orthogonal, **rates, adjust_lr_fn="match_rms_adamw"))
    return optimizers


def layer_weights(network: nn.Module, without: set[int]) -> list[Tensor]:
    """The matrices of all linear layers and LSTMs but the filterbank's."""
    layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.LSTM)]
    return [p for layer in layers for p in layer.parameters(recurse=False) if p.ndim == 2 and id(p) not in without]
