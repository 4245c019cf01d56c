"""What stays after channels are cut away computes what it computed before."""

from dataclasses import replace

import pytest
import torch

from models.contract import check_latency, verify_contract
from models.layers.recurrent import StackedLSTMConfig
from models.layers.tcn import TCNConfig
from models.network import Network
from models.tasnet import TasNet
from models.zoo import build, config_from_dict, config_to_dict
from quantization.pruning.dimensions import FILTERS, Dimension, filter_dimension, hidden_dimensions
from quantization.pruning.surgery import shrink
from tests.quantization.pruning.networks import COMPLEX, GATED, PLAIN, SEPARATORS, TINY, network, sound

FLOAT32 = 1e-5  # sums in another order, outputs being of the order of one


def halves(dimensions: list[Dimension]) -> dict[str, torch.Tensor]:
    """Every other channel of each."""
    return {d.name: torch.arange(0, d.width, 2) for d in dimensions}


@torch.no_grad()
def silence(net: Network, dimensions: list[Dimension], kept: dict[str, torch.Tensor]) -> None:
    """Make the channels that are not kept count for nothing: zero weights wherever they go."""
    weights = dict(net.named_parameters())
    for d in dimensions:
        gone = torch.ones(d.width, dtype=torch.bool)
        gone[kept[d.name]] = False
        for part in d.slices:
            if part.leaving:
                weights[part.tensor].movedim(part.axis, 0)[gone.repeat(part.times)] = 0


@pytest.mark.parametrize("name", SEPARATORS)
def test_channels_that_count_for_nothing_are_cut_without_a_change(name: str) -> None:
    net, x = network(SEPARATORS[name]), sound()
    dimensions = hidden_dimensions(net)
    kept = halves(dimensions)
    silence(net, dimensions, kept)
    small = shrink(net, dimensions, kept)
    assert small.config.separator.hidden == 4
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in net.parameters())
    torch.testing.assert_close(small(x), net(x), rtol=0, atol=FLOAT32)


@pytest.mark.parametrize("name", SEPARATORS)
@pytest.mark.parametrize("bank", [PLAIN, GATED, COMPLEX], ids=["plain", "gated", "complex"])
def test_filters_that_count_for_nothing_are_cut_without_a_change(name: str, bank: object) -> None:
    separator = replace(SEPARATORS[name], norm="batch")
    check_filters(network(separator, bank, "complex" if bank is COMPLEX else "sigmoid"))


@pytest.mark.parametrize("bank", [PLAIN, COMPLEX], ids=["plain", "complex"])
def test_filters_go_from_running_means_too(bank: object) -> None:
    separator = replace(TINY, norm="batch")
    check_filters(network(separator, bank, "complex" if bank is COMPLEX else "sigmoid", background=(3, 20)))


def check_filters(net: TasNet) -> None:
    """The first filter, or bin, counts for nothing and is cut."""
    x, dimension = sound(), filter_dimension(net)
    kept = {FILTERS: torch.arange(1, dimension.width)}
    silence(net, [dimension], kept)
    small = shrink(net, [dimension], kept)
    assert small.config.filterbank.filters == net.config.filterbank.filters - (2 if net.config.mask == "complex" else 1)
    torch.testing.assert_close(small(x), net(x), rtol=0, atol=FLOAT32)


@pytest.mark.parametrize("norm", ["frame", "cumulative", "batch"])
def test_channels_with_twins_are_cut_without_a_change_whatever_the_norm(norm: str) -> None:
    """Where each channel that goes has a twin that stays, statistics over the channels are those of before."""
    small, x = network(replace(TINY, norm=norm)), sound()
    dimensions = hidden_dimensions(small)
    weights = dict(small.state_dict())
    for d in dimensions:
        for part in d.slices:
            tensor = weights[part.tensor]
            weights[part.tensor] = torch.cat([tensor, 0 * tensor if part.leaving else tensor], dim=part.axis)
    large = build(replace(small.config, separator=replace(small.config.separator, hidden=16)))
    large.load_state_dict(weights)
    cut = shrink(large.eval(), hidden_dimensions(large), {d.name: torch.arange(8) for d in dimensions})
    assert cut.config == small.config
    assert all(torch.equal(tensor, small.state_dict()[name]) for name, tensor in cut.state_dict().items())
    torch.testing.assert_close(large(x), cut(x), rtol=0, atol=FLOAT32)


@pytest.mark.parametrize("skip", [0, 4])
@pytest.mark.parametrize("gone", [[2], [0], [5], [0, 1, 4], [1, 2, 3], [0, 1, 2, 3, 4]])
def test_blocks_whose_channels_count_for_nothing_go_whole_and_leave_their_bias_behind(
    gone: list[int], skip: int
) -> None:
    net, x = network(replace(TINY, skip=skip)), sound()
    dimensions = hidden_dimensions(net)
    for block in gone:
        torch.nn.init.zeros_(net.separator.blocks[block].project.weight)
    every = {d.name: torch.arange(0 if index in gone else d.width) for index, d in enumerate(dimensions)}
    small = shrink(net, dimensions, every)
    assert small.config.separator.widths == tuple(0 if index in gone else 8 for index in range(6))
    assert len(small.separator.blocks) == 6 - len(gone)
    torch.testing.assert_close(small(x), net(x), rtol=0, atol=FLOAT32)


def test_a_pruned_network_can_be_pruned_again() -> None:
    net = network(TINY)
    for widths in ([8, 0, 7, 6, 5, 4], [3, 3, 0, 3, 3]):
        dimensions = hidden_dimensions(net)
        net = shrink(net, dimensions, {d.name: torch.arange(w) for d, w in zip(dimensions, widths, strict=True)})
    assert net.config.separator.widths == (3, 0, 3, 0, 3, 3)
    assert config_from_dict(config_to_dict(net.config)) == net.config


def uneven(name: str) -> TasNet:
    """A network whose layers keep unequal numbers of channels, where it can have such; of a TCN one block is gone."""
    net = network(SEPARATORS[name])
    dimensions = hidden_dimensions(net)
    equal = name in ("dual-path", "skim")
    widths = [5 if equal else 3 + 2 * (index % 2) for index in range(len(dimensions))]
    if name.startswith("tcn"):
        widths[1] = 0
    return shrink(net, dimensions, {d.name: torch.arange(w) for d, w in zip(dimensions, widths, strict=True)})


@pytest.mark.parametrize("name", SEPARATORS)
def test_pruned_networks_fulfil_the_streaming_contract(name: str) -> None:
    net, x = uneven(name), sound(24, batch=2)
    verify_contract(net, x, axis=-1, unit=4)
    check_latency(net, x[:1])


@pytest.mark.parametrize(
    ("config", "widths", "reason"),
    [
        (TCNConfig, (8, 8), "widths = .*: expected 24 numbers from 0 on, not all 0"),
        (TCNConfig, (0,) * 24, "not all 0"),
        (StackedLSTMConfig, (8, 0, 8, 8), "expected 4 numbers from 1 on"),
        (StackedLSTMConfig, (8, 8, 8, 9), "as many units in all layers that identity paths join"),
    ],
)
def test_widths_that_no_network_can_have_are_refused(config: type, widths: tuple[int, ...], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        config(widths=widths)
