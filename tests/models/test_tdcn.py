"""TDCN++ streams, and differs from a TCN in its norms, scales and long paths only."""

import pytest
import torch

from models.contract import verify_contract
from models.layers.tcn import TCN
from models.layers.tdcn import TDCN, ChannelNorm, TDCNConfig


def small(**changes: object) -> TDCNConfig:
    return TDCNConfig(**{"bottleneck": 6, "hidden": 8, "blocks": 3, "repeats": 3, "horizon": 70, **changes})


@pytest.mark.parametrize("norm", ["channel", "frame", "cumulative", "batch"])
def test_tdcn_fulfils_the_contract(norm: str) -> None:
    torch.manual_seed(1)
    verify_contract(TDCN(small(norm=norm, blocks=2), 5, 7).eval(), torch.randn(2, 80, 5))


def test_without_paths_and_scales_it_is_a_tcn() -> None:
    torch.manual_seed(2)
    config = small(norm="frame")
    tdcn, tcn = TDCN(config, 5, 7), TCN(config.tcn, 5, 7)
    with torch.no_grad():
        tdcn.path_scales.zero_()
        for block in tdcn.blocks:
            block.project_scale.fill_(1)
    assert all(block.expand_scale.item() == 1 for block in tdcn.blocks)
    tcn.load_state_dict({n: t for n, t in tdcn.state_dict().items() if "path" not in n and "scale" not in n})
    x = torch.randn(2, 40, 5)
    assert torch.equal(tdcn(x), tcn(x))


def test_every_repeat_hears_the_inputs_of_all_before_it() -> None:
    """With silent blocks `x1 = x0 + a x0`, `x2 = x1 + b x0 + c x1`; the paths are a, b and c times the identity."""
    torch.manual_seed(3)
    layer, (a, b, c) = TDCN(small(), 5, 7), (0.5, -2.0, 3.0)
    with torch.no_grad():
        for block in layer.blocks:
            block.project_scale.zero_()
        layer.path_scales.copy_(torch.tensor([a, b, c]))
        for path in layer.paths:
            path.weight.copy_(torch.eye(6))
            path.bias.zero_()
    x = torch.randn(1, 20, 5)
    x0 = layer.bottleneck(layer.norm(x))
    x1 = x0 + a * x0
    expected = layer.output(layer.prelu(x1 + b * x0 + c * x1))
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-5)  # float32 sums in another order


def test_scales_begin_as_powers_of_nine_tenths() -> None:
    first = [block.project_scale.item() for block in TDCN(small(), 5, 7).blocks]
    assert first == pytest.approx([0.9**index for index in range(9)])


def test_a_channel_norm_is_each_channels_own_cumulative_mean_and_variance_up_to_its_horizon() -> None:
    """With one frame more at the beginning, whose mean is zero and whose mean square is one."""
    torch.manual_seed(4)
    x = 3 + torch.randn(1, 130, 4, dtype=torch.float64) * torch.tensor([0.1, 1, 10, 100])
    count = torch.arange(2, 132)[:, None]
    mean = x[0].cumsum(0) / count
    variance = (1 + x[0].square().cumsum(0)) / count - mean.square()
    expected = (x[0] - mean) / variance.sqrt()
    torch.testing.assert_close(
        ChannelNorm(4, 132)(x.float())[0], expected.float(), rtol=0, atol=1e-4
    )  # float32 of 3 +- 0.1


def test_a_channel_norm_fulfils_the_contract_and_still_adapts_after_a_simulated_day() -> None:
    torch.manual_seed(5)
    norm = ChannelNorm(4, horizon=100)
    verify_contract(norm, torch.randn(2, 150, 4))
    _, (statistics, count) = norm.step(torch.randn(1, 300, 4), norm.init_state())
    assert count.item() == norm.horizon, "the counter stops there"
    loud = 5 + 100 * torch.randn(1, 1000, 4)
    late, _ = norm.step(loud, (statistics, torch.tensor([[86_400.0 * 1000]])))  # frames at a hop of 1 ms
    torch.testing.assert_close(late, norm.step(loud, (statistics, torch.tensor([[100.0]])))[0])
    assert late[0, -300:].std(0).tolist() == pytest.approx([1.0] * 4, abs=0.2)


def test_a_channel_that_hardly_varies_is_not_blown_up() -> None:
    x = torch.full((1, 200, 1), 0.7)
    x[:, 150:] += 1e-3 * torch.randn(1, 50, 1)
    assert ChannelNorm(1, horizon=100)(x)[:, 150:].abs().max() < 0.1


def test_a_quiet_start_is_silent() -> None:
    assert not TDCN(small(), 5, 7, quiet_start=True)(torch.randn(1, 9, 5)).any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"norm": "instance"}, "averages over the future"),
        ({"norm": "global"}, "averages over the future"),
        ({"norm": "chanel"}, "expected one of channel, frame"),
        ({"horizon": 5}, "horizon of 5 frames"),
        ({"kernel": 1}, "two taps or more"),
        ({"repeats": 0}, "repeats=0"),
    ],
)
def test_impossible_configurations_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**changes)
