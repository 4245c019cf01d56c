"""Microphones exchange features whatever their number and order."""

import pytest
import torch
from torch import Tensor

from models.contract import verify_contract
from models.layers.dual_path import DualPathConfig
from models.layers.tac import TAC, TACSeparator
from models.layers.tcn import TCNConfig

TINY = TCNConfig(bottleneck=6, hidden=8, skip=0, blocks=2, repeats=2)
DUAL_PATH = DualPathConfig(bottleneck=6, hidden=8, chunk=5, blocks=2)


@pytest.fixture
def tac() -> TAC:
    torch.manual_seed(0)
    return TAC(5, 7)


@pytest.fixture(params=[TINY, DUAL_PATH], ids=["tcn", "dual-path"])
def separator(request: pytest.FixtureRequest) -> TACSeparator:
    torch.manual_seed(0)
    return TACSeparator(request.param, hidden=7, inputs=5, outputs=4, mics=3)


def separate(separator: TACSeparator, x: Tensor, shares: Tensor | None = None) -> Tensor:
    return separator.step(x, separator.init_state(x.shape[0], x.shape[1]), shares)[0]


def test_layers_fulfil_the_contract_over_time(tac: TAC, separator: TACSeparator) -> None:
    x = torch.randn(2, 3, 40, 5)
    verify_contract(tac, x, axis=2)
    verify_contract(separator, x, axis=2)


def test_an_exchange_remembers_nothing(tac: TAC) -> None:
    assert tac.init_state(3) == ()


@pytest.mark.parametrize("mics", [1, 2, 4, 6, 8])
def test_microphones_in_another_order_give_the_same_in_that_order(tac: TAC, separator: TACSeparator, mics: int) -> None:
    x, order = torch.randn(2, mics, 9, 5), torch.randperm(mics)
    # Float sums over microphones in another order.
    torch.testing.assert_close(tac(x[:, order]), tac(x)[:, order], rtol=0, atol=1e-5)
    torch.testing.assert_close(separate(separator, x[:, order]), separate(separator, x)[:, order], rtol=0, atol=1e-5)


def test_every_microphone_hears_of_every_other(tac: TAC) -> None:
    x = torch.randn(1, 3, 1, 5, requires_grad=True)
    for mic in range(3):
        (gradient,) = torch.autograd.grad(tac(x)[:, mic].square().sum(), x)
        assert gradient.flatten(2).any(-1).all(), f"what microphone {mic} gets depends on all of them"


def test_microphones_without_a_share_change_nothing(tac: TAC, separator: TACSeparator) -> None:
    x = torch.randn(2, 5, 9, 5)
    valid = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0])
    shares = (valid / valid.sum()).expand(2, 9, 5).transpose(1, 2)
    kept = valid.bool()
    with_others = tac.step(x, (), shares)[0][:, kept]
    torch.testing.assert_close(with_others, tac(x[:, kept]), rtol=0, atol=1e-5)
    torch.testing.assert_close(separate(separator, x, shares)[:, kept], separate(separator, x[:, kept]))


def test_a_tcn_with_a_skip_path_is_refused() -> None:
    with pytest.raises(ValueError, match="skip = 4: .* expected 0"):
        TACSeparator(TCNConfig(bottleneck=6, hidden=8, skip=4, blocks=2, repeats=1), 7, 5, 4, 3)
