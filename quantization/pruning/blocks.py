"""Which blocks of a TCN a network can best do without, found by doing without them.

What channels matter says little of it: in a residual network each block goes on from what all before it gave, and two
that matter much by themselves may say the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from models.layers.tcn import TCNBlock
from models.network import Network
from models.training.losses import Objective
from quantization.pruning.importance import Mixture


@torch.no_grad()
def dispensable_blocks(network: Network, count: int, mixtures: Sequence[Mixture], objective: Objective) -> list[str]:
    """The names of so many blocks, one after the other that without which the loss is least."""
    blocks = {n: m for n, m in network.named_modules() if isinstance(m, TCNBlock)}
    if count and count >= len(blocks):
        raise ValueError(f"blocks = {count} of {len(blocks)}: expected to keep one at least")
    gone: list[str] = []
    for _ in range(count):
        losses = {}
        for name in blocks.keys() - set(gone):
            with silenced([blocks[n] for n in (*gone, name)]):
                losses[name] = mean_loss(network, mixtures, objective)
        gone.append(min(losses, key=lambda name: losses[name]))
    return gone


def mean_loss(network: Network, mixtures: Sequence[Mixture], objective: Objective) -> float:
    """The loss over mixtures."""
    total = 0.0
    for mixture, sources in mixtures:
        given, wanted = torch.from_numpy(mixture)[None], torch.from_numpy(sources)[None]
        total += float(objective(network(given), given, wanted, network.delay).mean())
    return total / len(mixtures)


@contextmanager
def silenced(blocks: Sequence[TCNBlock]) -> Iterator[None]:
    """These blocks add nothing for as long as this lasts."""
    held = [parameter for block in blocks for parameter in block.project.parameters()]
    kept = [parameter.clone() for parameter in held]
    for parameter in held:
        parameter.zero_()
    try:
        yield
    finally:
        for parameter, before in zip(held, kept, strict=True):
            parameter.copy_(before)
