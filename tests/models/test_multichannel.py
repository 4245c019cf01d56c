"""Networks of several microphones stream as any other, and see what differs between the microphones."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from models.contract import check_latency, verify_contract
from models.layers.filterbanks import FilterbankConfig
from models.layers.tcn import TCNConfig
from models.multichannel import SpatialConfig, SpatialFeatures
from models.objectives import align, permutation_invariant, si_sdr
from models.tasnet import TasNet, TasNetConfig
from models.zoo import config_from_dict, config_to_dict

STFT = FilterbankConfig(window=16, hop=8, context=16, filters=34, start="stft")
LEARNED = FilterbankConfig(window=8, hop=4, filters=12)
SUM = "filter-and-sum"
RATE = 8000

VARIANTS = {
    "2 mics, ipd": ("complex", SpatialConfig(2)),
    "4 mics, ipd, third as reference": ("complex", SpatialConfig(4, 2)),
    "4 mics, own pairs": ("complex", SpatialConfig(4, 3, pairs=((0, 2), (1, 3), (3, 2)))),
    "6 mics, icd, last as reference": ("complex", SpatialConfig(6, 5, ("icd",))),
    "4 mics, icd of a learned encoder": ("relu", SpatialConfig(4, 1, ("icd",))),
    "2 mics, icd and sigmoid": ("sigmoid", SpatialConfig(2, 1, ("icd",))),
    "4 mics, all, filter and sum": ("complex", SpatialConfig(4, 0, ("ipd", "icd"), combine=SUM)),
    "6 mics, filter and sum alone": ("complex", SpatialConfig(6, 2, (), combine=SUM)),
}


def multichannel(mask: str, spatial: SpatialConfig, quiet: bool = False) -> TasNet:
    """A small network; unless `quiet`, no weight is left at zero, so that all of it shows in the output."""
    bank = STFT if mask == "complex" else LEARNED
    sizes = TCNConfig(bottleneck=6, hidden=8, skip=4, blocks=3, repeats=1)
    network = TasNet(TasNetConfig(sources=2, mask=mask, filterbank=bank, separator=sizes, spatial=spatial))
    for parameter in network.parameters():
        if not quiet and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


@pytest.mark.parametrize("name", VARIANTS)
def test_networks_fulfil_the_contract_and_have_the_latency_they_declare(name: str) -> None:
    torch.manual_seed(3)
    network = multichannel(*VARIANTS[name])
    x = torch.randn(2, network.mics, network.hop * 30)
    verify_contract(network, x, axis=-1, unit=network.hop)
    check_latency(network, x[:1])


@pytest.mark.parametrize("name", VARIANTS)
def test_every_microphone_counts(name: str) -> None:
    torch.manual_seed(4)
    network = multichannel(*VARIANTS[name])
    x = torch.randn(1, network.mics, network.hop * 10, requires_grad=True)
    network(x).square().mean().backward()
    assert (x.grad.abs().amax(dim=-1) > 0).all()


@pytest.mark.parametrize("combine", ["reference", SUM])
@pytest.mark.parametrize("reference", [0, 3])
def test_an_untouched_network_is_a_pure_delay_of_its_reference(combine: str, reference: int) -> None:
    network = multichannel("complex", SpatialConfig(4, reference, combine=combine), quiet=True)
    x = torch.randn(1, 4, network.hop * 30)
    y = network(x)
    for source in range(2):
        torch.testing.assert_close(y[:, source, network.delay :], x[:, reference, : -network.delay], rtol=0, atol=1e-5)


def test_a_filter_per_microphone_can_take_a_talker_away_that_a_mask_cannot() -> None:
    """One talker straight ahead, another who reaches the second microphone twice as strong: half of it is the null."""
    network = multichannel("complex", SpatialConfig(2, combine=SUM), quiet=True)
    wanted, other = torch.randn(2, 1, network.hop * 30)
    with torch.no_grad():
        bins = STFT.filters // 2
        network.separator.output.bias.view(2, 2, STFT.filters)[0, 1, :bins] = -0.5  # source 0: first minus half second
        y = network(torch.stack([wanted + other, wanted + 2 * other], dim=1))
    torch.testing.assert_close(y[0, 0, network.delay :], 0.5 * wanted[0, : -network.delay], rtol=0, atol=1e-5)


def test_phase_differences_are_those_of_the_delay() -> None:
    """A tone that reaches the second microphone `late` samples later has that phase difference in its own bin."""
    bank = FilterbankConfig(window=128, hop=64, context=384, filters=514, start="stft")
    network = TasNet(TasNetConfig(sources=1, mask="complex", filterbank=bank, spatial=SpatialConfig(2)))
    late, at = 2.5, torch.arange(4096, dtype=torch.float64)
    for index in (20, 70, 200):
        tone = 2 * math.pi * index / bank.frame
        x = 0.1 * torch.stack([torch.cos(tone * at), torch.cos(tone * (at - late))]).float()
        cosine, sine = phases(network, x)
        steady = slice(bank.frame // bank.hop, None)  # the tone fills the frame
        # 0.01: the skirt of the tone's negative frequency.
        assert cosine[steady, 0, index].numpy() == pytest.approx(math.cos(tone * late), abs=0.01)
        assert sine[steady, 0, index].numpy() == pytest.approx(math.sin(tone * late), abs=0.01)


@torch.no_grad()
def phases(network: TasNet, x: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine, `[T, pairs, F]`, for samples `[M, n]`."""
    coefficients = network.filterbank.encode(network.frames(x).transpose(0, 1))
    return network.spatial.phase_differences(coefficients)


def test_phase_differences_know_no_level_and_fade_in_silence() -> None:
    torch.manual_seed(5)
    network, x = multichannel("complex", SpatialConfig(4, 1)), torch.randn(4, STFT.hop * 50)
    loud, quiet = phases(network, x), phases(network, 1e-3 * x)
    for one, other in zip(loud, quiet, strict=True):
        # 0.01: bins in which noise happens to cancel to near the floor.
        assert (one - other).abs().quantile(0.99) < 0.01
    cosine, sine = loud
    assert (cosine.square() + sine.square()).max() <= 1 + 1e-5
    for silent in phases(network, 1e-8 * x):
        assert silent.abs().max() < 1e-3


def test_learned_kernels_start_as_the_difference_of_their_pair() -> None:
    torch.manual_seed(6)
    pairs = ((0, 2), (3, 1))
    coefficients = torch.randn(1, 9, 4, 12)
    features = SpatialFeatures(SpatialConfig(4, features=("icd",), pairs=pairs), 12, is_complex=False)
    expected = torch.stack([coefficients[:, :, i] - coefficients[:, :, j] for i, j in pairs], dim=2)
    torch.testing.assert_close(features.convolution_differences(coefficients), expected)


def test_complex_kernels_sum_complex_numbers() -> None:
    torch.manual_seed(7)
    features = SpatialFeatures(SpatialConfig(3, features=("icd",)), 12, is_complex=True)
    torch.nn.init.normal_(features.kernel)
    coefficients = torch.randn(2, 9, 3, 12)
    numbers, kernel = (torch.complex(*t.chunk(2, dim=-1)) for t in (coefficients, features.kernel))
    expected = torch.einsum("btmf,pmf->btpf", numbers, kernel).abs().square().add(1e-8).pow(0.15)
    torch.testing.assert_close(features.convolution_differences(coefficients), expected)


@pytest.mark.training
def test_noises_that_sound_alike_are_told_apart_by_where_they_come_from() -> None:
    """Two white noises from random directions: to one microphone there is nothing to tell, four separate them."""
    assert trained_gain(None) < 0.5
    assert trained_gain(SpatialConfig(4, combine=SUM)) > 6


def trained_gain(spatial: SpatialConfig | None, steps: int = 100, batch: int = 8) -> float:
    """SI-SDR improvement in dB on new mixtures after so many steps of training."""
    torch.manual_seed(1)
    bank = FilterbankConfig(window=64, hop=32, context=64, filters=130, start="stft")
    sizes = TCNConfig(bottleneck=24, hidden=48, skip=0, blocks=5, repeats=1)
    network = TasNet(TasNetConfig(sample_rate=RATE, mask="complex", filterbank=bank, separator=sizes, spatial=spatial))
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)

    def losses(first: int) -> tuple[Tensor, Tensor]:
        """After and before, means over a batch of mixtures."""
        made = [two_noises(seed) for seed in range(first, first + batch)]
        x, y = (torch.from_numpy(np.stack(part)) for part in zip(*made, strict=True))
        e, t = align(network(x[:, : network.mics]), y, network.delay)
        after = permutation_invariant(lambda a, b: -si_sdr(a, b), e, t)[0].mean()
        return after, -si_sdr(x[:, :1].expand_as(y), y).mean()

    for step in range(steps):
        optimizer.zero_grad()
        losses(batch * step)[0].backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
    with torch.no_grad():
        gains = [before - after for after, before in (losses(10**6 + batch * k) for k in range(4))]
    return float(torch.stack(gains).mean())


def two_noises(seed: int, radius_m: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """A second of two noises in the far field of a circle of four: mixture `[4, n]`, sources at the first `[2, n]`."""
    rng = np.random.default_rng(seed)
    mics = radius_m * np.exp(2j * np.pi * np.arange(4) / 4)
    omega = 2 * np.pi * np.fft.rfftfreq(RATE, 1 / RATE)
    first = rng.uniform(0, 2 * np.pi)
    azimuths = (first, first + rng.uniform(np.pi / 4, 2 * np.pi - np.pi / 4))
    delays = [-(mics * np.exp(-1j * azimuth)).real / 343 for azimuth in azimuths]  # seconds, [M] each
    images = np.stack(
        [
            np.fft.irfft(np.fft.rfft(0.05 * rng.standard_normal(RATE)) * np.exp(-1j * omega * (d - d[0])[:, None]))
            for d in delays
        ]
    )
    noise = 1e-3 * rng.standard_normal((4, RATE))
    return (images.sum(axis=0) + noise).astype(np.float32), images[:, 0].astype(np.float32)


@pytest.mark.parametrize(("mask", "spatial"), [(mask, spatial) for mask, spatial in VARIANTS.values()])
def test_the_configuration_survives_plain_data(mask: str, spatial: SpatialConfig) -> None:
    config = multichannel(mask, spatial).config
    assert config_from_dict(json.loads(json.dumps(config_to_dict(config)))) == config


def test_older_plain_data_without_kind_and_microphones_is_a_mono_tcn() -> None:
    config = TasNetConfig(separator=TCNConfig(blocks=2))
    plain = config_to_dict(config)
    del plain["spatial"], plain["separator"]["kind"]
    assert config_from_dict(plain) == config
    assert TasNet(config).mics == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mics": 1}, "1 microphones: expected 2 to 64"),
        ({"mics": 65}, "65 microphones"),
        ({"reference": 4}, "reference microphone 4: expected 0 to 3"),
        ({"reference": -1}, "reference microphone -1"),
        ({"features": ("gcc",)}, "spatial feature 'gcc': expected some of ipd, icd"),
        ({"pairs": ((0, 4),)}, "pair 0, 4: expected two microphones of 0 to 3"),
        ({"pairs": ((2, 2),)}, "pair 2, 2"),
        ({"combine": "sum"}, "combine 'sum': expected one of reference, filter-and-sum"),
        ({"features": ()}, "the other microphones would be idle"),
    ],
)
def test_impossible_arrays_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(SpatialConfig(4), **changes)


@pytest.mark.parametrize("spatial", [SpatialConfig(4), SpatialConfig(4, features=("icd",), combine=SUM)])
def test_phases_need_complex_coefficients(spatial: SpatialConfig) -> None:
    with pytest.raises(ValueError, match="complex"):
        TasNetConfig(mask="relu", spatial=spatial)


def test_mixtures_of_another_array_are_refused() -> None:
    network = multichannel("complex", SpatialConfig(4))
    with pytest.raises(ValueError, match="a mixture of 2 microphones: this network takes 4"):
        network(torch.zeros(1, 2, 80))
