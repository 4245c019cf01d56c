"""A network goes on with more pairs of microphones than it was trained with: what it knew keeps its weight."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from edge_sdk.errors import CheckpointError
from models.checkpoint import save_network, start_from
from models.layers.dual_path import DualPathConfig
from models.layers.filterbanks import FilterbankConfig
from models.layers.narrow_band import NarrowBandConfig
from models.layers.separators import SeparatorConfig
from models.layers.tcn import TCNConfig
from models.multichannel import SpatialConfig
from models.tasnet import TasNet, TasNetConfig

PAIRS = ((2, 0), (0, 1), (1, 2))
MORE = ((0, 1), (1, 3), (1, 2), (2, 0))  # in another order, the new one among them
BINS, CONTEXT = 17, 3
BLOCKS = TCNConfig(bottleneck=6, hidden=8, skip=4, blocks=3, repeats=1)


def config_of(pairs: tuple[tuple[int, int], ...], separator: SeparatorConfig = BLOCKS) -> TasNetConfig:
    bank = FilterbankConfig(window=16, hop=8, context=16, filters=2 * BINS, start="stft")
    spatial = SpatialConfig(4, pairs=pairs, combine="filter-and-sum")
    return TasNetConfig(
        mask="complex",
        filterbank=bank,
        separator=separator,
        spatial=spatial,
        narrow_band=NarrowBandConfig(CONTEXT, hidden=5),
    )


def features(network: TasNet, coefficients: Tensor) -> Tensor:
    """What a network is shown of the spectra of four microphones, `[B, T, M, 2 * BINS]` to `[B, T, F]`."""
    assert network.spatial is not None
    return network.spatial(coefficients[..., 0, :BINS], coefficients)


@pytest.mark.parametrize("separator", [BLOCKS, DualPathConfig(bottleneck=6, hidden=5, chunk=7, blocks=2)])
def test_old_features_keep_their_weights_and_new_ones_weigh_nothing(separator: SeparatorConfig, tmp_path: Path) -> None:
    torch.manual_seed(1)
    known, more = TasNet(config_of(PAIRS, separator)), TasNet(config_of(MORE, separator))
    save_network(tmp_path / "known.safetensors", known, {})
    start_from(more, tmp_path / "known.safetensors")
    coefficients = torch.randn(2, 7, 4, 2 * BINS)
    before, after = features(known, coefficients), features(more, coefficients)
    assert after.shape[-1] > before.shape[-1]
    first = known.separator.bottleneck, more.separator.bottleneck
    torch.testing.assert_close(first[1](after), first[0](before))
    assert known.narrow_band is not None and more.narrow_band is not None
    shared = []
    for network, shown in ((known, before), (more, after)):
        of_bins = shown.unflatten(-1, (-1, BINS)).transpose(-1, -2)
        rows = torch.cat([torch.ones(*of_bins.shape[:-1], CONTEXT), of_bins], dim=-1)
        shared.append(network.narrow_band.hidden(rows))
    torch.testing.assert_close(shared[1], shared[0])
    others = {name: x for name, x in known.state_dict().items() if x.shape == more.state_dict()[name].shape}
    assert len(others) == len(known.state_dict()) - 2
    assert all(torch.equal(x, more.state_dict()[name]) for name, x in others.items())


@pytest.mark.parametrize(
    "other",
    [
        config_of(MORE[:2]),  # not all that it knew
        replace(config_of(MORE), narrow_band=NarrowBandConfig(CONTEXT, hidden=6)),
        replace(config_of(MORE), background=(4,)),
    ],
)
def test_whatever_else_differs_is_refused(other: TasNetConfig, tmp_path: Path) -> None:
    save_network(tmp_path / "known.safetensors", TasNet(config_of(PAIRS)), {})
    with pytest.raises(CheckpointError, match="make them equal or start anew"):
        start_from(TasNet(other), tmp_path / "known.safetensors")
