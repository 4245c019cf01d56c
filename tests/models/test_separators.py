"""TasNets of any separator train, stream and survive the disk; what needs the future takes whole signals."""

import json
from pathlib import Path

import pytest
import torch

from models.checkpoint import load_network, save_network
from models.contract import check_latency, verify_contract
from models.layers.dual_path import DualPathConfig
from models.layers.filterbanks import FilterbankConfig
from models.layers.gammatone import gammatone_rows
from models.layers.recurrent import StackedLSTMConfig
from models.layers.separators import SEPARATORS, SeparatorConfig
from models.layers.skim import SkiMConfig
from models.layers.tcn import TCNConfig
from models.layers.tdcn import TDCNConfig
from models.multichannel import SpatialConfig
from models.recipe import FitConfig, LossConfig
from models.tasnet import TasNet, TasNetConfig
from models.training.trainer import Trainer
from models.zoo import config_from_dict, config_to_dict

CAUSAL = {
    "tcn": TCNConfig(bottleneck=6, hidden=8, skip=4, blocks=3, repeats=1),
    "lstm": StackedLSTMConfig(hidden=8, layers=2),
    "dual-path": DualPathConfig(bottleneck=6, hidden=5, chunk=7, blocks=2),
    "skim": SkiMConfig(bottleneck=6, hidden=5, segment=7, blocks=3),
    "tdcn": TDCNConfig(bottleneck=6, hidden=8, blocks=2, repeats=2),
}
TEACHERS = {
    "tcn": TCNConfig(bottleneck=6, hidden=8, skip=4, blocks=3, repeats=1, causal=False, norm="global"),
    "lstm": StackedLSTMConfig(hidden=8, layers=2, causal=False, norm="global"),
    "dual-path": DualPathConfig(bottleneck=6, hidden=5, chunk=8, blocks=2, causal=False, norm="global"),
}
STFT = FilterbankConfig(window=16, hop=8, context=16, filters=34, start="stft")


def tasnet(separator: SeparatorConfig, mask: str = "relu", spatial: SpatialConfig | None = None) -> TasNet:
    """No weight is left at zero, so that all of it shows in the output."""
    torch.manual_seed(1)
    bank = STFT if mask == "complex" else FilterbankConfig(window=16, hop=8, filters=12)
    network = TasNet(TasNetConfig(mask=mask, filterbank=bank, separator=separator, spatial=spatial))
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


def test_every_separator_is_looked_at_here() -> None:
    assert {type(config) for config in CAUSAL.values()} == set(SEPARATORS)
    assert all(config.kind == name for name, config in CAUSAL.items())


@pytest.mark.parametrize("name", CAUSAL)
def test_networks_fulfil_the_contract_and_have_the_latency_of_their_window(name: str) -> None:
    network = tasnet(CAUSAL[name], mask="complex" if name == "lstm" else "sigmoid")
    x = torch.randn(2, 1, 8 * 20)
    verify_contract(network, x, axis=-1, unit=8)
    check_latency(network, x[:1])
    assert network.latency == 16


@pytest.mark.parametrize("name", CAUSAL)
def test_networks_of_several_microphones_stream(name: str) -> None:
    network = tasnet(CAUSAL[name], "complex", SpatialConfig(3, combine="filter-and-sum"))
    # In double precision, as gradients of phases are large and cancel.
    verify_contract(network.double(), torch.randn(1, 3, 8 * 12, dtype=torch.float64), axis=-1, unit=8)


@pytest.mark.parametrize("name", CAUSAL)
def test_networks_survive_the_disk_and_plain_data(name: str, tmp_path: Path) -> None:
    network = tasnet(CAUSAL[name])
    assert config_from_dict(json.loads(json.dumps(config_to_dict(network.config)))) == network.config
    save_network(tmp_path / "n.safetensors", network, {})
    loaded, _ = load_network(tmp_path / "n.safetensors")
    x = torch.randn(1, 1, 200)
    assert type(loaded.separator) is type(network.separator) and torch.equal(loaded(x), network(x))


@pytest.mark.parametrize("name", [*CAUSAL, *(f"{name}, teacher" for name in TEACHERS)])
def test_networks_learn_two_sources_by_heart(name: str) -> None:
    kind, _, teacher = name.partition(", ")
    network = tasnet((TEACHERS if teacher else CAUSAL)[kind], "sigmoid").train()
    torch.manual_seed(2)
    sources = 0.1 * torch.randn(2, 2, 800)
    mixture = sources.sum(1, keepdim=True)
    trainer = Trainer(network, FitConfig(steps=60, warmup=5, learning_rate=1e-2, loss=LossConfig(spectral_weight=0.0)))
    losses = [trainer.step(mixture, sources) for _ in range(60)]
    assert losses[-1] < losses[0] - 15, "dB SI-SDR, from about -30"


@pytest.mark.parametrize("name", TEACHERS)
def test_what_needs_the_future_hears_whole_signals_and_refuses_to_stream_by_name(name: str) -> None:
    network, x = tasnet(TEACHERS[name]), torch.randn(2, 1, 203)
    assert network(x).shape == (2, 2, 203) and network.future
    later = torch.cat([x[..., :100], torch.randn(2, 1, 103)], dim=-1)
    assert not torch.equal(network(x)[..., :50], network(later)[..., :50]), "it hears the future"
    with pytest.raises(ValueError, match=f"TasNet cannot stream: .*{network.future[0]}.*, global norm need the future"):
        network.init_state()


@pytest.mark.parametrize("name", CAUSAL)
def test_what_does_not_need_the_future_says_so(name: str) -> None:
    assert tasnet(CAUSAL[name]).future == ()


def test_the_masks_of_a_dual_path_have_a_branch_for_every_source() -> None:
    spatial = SpatialConfig(3, combine="filter-and-sum")
    for mask, array in (("relu", None), ("complex", None), ("complex", spatial)):
        assert tasnet(CAUSAL["dual-path"], mask, array).separator.masks.shape == (2, 6)


def gammatone(filters: int = 60) -> TasNet:
    bank = FilterbankConfig(window=32, hop=16, filters=filters, start="gammatone")
    return TasNet(TasNetConfig(filterbank=bank, separator=CAUSAL["tcn"]))


def test_a_gammatone_encoder_is_computed_and_stays_as_it_is() -> None:
    network, rows = gammatone(), gammatone_rows(60, 32, 16_000)
    decoder = network.filterbank.decoder.weight.detach().clone()
    trainer = Trainer(network, FitConfig(steps=3, warmup=0))
    for _ in range(3):
        trainer.step(torch.randn(2, 1, 2000), torch.randn(2, 2, 2000))
    assert torch.equal(network.filterbank.encoder.weight, rows)
    assert not torch.equal(network.filterbank.decoder.weight, decoder), "it is learned"
    assert torch.equal(trainer.average.network.filterbank.encoder.weight, rows)


def test_a_network_with_gammatone_filters_streams_and_survives_the_disk(tmp_path: Path) -> None:
    network, x = gammatone().eval(), torch.randn(1, 1, 16 * 20)
    verify_contract(network, x, axis=-1, unit=16)
    save_network(tmp_path / "n.safetensors", network, {})
    assert torch.equal(load_network(tmp_path / "n.safetensors")[0](x), network(x))


def test_the_filters_are_those_of_the_sample_rate_and_the_decoder_begins_as_their_inverse() -> None:
    """Frames of 2 ms at 8 kHz come back whole through a ReLU."""
    bank = FilterbankConfig(window=16, hop=8, filters=128, start="gammatone")
    network, x = TasNet(TasNetConfig(sample_rate=8_000, filterbank=bank, separator=CAUSAL["tcn"])), torch.randn(1, 480)
    frames = network.frames(x)
    y = network.overlap_add(network.filterbank.decode(network.filterbank.encode(frames).relu()))
    torch.testing.assert_close(y[:, 8:], x[:, :-8], rtol=0, atol=1e-4)  # the inverse amplifies rounding a little


@pytest.mark.parametrize(
    ("changes", "mask", "message"),
    [
        ({"filters": 58}, "relu", "58 gammatone filters of 32 samples: expected an even number, at least 60"),
        ({"context": 32}, "relu", "a gammatone start has no context"),
        ({}, "complex", "mask 'complex' with a gammatone start: expected 'sigmoid' or 'relu'"),
    ],
)
def test_impossible_gammatone_filterbanks_are_refused(changes: dict[str, int], mask: str, message: str) -> None:
    sizes = {"window": 32, "hop": 16, "filters": 60, "start": "gammatone", **changes}
    with pytest.raises(ValueError, match=message):
        TasNetConfig(mask=mask, filterbank=FilterbankConfig(**sizes))


def test_an_unknown_separator_is_refused_by_name() -> None:
    plain = config_to_dict(tasnet(CAUSAL["lstm"]).config)
    plain["separator"]["kind"] = "gru"
    with pytest.raises(ValueError, match=r"separator.kind = 'gru': expected one of tcn, lstm, dual-path, skim, tdcn"):
        config_from_dict(plain)
