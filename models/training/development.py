"""How well a network does on the development set while it is trained: the number by which the best one is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch.distributed

from models.evaluation import metrics
from models.evaluation.scores import separate_with
from models.network import Network

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Pair = tuple[np.ndarray, np.ndarray]  # mixture [mics, n], sources [S, n]


def improvement(gain: Callable[..., float], dev: Sequence[Pair], fabric: Fabric, reference: int = 0) -> float:
    """Mean SI-SDR improvement over the set in dB, the same in every process; each scores its share of the mixtures.

    gain: that of one mixture, of its samples, its sources and the reference microphone.
    """
    gains = [gain(*dev[i], reference) for i in range(fabric.global_rank, len(dev), fabric.world_size)]
    if fabric.world_size > 1:
        parts: list[list[float]] = [[]] * fabric.world_size
        torch.distributed.all_gather_object(parts, gains)
        gains = [parts[i % fabric.world_size][i // fabric.world_size] for i in range(len(dev))]
    return float(np.nanmean(gains))


def gain(network: Network, mixture: np.ndarray, sources: np.ndarray, reference: int = 0) -> float:
    """Mean SI-SDR of the separated sources above that of the mixture at the reference microphone, in dB.

    NaN where all sources are silent, minus infinity where what comes out is not finite.
    """
    return metrics.improvement(separate_with(network)(mixture), sources, mixture[[reference]])
