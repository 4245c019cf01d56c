"""Every streaming layer and network fulfils the contract, and the contract finds those that do not."""

import math

import pytest
import torch
from torch import Tensor

from models.contract import ContractError, check_latency, verify_contract
from models.framing import Frames, OverlapAdd
from models.layers.filterbanks import FilterbankConfig
from models.layers.norms import BatchNorm, CumulativeNorm, FrameNorm, make_norm
from models.layers.tcn import TCN, CausalDepthwise, TCNBlock, TCNConfig
from models.streaming import Chain, State, Streaming
from models.tasnet import TasNet, TasNetConfig

SMALL = TCNConfig(bottleneck=6, hidden=8, skip=4, blocks=3, repeats=2)


def config(norm: str = "frame", skip: int = 4, **changes: object) -> TCNConfig:
    return TCNConfig(**{**vars(SMALL), "norm": norm, "skip": skip, "horizon": 70, **changes})


def tasnet(norm: str = "frame", mask: str = "relu", sources: int = 2) -> TasNet:
    bank = FilterbankConfig(window=8, hop=4, filters=12)
    if mask == "complex":
        bank = FilterbankConfig(window=8, hop=4, context=8, filters=18, start="stft")
    network = TasNet(TasNetConfig(sources=sources, mask=mask, filterbank=bank, separator=config(norm)))
    for parameter in network.parameters():  # a zero-initialized mask would make half the network invisible
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


LAYERS = {
    "frame norm": lambda: FrameNorm(),
    "batch norm": lambda: BatchNorm(5).eval(),
    "cumulative norm": lambda: CumulativeNorm(horizon=70),
    "depthwise": lambda: CausalDepthwise(5, kernel=3, dilation=4),
    "block": lambda: TCNBlock(config(bottleneck=5), dilation=2),
    "tcn": lambda: TCN(config(), 5, 7),
    "tcn without skip path": lambda: TCN(config(skip=0), 5, 7),
    "tcn with cumulative norms": lambda: TCN(config("cumulative"), 5, 7),
    "chain": lambda: Chain(CausalDepthwise(5, 2, 3), CumulativeNorm(70), CausalDepthwise(5, 3, 1)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_fulfil_the_contract(name: str) -> None:
    torch.manual_seed(1)
    verify_contract(LAYERS[name](), torch.randn(2, 150, 5))


@pytest.mark.parametrize("norm", ["frame", "batch", "cumulative"])
@pytest.mark.parametrize("mask", ["sigmoid", "relu", "complex"])
def test_networks_fulfil_the_contract_and_have_the_latency_they_declare(norm: str, mask: str) -> None:
    torch.manual_seed(2)
    network, x = tasnet(norm, mask), torch.randn(2, 1, 4 * 40)
    verify_contract(network, x, axis=-1, unit=4)
    check_latency(network, x[:1])


def test_an_untouched_complex_mask_network_is_a_pure_delay() -> None:
    bank = FilterbankConfig(window=128, hop=64, context=384, filters=514, start="stft")
    network = TasNet(TasNetConfig(sources=1, mask="complex", filterbank=bank, separator=config())).eval()
    x = torch.randn(1, 1, 64 * 30)
    y = network(x)
    torch.testing.assert_close(y[..., network.delay :], x[..., : -network.delay], rtol=0, atol=1e-5)


def test_any_length_goes_in_and_comes_out() -> None:
    network = tasnet()
    x = torch.randn(1, 1, 41)
    torch.testing.assert_close(network(x), network(torch.nn.functional.pad(x, (0, 3)))[..., :41])


def test_frames_overlapped_and_added_give_the_signal_back() -> None:
    x = torch.randn(2, 60)
    frames = Frames(12, 6)(x) * torch.tensor([0.25] * 6 + [0.75] * 6)
    y = OverlapAdd(12, 6)(frames)
    torch.testing.assert_close(y[:, 6:], x[:, :-6])


def test_cumulative_norm_is_the_plain_cumulative_mean_up_to_its_horizon() -> None:
    x = torch.randn(1, 65, 4, dtype=torch.float64)
    count = torch.arange(1, 66)[:, None]
    mean = x[0].mean(1, keepdim=True).cumsum(0) / count
    square = x[0].square().mean(1, keepdim=True).cumsum(0) / count
    expected = (x[0] - mean) / (square - mean**2 + 1e-5).sqrt()
    torch.testing.assert_close(CumulativeNorm(66)(x.float())[0], expected.float(), rtol=0, atol=1e-4)


def test_cumulative_norm_still_adapts_after_a_simulated_day() -> None:
    norm = CumulativeNorm(horizon=100)
    _, (statistics, count) = norm.step(torch.randn(1, 300, 4), norm.init_state())
    assert count.item() == norm.horizon, "the counter stops there"
    a_day = torch.tensor([[86_400.0 * 1000]])  # frames at a hop of 1 ms
    loud = 100 * torch.randn(1, 1000, 4)
    late, (_, count) = norm.step(loud, (statistics, a_day))
    torch.testing.assert_close(late, norm.step(loud, (statistics, torch.tensor([[100.0]])))[0])
    assert count.item() == norm.horizon
    assert late[:, -100:].std() == pytest.approx(1.0, abs=0.2)


class Looks(Streaming):
    """A layer with a fault, for the contract to find."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.register_buffer("memory", torch.zeros(1))

    def init_state(self, batch: int = 1) -> State:
        return (torch.zeros(batch, 0, 5) if self.fault == "grows" else torch.zeros(batch, 1, 5),)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        (past,) = state
        if self.fault == "future":
            return x + x.roll(-1, dims=1), state
        if self.fault == "forgets":
            return torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1), state
        if self.fault == "hidden state":
            self.memory.add_(1)
            return x, state
        if self.fault == "grows":
            return x, (torch.cat([past, x], dim=1),)
        return x, (past * math.inf,)


@pytest.mark.parametrize("fault", ["future", "forgets", "hidden state", "grows", "overflows"])
def test_the_contract_finds_faults(fault: str) -> None:
    with pytest.raises(ContractError):
        verify_contract(Looks(fault), torch.randn(1, 12, 5))


def test_the_contract_finds_a_wrong_latency() -> None:
    class Boasts(TasNet):
        latency = 7

    network = Boasts(TasNetConfig(filterbank=FilterbankConfig(window=8, hop=4, filters=12), separator=config()))
    with pytest.raises(ContractError, match="latency of 7 samples, has one of 8"):
        check_latency(network.eval(), torch.randn(1, 1, 80))


@pytest.mark.parametrize("norm", ["global", "gLN"])
def test_norms_that_see_the_future_are_refused_by_name(norm: str) -> None:
    with pytest.raises(ValueError, match="future"):
        make_norm(norm, 4, 100)
    with pytest.raises(ValueError, match="future"):
        TCNConfig(norm=norm)
