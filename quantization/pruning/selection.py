"""Which channels stay, given how much each matters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from quantization.pruning.config import PruneConfig
from quantization.pruning.dimensions import Dimension
from quantization.pruning.importance import Scores

Kept = dict[str, Tensor]  # by the names of dimensions, the channels that stay, in their order; none: the block goes


def keep_share(dimension: Dimension, scores: Tensor, ratio: float, multiple: int) -> Tensor:
    """The most important channels of one layer, a share of `ratio` fewer, their number a multiple."""
    left = (1 - ratio) * dimension.width
    if left < 1:
        raise ValueError(f"ratio = {ratio} leaves {dimension.name} with its {dimension.width} channels empty: lower it")
    return most_important(scores, rounded(left, multiple, dimension.width))


def keep_layers(dimensions: Sequence[Dimension], scores: Scores, config: PruneConfig, gone: Sequence[str]) -> Kept:
    """The same share of every layer; less of each where whole blocks go besides, so that `ratio` goes in all."""
    staying = [d for d in dimensions if d.name not in gone]
    total, left = sum(d.width for d in dimensions), sum(d.width for d in staying)
    ratio = 1 - min(1.0, (1 - config.ratio) * total / left)
    kept = {name: torch.empty(0, dtype=torch.long) for name in gone}
    return kept | {d.name: keep_share(d, scores[d.name], ratio, config.multiple) for d in staying}


def keep_globally(dimensions: Sequence[Dimension], scores: Scores, config: PruneConfig, gone: Sequence[str]) -> Kept:
    """The most important channels of all layers together, each layer's number a multiple and at least the minimum.

    A layer's channels are taken in groups of `multiple` from its least important ones up, and groups are ranked by
    their mean; so the last channel of a layer never goes before the first.
    """
    if config.importance != "taylor":
        scores = {name: s / s.mean().clamp(min=1e-12) for name, s in scores.items()}
    widths = {d.name: d.width for d in dimensions}
    total, with_blocks = sum(widths.values()), sum(widths[name] for name in gone)
    wanted = config.ratio * total - with_blocks
    groups = [
        (float(group.mean()), d.name, len(group))
        for d in dimensions
        if d.name not in gone
        for group in removable(scores[d.name], config)
    ]
    if wanted > (most := sum(size for _, _, size in groups)):
        raise ValueError(
            f"ratio = {config.ratio} with at least {config.minimum} channels in each layer: at most "
            f"{(with_blocks + most) / total:.2f} can go; lower the ratio or the minimum, or let whole blocks go"
        )
    left, removed = {name: width for name, width in widths.items() if name not in gone}, 0
    for _, name, size in sorted(groups):
        if removed + size / 2 > wanted:
            break
        left[name], removed = left[name] - size, removed + size
    kept = {name: torch.empty(0, dtype=torch.long) for name in gone}
    return kept | {name: most_important(scores[name], width) for name, width in left.items()}


def removable(scores: Tensor, config: PruneConfig) -> list[Tensor]:
    """The importances of a layer's channels that may go, in groups, least important first.

    The first group is what the width is above a multiple.
    """
    ordered = scores.sort().values
    ordered = ordered[: max(0, len(ordered) - config.minimum)]
    first = len(scores) % config.multiple or config.multiple
    sizes = [first] + [config.multiple] * ((len(ordered) - first) // config.multiple)
    return list(ordered[: sum(sizes)].split(sizes)) if first <= len(ordered) else []


def most_important(scores: Tensor, count: int) -> Tensor:
    """The numbers of so many channels, in order."""
    return scores.argsort(descending=True, stable=True)[:count].sort().values


def rounded(width: float, multiple: int, most: int) -> int:
    """The multiple nearest to a width, one at least, but no wider than `most`."""
    return min(most, max(multiple, multiple * round(width / multiple)))
