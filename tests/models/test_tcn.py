"""The TCN's published options: norms with a bias where a convolution follows, and the form that is not causal."""

import pytest
import torch
from torch import Tensor, nn

from models.contract import ContractError, check_causal, verify_contract
from models.fasnet import FaSNetConfig, FaSNetTACConfig
from models.layers.tcn import TCN, CausalDepthwise, CentredDepthwise, TCNConfig
from models.tasnet import TasNet, TasNetConfig

SUMS = {"rtol": 0, "atol": 2e-6}  # float32 sums in another order


def small(**changes: object) -> TCNConfig:
    return TCNConfig(**{"bottleneck": 6, "hidden": 8, "skip": 4, "blocks": 3, "repeats": 2, "horizon": 70, **changes})


def shaken(layer: TCN) -> TCN:
    """Shifts, biases and slopes away from the zeros they start as."""
    for parameter in layer.parameters():
        if parameter.ndim < 2:
            nn.init.normal_(parameter, 0.3, 0.3)
    return layer.eval()


def published_depthwise(layer: CausalDepthwise, x: Tensor, padding: int) -> Tensor:
    """The filters of a layer as torch's convolution."""
    rows = nn.functional.pad(x.transpose(1, 2), (padding, (layer.kernel - 1) * layer.dilation - padding))
    weight = layer.weight.T[:, None]
    return nn.functional.conv1d(rows, weight, layer.bias, dilation=layer.dilation, groups=x.shape[2]).transpose(1, 2)


@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (3, 8), (5, 2)])
def test_depthwise_filters_are_torchs_convolution(kernel: int, dilation: int) -> None:
    torch.manual_seed(1)
    x, reach = torch.randn(2, 30, 5), (kernel - 1) * dilation
    for kind, padding in ((CausalDepthwise, reach), (CentredDepthwise, reach // 2)):
        layer = kind(5, kernel, dilation)
        nn.init.normal_(layer.bias)
        torch.testing.assert_close(layer(x), published_depthwise(layer, x, padding), **SUMS)


@pytest.mark.parametrize("norm", ["frame", "batch", "cumulative"])
def test_a_causal_tcn_with_shifts_fulfils_the_contract(norm: str) -> None:
    torch.manual_seed(2)
    verify_contract(shaken(TCN(small(norm=norm, shift=True), 5, 7)), torch.randn(2, 150, 5))


def test_a_shift_is_the_bias_of_the_published_norm_before_a_convolution_that_sees_silence_first() -> None:
    torch.manual_seed(3)
    block = shaken(TCN(small(shift=True), 6, 7)).blocks[1]
    x = torch.randn(2, 20, 6)
    gain, bias = torch.randn(8), block.shift.detach()
    y = nn.functional.prelu(block.expand(x), block.prelu1.weight)
    published = nn.functional.layer_norm(y, (8,), gain, gain * bias, eps=1e-5)
    taps = CausalDepthwise(8, 3, block.depthwise.dilation)
    with torch.no_grad():
        taps.weight.copy_(block.depthwise.weight / gain)
        taps.bias.copy_(block.depthwise.bias)
    y = nn.functional.prelu(published_depthwise(taps, published, 2 * taps.dilation), block.prelu2.weight)
    torch.testing.assert_close(block(x), block.project(nn.functional.layer_norm(y, (8,), eps=1e-5)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("norm", ["global", "frame"])
def test_the_form_that_is_not_causal_takes_whole_signals_and_refuses_to_stream(norm: str) -> None:
    torch.manual_seed(4)
    layer, x = TCN(small(norm=norm, causal=False), 5, 7), torch.randn(2, 40, 5)
    with pytest.raises(ContractError, match="not causal"):
        check_causal(layer, x)
    named = "depthwise convolutions" + (", global norm" if norm == "global" else "")
    for refused in (layer.init_state, lambda: layer.step(x, layer.begin(2))):
        with pytest.raises(ValueError, match=f"TCN cannot stream: {named} need the future"):
            refused()


@pytest.mark.parametrize("norm", ["global", "frame"])
def test_time_reversal_changes_nothing_but_the_order_where_filters_are_reversed_too(norm: str) -> None:
    torch.manual_seed(5)
    layer, x = shaken(TCN(small(norm=norm, causal=False, kernel=5, shift=True), 5, 7)), torch.randn(2, 40, 5)
    forward = layer(x)
    for block in layer.blocks:
        block.depthwise.weight.data = block.depthwise.weight.data.flip(0)
    torch.testing.assert_close(layer(x.flip(1)).flip(1), forward, rtol=0, atol=1e-5)


def test_a_tasnet_that_is_not_causal_names_what_needs_the_future() -> None:
    network = TasNet(TasNetConfig(separator=small(norm="global", causal=False))).eval()
    assert network.future == ("depthwise convolutions", "global norm")
    assert network(torch.randn(1, 1, 400)).shape == (1, 2, 400)
    with pytest.raises(ValueError, match="TasNet cannot stream"):
        network.init_state()


def test_impossible_forms_are_refused() -> None:
    with pytest.raises(ValueError, match="kernel = 4: filters that look ahead as far as back"):
        small(causal=False, kernel=4)
    with pytest.raises(ValueError, match="'global' .it averages over the future"):
        small(norm="global")
    for config in (FaSNetConfig, FaSNetTACConfig):
        with pytest.raises(ValueError, match="causal = false with a TCN"):
            config(separator=small(causal=False, skip=0))
    with pytest.raises(ValueError, match="average = true: only teachers"):
        FaSNetTACConfig(average=True)


def test_twice_the_dilation_at_twice_the_rate_is_the_same_network() -> None:
    """Every other frame of it sees the frames that the other sees: a shorter hop with the weights of a longer one."""
    torch.manual_seed(1)
    layer = shaken(TCN(small(), 5, 7))
    faster = TCN(small(dilation=2), 5, 7).eval()
    faster.load_state_dict(layer.state_dict())
    x = torch.randn(2, 40, 5)
    between = torch.randn(2, 40, 5)
    y = faster(torch.stack([x, between], dim=2).flatten(1, 2))
    torch.testing.assert_close(y[:, ::2], layer(x), **SUMS)
    torch.testing.assert_close(y[:, 1::2], layer(between), **SUMS)
