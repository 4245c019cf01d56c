"""SkiM is the published algorithm, written out segment by segment, and streams."""

import pytest
import torch
from torch import Tensor, nn

from models.contract import verify_contract
from models.layers.recurrent import run_lstm
from models.layers.skim import MemoryLSTM, SkiM, SkiMConfig

SUMS = {"rtol": 0, "atol": 2e-6}  # float32 sums in another order


def small(**changes: object) -> SkiMConfig:
    return SkiMConfig(**{"bottleneck": 6, "hidden": 4, "segment": 8, "blocks": 3, "horizon": 70, **changes})


@pytest.mark.parametrize("norm", ["frame", "cumulative"])
@pytest.mark.parametrize("segment", [1, 8, 100])
def test_skim_fulfils_the_contract(segment: int, norm: str) -> None:
    torch.manual_seed(1)
    verify_contract(SkiM(small(segment=segment, norm=norm), 5, 7), torch.randn(2, 80, 5))


def test_a_memory_fulfils_the_contract_and_takes_nothing_for_nothing() -> None:
    torch.manual_seed(2)
    memory = MemoryLSTM(small(hidden=5))
    verify_contract(memory, torch.randn(2, 30, 5))
    state = memory.init_state(2)
    y, after = memory.step(torch.randn(2, 0, 5), state)
    assert y.shape == (2, 0, 5) and after is state


@pytest.mark.parametrize("frames", [3, 8, 43])
def test_skim_is_the_algorithm_written_out_segment_by_segment(frames: int) -> None:
    torch.manual_seed(3)
    layer, x = SkiM(small(), 5, 7), torch.randn(1, frames, 5)
    features, outputs = layer.bottleneck(nn.functional.layer_norm(x, (5,))), []
    zeros = torch.zeros(1, 4)
    starts = [(zeros, zeros)] * 3
    memories = [[(zeros, zeros)] * 2 for _ in range(2)]
    for y in features.split(8, dim=1):
        ends = []
        for block in range(3):
            z, end = run_lstm(layer.segments[block].lstm, y, starts[block])
            y = y + projected(layer.projects[block], z)
            ends.append(end)
        for block in range(2):  # what the segment left, for the next segment one block up
            found = []
            for part in range(2):
                memory = layer.memories[block][part]
                z, memories[block][part] = run_lstm(memory.lstm.lstm, ends[block][part][:, None], memories[block][part])
                found.append((ends[block][part][:, None] + projected(memory.project, z))[:, 0])
            starts[block + 1] = tuple(found)
        outputs.append(layer.output(layer.prelu(y)))
    torch.testing.assert_close(layer(x), torch.cat(outputs, dim=1), **SUMS)


def projected(part: nn.Module, y: Tensor) -> Tensor:
    y = part.linear(y)
    return part.gain * nn.functional.layer_norm(y, y.shape[-1:]) + part.bias


def test_one_block_forgets_at_every_segment_and_two_do_not() -> None:
    torch.manual_seed(4)
    x = torch.randn(1, 24, 5)
    changed = torch.cat([torch.randn(1, 8, 5), x[:, 8:]], dim=1)
    one, two = SkiM(small(blocks=1), 5, 7), SkiM(small(blocks=2), 5, 7)
    assert torch.equal(one(x)[:, 8:], one(changed)[:, 8:])
    assert (two(x)[:, 16:] != two(changed)[:, 16:]).any(), "two segments later, through the memories alone"


def test_a_quiet_start_is_silent() -> None:
    assert not SkiM(small(), 5, 7, quiet_start=True)(torch.randn(1, 9, 5)).any()


@pytest.mark.parametrize(
    ("changes", "message"), [({"segment": 0}, "segment=0"), ({"norm": "gLN"}, "averages over the future")]
)
def test_impossible_sizes_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**changes)
