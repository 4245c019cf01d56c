"""A network of an array goes on with more pairs of microphones to look at than it was trained with.

Which pairs a network needs shows late: phases between the first microphone and every other one, say, tell talkers
apart badly who are near the line through the first and the opposite one. So a network that has learned everything else
need not start anew: what it is newly shown weighs nothing at first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from models.tasnet import TasNetConfig
from models.zoo import NetworkConfig


def sees_more(ours: NetworkConfig, theirs: NetworkConfig) -> bool:
    """Whether the first network is the second with more pairs of phases, and nothing else between them differs."""
    if not isinstance(ours, TasNetConfig) or not isinstance(theirs, TasNetConfig):
        return False
    if ours.spatial is None or theirs.spatial is None or ours.background or ours.spatial.features != ("ipd",):
        return False
    alike = replace(theirs, spatial=replace(theirs.spatial, pairs=ours.spatial.pairs))
    return alike == ours and set(theirs.spatial.chosen_pairs) < set(ours.spatial.chosen_pairs)


def blocks(config: NetworkConfig) -> list[tuple[str, tuple[int, int] | None]]:
    """What stands beside each other in the features of a frame, each of one number per bin."""
    assert isinstance(config, TasNetConfig) and config.spatial is not None
    spatial = config.spatial
    return [("level", None), *((part, pair) for part in ("cosine", "sine") for pair in spatial.chosen_pairs)]


def with_more_pairs(
    weights: Mapping[str, Tensor], shapes: Mapping[str, Tensor], ours: NetworkConfig, theirs: NetworkConfig
) -> dict[str, Tensor]:
    """Weights of a network that sees the pairs of `theirs` for one that `sees_more` and has tensors of `shapes`.

    Where a weight has more columns now, they are those of the features; what precedes them stays where it is.
    """
    wanted, known = blocks(ours), blocks(theirs)
    found = dict(weights)
    for name, old in weights.items():
        if old.shape == shapes[name].shape:
            continue
        width = (shapes[name].shape[-1] - old.shape[-1]) // (len(wanted) - len(known))  # columns of a block
        first = old.shape[-1] - width * len(known)
        new = old.new_zeros(shapes[name].shape)
        new[..., :first] = old[..., :first]
        for here, block in enumerate(known):
            there = first + width * wanted.index(block)
            new[..., there : there + width] = old[..., first + width * here : first + width * (here + 1)]
        found[name] = new
    return found
