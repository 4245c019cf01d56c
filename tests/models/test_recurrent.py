"""Recurrent layers are torch's LSTM, cut into blocks and segments; the separator is that of LSTM-TasNet."""

import pytest
import torch
from torch import nn

from models.contract import verify_contract
from models.layers.norms import GlobalNorm
from models.layers.recurrent import (
    LSTM,
    SegmentLSTM,
    StackedLSTM,
    StackedLSTMConfig,
    common_position,
    run_lstm,
)

SUMS = {"rtol": 0, "atol": 1e-6}  # float32 sums in another order


@pytest.mark.parametrize("norm", ["frame", "cumulative", "batch"])
def test_the_stack_fulfils_the_contract(norm: str) -> None:
    torch.manual_seed(1)
    config = StackedLSTMConfig(hidden=6, layers=4, norm=norm, horizon=70)
    verify_contract(StackedLSTM(config, 5, 7).eval(), torch.randn(2, 80, 5))


def test_a_step_is_four_gates_as_the_export_writes_them() -> None:
    torch.manual_seed(2)
    layer, x = LSTM(3, 4), torch.randn(2, 1, 3)
    h, c = torch.randn(2, 4), torch.randn(2, 4)
    lstm = layer.lstm
    gates = x[:, 0] @ lstm.weight_ih_l0.T + lstm.bias_ih_l0 + h @ lstm.weight_hh_l0.T + lstm.bias_hh_l0
    i, f, g, o = gates.chunk(4, dim=1)
    cell = f.sigmoid() * c + i.sigmoid() * g.tanh()
    y, (h_after, c_after) = layer.step(x, (h, c))
    torch.testing.assert_close(c_after, cell, **SUMS)
    torch.testing.assert_close(h_after, o.sigmoid() * cell.tanh(), **SUMS)
    assert torch.equal(y[:, 0], h_after)


@pytest.mark.parametrize("causal", [True, False])
def test_without_skips_the_stack_is_torchs_own(causal: bool) -> None:
    torch.manual_seed(3)
    stack = StackedLSTM(StackedLSTMConfig(hidden=6, layers=3, skip=False, causal=causal), 5, 7)
    torchs = nn.LSTM(5, 6, num_layers=3, batch_first=True, bidirectional=not causal)
    for name, parameter in torchs.named_parameters():
        kind, _, rest = name.rpartition("_l")
        layer = stack.layers[int(rest[0])]
        own = layer.lstm if causal else layer
        parameter.data.copy_(own.get_parameter(f"{kind}_l0{rest[1:]}"))
    x = torch.randn(2, 40, 5)
    normed = nn.functional.layer_norm(x, (5,))
    torch.testing.assert_close(stack(x), stack.output(torchs(normed)[0]), **SUMS)


@pytest.mark.parametrize("causal", [True, False])
def test_the_second_layer_is_added_to_the_fourth(causal: bool) -> None:
    torch.manual_seed(4)
    stack = StackedLSTM(StackedLSTMConfig(hidden=6, layers=4, causal=causal), 5, 7)
    x, outputs = torch.randn(2, 20, 5), []
    y = nn.functional.layer_norm(x, (5,))
    for layer in stack.layers:
        y = (layer.lstm if causal else layer)(y)[0]
        outputs.append(y)
    torch.testing.assert_close(stack(x), stack.output(outputs[3] + outputs[1]), **SUMS)


def test_the_paper_s_network_has_the_paper_s_size() -> None:
    filters, window = 500, 40  # 5 ms at 8 kHz
    with torch.device("meta"):
        separator = StackedLSTM(StackedLSTMConfig(), filters, 2 * filters)
    encoder, decoder = 2 * window * filters, window * filters  # the encoder is gated
    total = sum(p.numel() for p in separator.parameters()) + encoder + decoder
    assert total == pytest.approx(32.0e6, rel=0.03)  # "32.0M" in Luo & Mesgarani (2019), table IV


def test_the_form_of_both_directions_sees_the_future_and_refuses_to_stream_by_name() -> None:
    torch.manual_seed(5)
    config = StackedLSTMConfig(hidden=6, layers=2, causal=False, norm="global")
    stack, x = StackedLSTM(config, 5, 7), torch.randn(2, 20, 5)
    later = torch.cat([x[:, :10], torch.randn(2, 10, 5)], dim=1)
    assert not torch.allclose(stack(x)[:, :10], stack(later)[:, :10], atol=1e-3)
    with pytest.raises(ValueError, match="StackedLSTM cannot stream: LSTMs of both directions, global norm"):
        stack.step(x, ())
    with pytest.raises(ValueError, match="cannot stream"):
        stack.init_state()


def test_a_global_norm_gives_each_sequence_zero_mean_and_unit_variance() -> None:
    y = GlobalNorm()(3 + 5 * torch.randn(2, 9, 8, 7)).flatten(1)
    torch.testing.assert_close(y.mean(1), torch.zeros(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(y.var(1, correction=0), torch.ones(2), rtol=0, atol=1e-5)


@pytest.mark.parametrize("position", [0, 1, 5, 6])
@pytest.mark.parametrize("frames", [1, 2, 6, 7, 8, 13, 23])
def test_segments_side_by_side_are_segments_one_after_the_other(position: int, frames: int) -> None:
    torch.manual_seed(6)
    layer, x = SegmentLSTM(3, 4, segment=7), torch.randn(2, frames, 3)
    ended = (position + frames) // 7
    state, given = torch.randn(2, 2, 4).unbind(), torch.randn(2, 2, ended, 4).unbind()
    now, outputs, ends = state, [], []
    for frame in range(frames):
        y, now = run_lstm(layer.lstm, x[:, frame : frame + 1], now)
        outputs.append(y)
        if (position + frame + 1) % 7 == 0:
            ends.append(now)
            now = tuple(part[:, len(ends) - 1] for part in given)
    y, after, ended_with = layer.step(x, state, position, given)
    torch.testing.assert_close(y, torch.cat(outputs, dim=1), **SUMS)
    for part in range(2):
        torch.testing.assert_close(after[part], now[part], **SUMS)
        assert ended_with[part].shape[1] == len(ends) == ended
        for n, end in enumerate(ends):
            torch.testing.assert_close(ended_with[part][:, n], end[part], **SUMS)


def test_segments_follow_from_a_carried_position_as_the_export_writes_it() -> None:
    torch.manual_seed(7)
    layer, x = SegmentLSTM(3, 4, segment=7), torch.randn(2, 30, 3)
    given, state, position, outputs = torch.randn(2, 2, 4), layer.init_state(2), torch.zeros(2, 1), []
    for frame in x.split(1, dim=1):
        y, state = run_lstm(layer.lstm, frame, state)
        keep = (7 - 1 - position).clamp(max=1)
        state = tuple(keep * s + (1 - keep) * g for s, g in zip(state, given, strict=True))
        position = keep * (position + 1)
        outputs.append(y)
    starts = tuple(g[:, None].expand(-1, 30 // 7, -1) for g in given)
    torch.testing.assert_close(layer.step(x, layer.init_state(2), 0, starts)[0], torch.cat(outputs, dim=1), **SUMS)
    assert torch.equal(position, torch.full((2, 1), 30.0 % 7))


def test_streams_at_different_places_of_their_segments_do_not_share_a_batch() -> None:
    assert common_position(torch.tensor([[3.0], [3.0]])) == 3
    with pytest.raises(ValueError, match=r"positions \[3.0, 4.0\]"):
        common_position(torch.tensor([[3.0], [4.0]]))


def test_a_quiet_start_is_silent() -> None:
    stack = StackedLSTM(StackedLSTMConfig(hidden=6, layers=2), 5, 7, quiet_start=True)
    assert not stack(torch.randn(1, 9, 5)).any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": 0}, "layers=0"),
        ({"hidden": 0}, "hidden=0"),
        ({"norm": "global"}, "averages over the future"),
        ({"norm": "cumulative", "horizon": 3}, "horizon of 3 frames"),
    ],
)
def test_impossible_stacks_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StackedLSTMConfig(**changes)
