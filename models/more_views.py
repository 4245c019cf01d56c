"""A network of one view of an array goes on with several: the first view is as it was, and the others nearly so.

An array that looks the same when it is turned sounds the same, too: what the network learned of one view holds in the
others, but that the wanted microphone has another place in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from models.tasnet import TasNetConfig
from models.zoo import NetworkConfig

LAYER = "narrow_band.output"


def looks_from_more_sides(ours: NetworkConfig, theirs: NetworkConfig) -> bool:
    """Whether the first network is the second but for several views where that has one."""
    if not isinstance(ours, TasNetConfig) or not isinstance(theirs, TasNetConfig):
        return False
    if ours.spatial is None or theirs.spatial is None or not ours.spatial.views or theirs.spatial.views:
        return False
    if ours.spatial.reference or ours.spatial.views[0] != tuple(range(ours.spatial.mics)):
        return False  # the first view is not what a single one sees
    return replace(ours, spatial=replace(ours.spatial, views=())) == theirs


def with_more_views(weights: Mapping[str, Tensor], ours: NetworkConfig) -> dict[str, Tensor]:
    """Weights of a network of one view for one of those of `ours`.

    Filters of all microphones say together what is to pass: in a view where the wanted microphone has another place,
    the one that has it starts with their sum.
    """
    assert isinstance(ours, TasNetConfig) and ours.spatial is not None
    spatial, found = ours.spatial, dict(weights)
    for kind in ("weight", "bias"):
        rows = found.pop(f"{LAYER}.{kind}").unflatten(0, (ours.sources, spatial.mics, 2))
        for number, view in enumerate(spatial.views):
            at, turned = view.index(spatial.reference), torch.zeros_like(rows)
            turned[:, at] = rows.sum(1)
            found[f"{LAYER}.{number}.{kind}"] = (rows if at == spatial.reference else turned).flatten(0, 2)
    return found
