"""Running means beside features: those of the recursion, however a stream is cut, in networks of any kind."""

import pytest
import torch

from models.contract import check_latency, verify_contract
from models.layers.background import Background
from models.layers.filterbanks import FilterbankConfig
from models.layers.narrow_band import NarrowBandConfig
from models.layers.separators import SeparatorConfig
from models.layers.tcn import TCNConfig
from models.multichannel import SpatialConfig
from models.tasnet import TasNet, TasNetConfig
from models.zoo import config_from_dict, config_to_dict

STFT = FilterbankConfig(window=16, hop=8, context=16, filters=34, start="stft")
BLOCKS = TCNConfig(bottleneck=6, hidden=8, skip=4, blocks=3, repeats=1)
HORIZONS = (3, 7)
ARRAY = SpatialConfig(4, 2, combine="filter-and-sum")
NETWORKS: dict[str, TasNetConfig] = {
    "complex masks": TasNetConfig(mask="complex", filterbank=STFT, separator=BLOCKS, background=HORIZONS),
    "learned filters": TasNetConfig(
        filterbank=FilterbankConfig(window=16, hop=8, filters=12), separator=BLOCKS, background=HORIZONS
    ),
    "array, narrow band": TasNetConfig(
        mask="complex",
        filterbank=STFT,
        separator=BLOCKS,
        spatial=ARRAY,
        narrow_band=NarrowBandConfig(3, 5),
        background=HORIZONS,
    ),
}


def made(config: TasNetConfig) -> TasNet:
    """In double precision, as gradients of phases are large and cancel; no weight is left at zero."""
    torch.manual_seed(1)
    network = TasNet(config)
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    return network.eval().double()


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_fulfil_the_contract_and_have_the_latency_of_their_window(name: str) -> None:
    network = made(NETWORKS[name])
    x = torch.randn(2, network.mics, network.hop * 20, dtype=torch.float64)
    verify_contract(network, x, axis=-1, unit=network.hop)
    check_latency(network, x[:1])
    assert network.latency == STFT.window


def test_means_are_plain_until_the_horizon_and_fade_from_then_on() -> None:
    x = torch.randn(2, 150, 5, dtype=torch.float64)
    y = Background(HORIZONS, 5).double()(x)
    assert torch.equal(y[..., :5], x), "the features themselves come first"
    for index, horizon in enumerate(HORIZONS, 1):
        found, mean = y[..., 5 * index : 5 * (index + 1)], torch.zeros(2, 5, dtype=torch.float64)
        torch.testing.assert_close(found[:, horizon - 1], x[:, :horizon].mean(1))
        for t in range(150):
            mean = mean + (x[:, t] - mean) / min(t + 1, horizon)
            torch.testing.assert_close(found[:, t], mean)


def test_means_keep_full_precision_beside_half_precision() -> None:
    layer, x = Background((1000,), 3), 1 + 0.01 * torch.rand(1, 4000, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mean = layer(x)[..., 3:]
    torch.testing.assert_close(mean, layer(x)[..., 3:], rtol=0, atol=1e-6)


def test_a_network_that_looks_ahead_has_it_too() -> None:
    blocks: SeparatorConfig = TCNConfig(bottleneck=6, hidden=8, blocks=2, repeats=1, causal=False)
    network = made(TasNetConfig(mask="complex", filterbank=STFT, separator=blocks, background=HORIZONS))
    x = torch.randn(1, 1, network.hop * 20, dtype=torch.float64)
    later = torch.cat([x[..., : network.hop * 10], torch.randn_like(x[..., network.hop * 10 :])], dim=-1)
    assert network(x).shape == (1, 2, network.hop * 20)
    assert not torch.allclose(network(x)[..., : network.hop * 9], network(later)[..., : network.hop * 9])


def test_a_configuration_survives_its_file_and_odd_horizons_are_refused() -> None:
    config = NETWORKS["array, narrow band"]
    assert config_from_dict(config_to_dict(config)) == config
    with pytest.raises(ValueError, match=r"background = \[1\]: expected horizons of 2 frames or more"):
        TasNet(TasNetConfig(mask="complex", filterbank=STFT, separator=BLOCKS, background=(1,)))
