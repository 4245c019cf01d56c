"""What real masks multiply: coefficients as they are, the positive ones, or those through a learned gate."""

import pytest
import torch

from models.contract import check_latency, verify_contract
from models.layers.filterbanks import ACTIVATIONS, FilterbankConfig
from models.layers.tcn import TCNConfig
from models.multichannel import SpatialConfig
from models.tasnet import TasNet, TasNetConfig


def network(activation: str, mask: str = "relu", spatial: SpatialConfig | None = None) -> TasNet:
    torch.manual_seed(1)
    sizes = TCNConfig(bottleneck=6, hidden=8, skip=4, blocks=3, repeats=1)
    bank = FilterbankConfig(window=8, hop=4, filters=12, activation=activation)
    return TasNet(TasNetConfig(mask=mask, filterbank=bank, separator=sizes, spatial=spatial)).eval()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("mask", ["sigmoid", "relu"])
def test_networks_of_each_activation_fulfil_the_contract(mask: str, activation: str) -> None:
    made, x = network(activation, mask), torch.randn(2, 1, 4 * 40)
    verify_contract(made, x, axis=-1, unit=4)
    check_latency(made, x[:1])


def test_activations_are_those_of_the_papers() -> None:
    frames = torch.randn(3, 5, 8)
    for activation in ACTIVATIONS:
        bank = network(activation).filterbank
        coefficients = frames @ bank.encoder.weight.T
        published = {
            "linear": lambda x=coefficients: x,
            "relu": lambda x=coefficients: x.relu(),
            "gated": lambda x=coefficients, bank=bank: x.relu() * (frames @ bank.gate.weight.T).sigmoid(),
        }
        torch.testing.assert_close(
            bank.activate(bank.encode(frames), frames), published[activation](), rtol=0, atol=1e-6
        )


def test_of_several_microphones_the_gate_hears_the_reference() -> None:
    made = network("gated", spatial=SpatialConfig(3, 1, ("icd",)))
    with torch.no_grad():
        made.spatial.kernel.zero_()  # what is left of the other microphones would be in the gate
    x = torch.randn(1, 3, 80)
    others = x.clone()
    others[:, [0, 2]] = torch.randn(1, 2, 80)
    assert torch.equal(made(others), made(x))
    others[:, 1] += 0.1
    assert not torch.equal(made(others), made(x))


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(ValueError, match="activation 'tanh': expected one of relu, linear, gated"):
        FilterbankConfig(activation="tanh")
    bank = FilterbankConfig(window=8, hop=4, filters=10, start="stft", activation="linear")
    with pytest.raises(ValueError, match="activation 'linear' with mask 'complex', which has none"):
        TasNetConfig(mask="complex", filterbank=bank)
