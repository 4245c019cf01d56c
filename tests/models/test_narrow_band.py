"""Masks by a network that all bins share: it treats every bin alike, and whoever has it streams like any other."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edge_sdk.errors import CheckpointError
from models.checkpoint import save_network, start_from
from models.contract import check_latency, verify_contract
from models.costs import costs
from models.layers.dual_path import DualPathConfig
from models.layers.filterbanks import FilterbankConfig
from models.layers.narrow_band import NarrowBand, NarrowBandConfig
from models.layers.separators import SeparatorConfig
from models.layers.tcn import TCNConfig
from models.multichannel import SpatialConfig
from models.tasnet import TasNet, TasNetConfig
from models.zoo import config_from_dict, config_to_dict

STFT = FilterbankConfig(window=16, hop=8, context=16, filters=34, start="stft")
BLOCKS = TCNConfig(bottleneck=6, hidden=8, skip=4, blocks=3, repeats=1)
ARRAY = SpatialConfig(4, 2, combine="filter-and-sum")
NETWORKS: dict[str, tuple[SeparatorConfig, SpatialConfig | None]] = {
    "one microphone": (BLOCKS, None),
    "filter and sum": (BLOCKS, ARRAY),
    "masks on the reference": (BLOCKS, SpatialConfig(3, features=("ipd", "icd"))),
    "dual path": (DualPathConfig(bottleneck=6, hidden=5, chunk=7, blocks=2), ARRAY),
}


def narrow(name: str, quiet: bool = False, memory: int = 0) -> TasNet:
    """A small network; unless `quiet`, no weight is left at zero, so that all of it shows in the output."""
    torch.manual_seed(1)
    separator, spatial = NETWORKS[name]
    shared = NarrowBandConfig(context=3, hidden=5, memory=memory)
    network = TasNet(
        TasNetConfig(mask="complex", filterbank=STFT, separator=separator, spatial=spatial, narrow_band=shared)
    )
    for parameter in network.parameters():
        if not quiet and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


@pytest.mark.parametrize("memory", [0, 4])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_fulfil_the_contract_and_have_the_latency_of_their_window(name: str, memory: int) -> None:
    network = narrow(name, memory=memory).double()  # gradients of phases are large and cancel
    x = torch.randn(2, network.mics, network.hop * 20, dtype=torch.float64)
    verify_contract(network, x, axis=-1, unit=network.hop)
    check_latency(network, x[:1])
    assert network.latency == STFT.window


@pytest.mark.parametrize("memory", [0, 4])
@pytest.mark.parametrize("name", NETWORKS)
def test_an_untouched_network_is_a_pure_delay_of_its_reference(name: str, memory: int) -> None:
    network = narrow(name, quiet=True, memory=memory)
    x = torch.randn(1, network.mics, network.hop * 30)
    y = network(x)
    for source in range(2):
        late = y[:, source, network.delay :]
        torch.testing.assert_close(late, x[:, network.reference, : -network.delay], rtol=0, atol=1e-5)


@pytest.mark.parametrize("memory", [0, 6])
def test_bins_are_treated_alike_and_by_themselves(memory: int) -> None:
    bins, context, features, outputs = 7, 3, 2, 4
    torch.manual_seed(2)
    layer = NarrowBand(NarrowBandConfig(context, 5, memory), bins, features, outputs)
    torch.nn.init.normal_(layer.output.weight)
    said, own = torch.randn(2, 9, bins, context), torch.randn(2, 9, features, bins)
    order = torch.randperm(bins)

    def masks(said: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        made, _ = layer.step(said.flatten(2), own.flatten(2), layer.init_state(2))
        return made.unflatten(-1, (outputs, bins))

    before = masks(said, own)
    torch.testing.assert_close(masks(said[:, :, order], own[..., order]), before[..., order])
    said[:, :, 3] += 1
    changed = (masks(said, own) != before).any(dim=0).any(dim=0).any(dim=0)
    assert changed.tolist() == [index == 3 for index in range(bins)]


@pytest.mark.parametrize("memory", [0, 4])
def test_every_bin_costs_what_one_costs(memory: int) -> None:
    with_it = narrow("filter and sum", memory=memory)
    config = with_it.config
    plain = TasNet(replace(config, narrow_band=None))
    bins, context, outputs = 17, 3, 2 * 4 * 2
    inputs = context + 1 + 2 * 3  # level and phases of three pairs
    head = bins * ((inputs + memory) * 5 + 5 * outputs + 4 * memory * (inputs + memory))
    last = BLOCKS.skip * bins * (context - outputs)  # of the separator, on fewer numbers
    frames_per_second = config.sample_rate // STFT.hop
    assert costs(with_it).macs - costs(plain).macs == (head + last) * frames_per_second


def test_the_configuration_survives_plain_data_and_masks_must_be_of_bins() -> None:
    config = narrow("filter and sum").config
    assert config_from_dict(json.loads(json.dumps(config_to_dict(config)))) == config
    with pytest.raises(ValueError, match="narrow_band with mask 'relu': expected 'complex'"):
        TasNetConfig(narrow_band=NarrowBandConfig())
    with pytest.raises(ValueError, match="expected positive numbers"):
        NarrowBandConfig(context=0)
    with pytest.raises(ValueError, match="or 0 as memory"):
        NarrowBandConfig(memory=-1)


def test_units_of_a_memory_begin_as_means_over_frames_to_seconds() -> None:
    """What stands still is forgotten after as many frames as a unit's forget gate says: 2 to 250."""
    memory = narrow("filter and sum", quiet=True, memory=64).narrow_band.memory
    forgets = memory.lstm.bias_ih_l0[64:128].sigmoid()
    frames = 1 / (1 - forgets)
    assert frames.min() < 30 and 150 < frames.max() <= 250


@pytest.mark.parametrize("memory", [0, 3])
def test_a_network_goes_on_with_more_memory_and_is_as_it_was(memory: int, tmp_path: Path) -> None:
    before = narrow("filter and sum", memory=memory)
    save_network(tmp_path / "before.safetensors", before, {})
    after = narrow("filter and sum", memory=7)
    start_from(after, tmp_path / "before.safetensors")
    x = torch.randn(1, 4, 30 * before.hop)
    torch.testing.assert_close(after(x), before(x))
    gates = after.narrow_band.memory.lstm.weight_ih_l0.unflatten(0, (4, 7))
    assert gates.any(dim=-1).all(), "a unit that hears nothing would never learn"


@pytest.mark.parametrize("memory", [0, 3])
def test_a_network_with_less_memory_is_no_other(memory: int, tmp_path: Path) -> None:
    save_network(tmp_path / "before.safetensors", narrow("filter and sum", memory=4), {})
    with pytest.raises(CheckpointError, match=f"narrow_band.memory = 4, the recipe's has {memory};"):
        start_from(narrow("filter and sum", memory=memory), tmp_path / "before.safetensors")
