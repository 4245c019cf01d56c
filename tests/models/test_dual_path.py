"""The dual-path RNN is the published algorithm, written out chunk by chunk, and its causal form streams."""

import pytest
import torch
from torch import Tensor, nn

from models.contract import verify_contract
from models.layers.dual_path import DelayedLSTM, DualPath, DualPathConfig, chunks, joined

SUMS = {"rtol": 0, "atol": 2e-6}  # float32 sums in another order


def small(chunk: int = 8, **changes: object) -> DualPathConfig:
    return DualPathConfig(**{"bottleneck": 6, "hidden": 4, "chunk": chunk, "blocks": 2, "horizon": 70, **changes})


def shaken(layer: nn.Module) -> nn.Module:
    """Gains, biases and slopes away from the ones and zeros they start as."""
    for parameter in layer.parameters():
        if parameter.ndim < 2:
            nn.init.normal_(parameter, 0.5, 0.3)
    return layer.eval()


@pytest.mark.parametrize("norm", ["frame", "cumulative"])
@pytest.mark.parametrize("chunk", [2, 8, 79, 100])
def test_the_causal_form_fulfils_the_contract(chunk: int, norm: str) -> None:
    torch.manual_seed(1)
    verify_contract(shaken(DualPath(small(chunk, norm=norm), 5, 10)), torch.randn(2, 80, 5))


@pytest.mark.parametrize("frames", [1, 8, 16, 43])
def test_the_causal_form_is_the_algorithm_written_out_chunk_by_chunk(frames: int) -> None:
    torch.manual_seed(2)
    config = small()
    layer, x = shaken(DualPath(config, 5, 10)), torch.randn(1, frames, 5)
    y = layer.bottleneck(nn.functional.layer_norm(x, (5,)))[0]
    for block in layer.blocks:
        intra = torch.cat([block.intra.lstm(piece[None])[0][0] for piece in y.split(config.chunk)])
        y = y + projected(block.intra_out, intra)
        inter = torch.empty(frames, config.hidden)
        for place in range(min(frames, config.chunk)):
            inter[place :: config.chunk] = block.inter.lstm(y[None, place :: config.chunk])[0][0]
        y = y + projected(block.inter_out, inter)
    torch.testing.assert_close(layer(x)[0], masks(layer, y), **SUMS)


@pytest.mark.parametrize("frames", [1, 8, 43])
def test_the_published_form_is_the_algorithm_written_out_chunk_by_chunk(frames: int) -> None:
    torch.manual_seed(3)
    config = small(causal=False, norm="global")
    chunk, hop = config.chunk, config.chunk // 2
    layer, x = shaken(DualPath(config, 5, 10)), torch.randn(1, frames, 5)
    features = layer.bottleneck(whitened(x))[0]
    starts = range(-chunk, frames + 1, hop)
    y = torch.zeros(len(starts), chunk, config.bottleneck)
    for n, start in enumerate(starts):
        for place in range(chunk):
            if 0 <= start + place < frames:
                y[n, place] = features[start + place]
    for block in layer.blocks:
        intra = torch.stack([block.intra(piece[None])[0][0] for piece in y])
        y = y + projected(block.intra_out, intra, whitened)
        inter = torch.stack([block.inter(y[None, :, place])[0][0] for place in range(chunk)], dim=1)
        y = y + projected(block.inter_out, inter, whitened)
    branches = layer.masks.branch(y)
    total = torch.zeros(frames, *branches.shape[2:])
    for n, start in enumerate(starts):
        for place in range(chunk):
            if 0 <= start + place < frames:
                total[start + place] += branches[n, place]
    torch.testing.assert_close(layer(x)[0], layer.masks.gated(total), **SUMS)


def whitened(x: Tensor) -> Tensor:
    return (x - x.mean()) / (x.var(correction=0) + 1e-8).sqrt()


def projected(part: nn.Module, y: Tensor, norm: object = None) -> Tensor:
    y = part.linear(y)
    return part.gain * (norm(y) if norm else nn.functional.layer_norm(y, y.shape[-1:])) + part.bias


def masks(layer: DualPath, y: Tensor) -> Tensor:
    """Two masks by the published gates, each source by itself."""
    split = nn.functional.prelu(y, layer.masks.prelu.weight) @ layer.masks.split.weight.T + layer.masks.split.bias
    parts = [
        layer.masks.output(torch.tanh(layer.masks.value(part)) * torch.sigmoid(layer.masks.gate(part)))
        for part in split.chunk(2, dim=-1)
    ]
    return torch.cat(parts, dim=-1)


def test_every_frame_is_in_two_chunks() -> None:
    x = torch.randn(2, 43, 3)
    assert chunks(x, 8).shape == (2, 12 + 1, 8, 3)
    assert torch.equal(joined(chunks(x, 8), 43), 2 * x)


def test_the_published_form_has_the_published_size() -> None:
    published = DualPath(DualPathConfig(causal=False, norm="global"), 64, 2 * 64)
    both_directions, projection, norm = 2 * 4 * 128 * (64 + 128 + 2), 256 * 64 + 64, 2 * 64
    blocks = 6 * 2 * (both_directions + projection + norm)
    assert sum(p.numel() for p in published.blocks.parameters()) == blocks
    total = sum(p.numel() for p in published.parameters()) + 2 * 64 * 16  # encoder and decoder, windows of 2 ms
    assert f"{total / 1e6:.1f}" == "2.6"  # Luo, Chen & Yoshioka (2020), table 1


def test_a_delayed_lstm_is_one_recurrence_per_place() -> None:
    torch.manual_seed(4)
    layer, x = DelayedLSTM(5, 6, delay=7), torch.randn(2, 40, 5)
    verify_contract(layer, x)
    for place in range(7):
        torch.testing.assert_close(layer(x)[:, place::7], layer.lstm(x[:, place::7])[0], **SUMS)


def test_the_state_across_chunks_is_a_delay_line_of_the_outputs() -> None:
    """So a host can keep it: the row that a step needs was given a chunk before."""
    layer, x = DelayedLSTM(5, 6, delay=7), torch.randn(2, 40, 5)
    y, (h, _) = layer.step(x, layer.init_state(2))
    assert torch.equal(h, y[:, -7:])


def test_the_causal_form_answers_in_the_same_frame_and_remembers_across_chunks() -> None:
    torch.manual_seed(5)
    layer, x = shaken(DualPath(small(), 5, 10)), torch.randn(1, 64, 5)
    for frame in range(17, 25):  # every place of a chunk
        changed = x.clone()
        changed[:, frame] = torch.randn(5)
        differs = (layer(changed) != layer(x)).any(-1)[0].nonzero()
        assert int(differs[0]) == frame, "no latency"
        assert int(differs[-1]) > 31, "the next chunks know"


def test_the_position_comes_back_to_zero_with_every_chunk() -> None:
    layer, x = DualPath(small(), 5, 10), torch.randn(2, 19, 5)
    _, state = layer.step(x, layer.init_state(2))
    assert torch.equal(state[0], torch.full((2, 1), 19.0 % 8))


def test_the_published_form_refuses_to_stream_by_name() -> None:
    layer = DualPath(small(causal=False, norm="global"), 5, 10)
    for call in (layer.init_state, lambda: layer.step(torch.randn(1, 8, 5), ())):
        with pytest.raises(ValueError, match="DualPath cannot stream: intra-chunk LSTMs of both.*, global norm"):
            call()


def test_all_masks_share_their_gates_and_start_quiet_where_asked() -> None:
    layer = DualPath(small(), 5, 15, quiet_start=True)
    assert layer.masks.shape == (3, 6) and layer.masks.output.weight.shape == (5, 6)
    assert not layer(torch.randn(1, 9, 5)).any()
    assert DualPath(small(), 7, 10, branches=2)(torch.randn(1, 9, 7)).shape == (1, 9, 10)


@pytest.mark.parametrize(("outputs", "branches"), [(7, None), (10, 3)])
def test_outputs_that_do_not_divide_into_branches_are_refused(outputs: int, branches: int | None) -> None:
    with pytest.raises(ValueError, match=f"{outputs} outputs for 5 inputs"):
        DualPath(small(), 5, outputs, branches=branches)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blocks": 0}, "blocks=0"),
        ({"chunk": 1}, "two frames or more"),
        ({"chunk": 9, "causal": False}, "chunk = 9"),
        ({"norm": "global"}, "averages over the future"),
    ],
)
def test_impossible_sizes_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**changes)
