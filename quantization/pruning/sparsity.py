"""Unstructured and N:M pruning: single weights become zero, and every shape stays as it was.

For size after compression, and for targets that profit; `tools/bench_pruning.py` measures what they gain in speed where
it runs. Zeros are written into the weights; nothing holds them there in a later training.
"""

from __future__ import annotations

import copy
import zlib
from typing import Any

import torch
from torch import Tensor, nn

from models.network import Network


def sparse(network: Network, ratio: float) -> Network:
    """A copy without the share of weights of smallest magnitude, each against the root mean square of its matrix."""
    if not 0 < ratio < 1:
        raise ValueError(f"ratio = {ratio}: expected a share of the weights between 0 and 1")
    made = copy.deepcopy(network)
    weights = matrices(made)
    sizes = torch.cat([(w / w.square().mean().sqrt().clamp(min=1e-12)).abs().flatten() for w in weights])
    left = torch.ones_like(sizes, dtype=torch.bool)
    left[sizes.argsort()[: round(ratio * len(sizes))]] = False
    with torch.no_grad():
        for weight, part in zip(weights, left.split([w.numel() for w in weights]), strict=True):
            weight.mul_(part.reshape(weight.shape))
    return made


def n_of_m(network: Network, n: int, m: int) -> Network:
    """A copy in which of every `m` weights in a row only the `n` largest are left; the last ones may be fewer."""
    if not 0 < n < m:
        raise ValueError(f"{n} of {m} weights: expected a positive number of them, and fewer than all")
    made = copy.deepcopy(network)
    with torch.no_grad():
        for weight in matrices(made):
            rows, width = weight.shape
            padded = nn.functional.pad(weight, (0, -width % m)).reshape(rows, -1, m)
            left = torch.zeros_like(padded).scatter_(-1, padded.abs().topk(n, dim=-1).indices, 1.0)
            weight.mul_(left.reshape(rows, -1)[:, :width])
    return made


def matrices(network: Network) -> list[Tensor]:
    """The weights of all layers on features; those on samples, encoder and decoder, stay whole."""
    separator: Any = network.separator
    layers = [layer for layer in separator.modules() if isinstance(layer, nn.Linear | nn.LSTM)]
    return [w.detach() for layer in layers for w in layer.parameters() if w.ndim == 2]


def zeros(network: Network) -> float:
    """The share of those weights that are zero."""
    weights = matrices(network)
    return sum(int((w == 0).sum()) for w in weights) / sum(w.numel() for w in weights)


def compressed_bytes(model: bytes) -> int:
    """What a model takes once it is compressed, for a download or an update."""
    return len(zlib.compress(model, 9))
