"""Filter-and-sum networks: how they stream, what they learn, and which microphones they take."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from edge_sdk.contract import from_plain, to_plain
from models.contract import check_latency, verify_contract
from models.fasnet import FaSNet, FaSNetConfig, FaSNetTAC, FaSNetTACConfig
from models.filter_network import FilterAndSumNetwork
from models.layers.dual_path import DualPathConfig
from models.layers.filter_and_sum import FilterAndSumConfig, filter_and_sum
from models.layers.tcn import TCNConfig
from models.objectives import align, permutation_invariant, si_sdr
from models.streaming import State
from tests.models.test_filter_and_sum import TINY

BLOCKS = TCNConfig(bottleneck=6, hidden=8, skip=0, blocks=2, repeats=2, horizon=70)
DUAL_PATH = DualPathConfig(bottleneck=6, hidden=8, chunk=5, blocks=2, horizon=70)
KINDS = ["fasnet", "fasnet-tac", "fasnet-tac dual-path"]


def network(
    kind: str, mics: int = 3, reference: int = 0, norm: str = "frame", **beamformer: int
) -> FilterAndSumNetwork:
    torch.manual_seed(3)
    common = {"mics": mics, "reference": reference, "beamformer": replace(TINY, **beamformer), "encoder": 5}
    if kind == "fasnet":
        return FaSNet(FaSNetConfig(**common, separator=replace(BLOCKS, norm=norm, skip=4))).eval()
    blocks = replace(DUAL_PATH if "dual-path" in kind else BLOCKS, norm=norm)
    return FaSNetTAC(FaSNetTACConfig(**common, tac=7, separator=blocks)).eval()


every_kind = pytest.mark.parametrize("kind", KINDS)


# Networks


@every_kind
@pytest.mark.parametrize("norm", ["frame", "batch", "cumulative"])
def test_networks_fulfil_the_contract(kind: str, norm: str) -> None:
    verify_contract(network(kind, norm=norm), torch.randn(2, 3, 4 * 24), axis=-1, unit=4)


@every_kind
@pytest.mark.parametrize("alignment", [0, 3, 9, 18])
@pytest.mark.parametrize("hop", [2, 4, 8])
def test_latency_is_a_window_and_the_alignment(kind: str, alignment: int, hop: int) -> None:
    one = network(kind, alignment=alignment, hop=hop)
    assert one.latency == 8 + alignment
    assert one.delay == 8 - hop + alignment
    check_latency(one, torch.randn(1, 3, 4 * 40))


class Passes(FilterAndSumNetwork):
    """Every filter is the unit tap of the reference."""

    def init_memory(self, batch: int, mics: int) -> State:
        return ()

    def separate(self, frames: Tensor, memory: State) -> tuple[Tensor, State]:
        batch, mics, steps, _ = frames.shape
        taps = torch.zeros(batch, mics, steps, self.config.sources, self.config.beamformer.taps)
        taps[:, self.config.reference, ..., self.config.beamformer.unit_tap] = self.hop / self.config.beamformer.window
        return filter_and_sum(frames, taps), memory


@pytest.mark.parametrize("alignment", [0, 3, 18])
@pytest.mark.parametrize("hop", [2, 4, 8])
def test_unit_filters_are_a_pure_delay_of_the_reference(alignment: int, hop: int) -> None:
    beamformer = FilterAndSumConfig(window=8, hop=hop, context=18, alignment=alignment)
    passes, x = Passes(FaSNetConfig(reference=1, beamformer=beamformer)), torch.randn(2, 3, 8 * 20)
    y = passes(x)
    for source in range(2):
        torch.testing.assert_close(y[:, source, passes.delay :], x[:, 1, : -passes.delay or None], rtol=0, atol=1e-5)


@every_kind
@pytest.mark.parametrize("mics", [1, 2, 4, 6, 8])
def test_one_set_of_weights_takes_any_number_of_microphones_in_any_order(kind: str, mics: int) -> None:
    one, x = network(kind, mics=8), torch.randn(2, mics, 60)
    y = one(x)
    assert y.shape == (2, 2, 60)
    order = [0, *(1 + torch.randperm(mics - 1)).tolist()]
    torch.testing.assert_close(one(x[:, order]), y, rtol=0, atol=1e-5)  # sums over microphones in another order
    silent = torch.cat([x, torch.zeros(2, 8 - mics, 60)], dim=1)
    torch.testing.assert_close(one(silent), y, rtol=0, atol=1e-5)


@every_kind
def test_every_microphone_has_a_part_in_every_source(kind: str) -> None:
    x = torch.randn(1, 3, 60, requires_grad=True)
    for source in network(kind)(x).unbind(1):
        (gradient,) = torch.autograd.grad(source.square().sum(), x, retain_graph=True)
        assert gradient.any(-1).all()


@every_kind
def test_every_weight_has_a_gradient(kind: str) -> None:
    one = network(kind)
    one(torch.randn(1, 3, 60)).square().mean().backward()
    assert [name for name, p in one.named_parameters() if p.grad is None or not p.grad.any()] == []


@every_kind
def test_another_reference_is_another_order_of_microphones(kind: str) -> None:
    first, third, x = network(kind), network(kind, reference=2), torch.randn(2, 3, 60)
    third.load_state_dict(first.state_dict())
    torch.testing.assert_close(third(x[:, [1, 2, 0]]), first(x), rtol=0, atol=1e-5)


@every_kind
def test_the_scale_of_a_recording_is_the_scale_of_its_sources(kind: str) -> None:
    """Filters depend on features that have no level, once it is far above the floors of the norms."""
    one, x = network(kind), 100 * torch.randn(1, 3, 60)
    torch.testing.assert_close(one(10 * x), 10 * one(x), rtol=1e-3, atol=1e-1)


@every_kind
def test_training_learns_to_hear_two_noises_apart_by_their_directions(kind: str) -> None:
    """White noises have no features but where they come from."""
    generator, n = torch.Generator().manual_seed(0), 2000
    noises = 0.1 * torch.randn(2, n + 40, generator=generator)
    delays = [(0, 0), (3, -3), (-2, 4), (5, 1)]  # of each noise at each microphone, in samples
    x = torch.stack([sum(noises[s, 20 - d : 20 - d + n] for s, d in enumerate(pair)) for pair in delays])[None]
    target = noises[None, :, 20 : 20 + n]
    torch.manual_seed(1)
    common = {"beamformer": FilterAndSumConfig(window=16, hop=8, context=24, alignment=8), "encoder": 16}
    blocks = TCNConfig(bottleneck=16, hidden=24, skip=0, blocks=2, repeats=2)
    if "dual-path" in kind:
        blocks = DualPathConfig(bottleneck=16, hidden=24, chunk=16, blocks=2)
    one = FaSNet(FaSNetConfig(**common, separator=blocks)) if kind == "fasnet" else None
    one = one or FaSNetTAC(FaSNetTACConfig(**common, separator=blocks, tac=16))
    optimizer, gains = torch.optim.Adam(one.parameters(), 1e-2), []
    for _ in range(45):
        loss, _ = permutation_invariant(lambda a, b: -si_sdr(a, b), *align(one(x), target, one.delay))
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
        gains.append(-loss.item())
    assert gains[-1] > 8, "SI-SDR in dB; the mixture has 0"
    assert gains[-1] > gains[0] + 15


# The published network, a teacher

PUBLISHED = FaSNetTACConfig(
    beamformer=FilterAndSumConfig(window=64, hop=32, context=512, alignment=256),
    tac=384,
    separator=DualPathConfig(bottleneck=64, hidden=128, chunk=50, blocks=4, causal=False, norm="global"),
)


def parameters(config: FaSNetTACConfig) -> float:
    return sum(p.numel() for p in FaSNetTAC(config).parameters()) / 1e6


def test_the_published_sizes_give_the_published_number_of_parameters() -> None:
    """2.8 million in Luo et al. (2020), 2.76 counted in its code; LSTMs of one direction have a third less in all."""
    assert parameters(PUBLISHED) == pytest.approx(2.76, abs=0.005)
    causal = replace(PUBLISHED, separator=replace(PUBLISHED.separator, causal=True, norm="frame"))
    assert parameters(causal) == pytest.approx(1.90, abs=0.005)


def teacher(mics: int = 3) -> FaSNetTAC:
    torch.manual_seed(3)
    blocks = replace(DUAL_PATH, chunk=6, causal=False, norm="global")
    return FaSNetTAC(FaSNetTACConfig(mics=mics, beamformer=TINY, encoder=5, tac=7, separator=blocks)).eval()


def test_the_published_network_takes_whole_signals_of_any_microphones() -> None:
    one, x = teacher(mics=5), torch.randn(2, 3, 62)
    y = one(x)
    assert y.shape == (2, 2, 62)
    torch.testing.assert_close(one(x[:, [0, 2, 1]]), y, rtol=0, atol=1e-5)
    torch.testing.assert_close(one(x[:1]), y[:1], rtol=0, atol=1e-5)  # no statistics over the batch


def test_the_published_network_refuses_to_stream_by_name() -> None:
    with pytest.raises(ValueError, match="FaSNetTAC cannot stream: intra-chunk LSTMs of both directions.*global norm"):
        teacher().init_state()


@pytest.mark.parametrize("kind", KINDS)
def test_configurations_come_back_from_plain_data(kind: str) -> None:
    config = network(kind).config
    assert from_plain(type(config), to_plain(config)) == config


# What is refused


@pytest.mark.parametrize("kind", [FaSNetConfig, FaSNetTACConfig])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mics": 0}, "0 microphones .* expected positive numbers"),
        ({"sources": 0}, "0 sources"),
        ({"reference": 4}, "reference microphone 4: expected 0 to 3"),
    ],
)
def test_impossible_networks_are_refused(kind: type, changes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**changes)


@every_kind
def test_more_microphones_than_declared_and_states_of_others_are_refused(kind: str) -> None:
    one = network(kind, reference=1)
    with pytest.raises(ValueError, match="4 microphones: this network takes 2 to 3"):
        one(torch.randn(1, 4, 60))
    with pytest.raises(ValueError, match="1 microphones: this network takes 2 to 3"):
        one(torch.randn(1, 1, 60))
    with pytest.raises(ValueError, match="1 mixtures of 3 microphones: this state is for 2 signals"):
        one.step(torch.randn(1, 3, 60), one.init_state(1, 2))
