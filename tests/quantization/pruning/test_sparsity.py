"""Zeros where weights were smallest, and nothing else changed."""

import pytest
import torch

from quantization.pruning.sparsity import compressed_bytes, matrices, n_of_m, sparse, zeros
from tests.quantization.pruning.networks import SEPARATORS, TINY, network


@pytest.mark.parametrize("name", ["tcn", "lstm"])
@pytest.mark.parametrize("ratio", [0.3, 0.9])
def test_a_share_of_the_weights_is_zero_and_the_others_are_as_they_were(name: str, ratio: float) -> None:
    net = network(SEPARATORS[name])
    made = sparse(net, ratio)
    assert zeros(made) == pytest.approx(ratio, abs=1e-3) and zeros(net) == 0
    for before, after in zip(matrices(net), matrices(made), strict=True):
        left = after != 0
        assert torch.equal(after[left], before[left])
        if left.any() and not left.all():
            assert before[left].abs().min() >= before[~left].abs().max()
    assert torch.equal(made.filterbank.encoder.weight, net.filterbank.encoder.weight)


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (4, 8)])
def test_of_every_few_weights_in_a_row_the_largest_stay(n: int, m: int) -> None:
    net = network(TINY)
    for before, after in zip(matrices(net), matrices(n_of_m(net, n, m)), strict=True):
        for one, other in zip(before.split(m, dim=1), after.split(m, dim=1), strict=True):
            stay = min(n, one.shape[1])
            assert ((other != 0).sum(1) == stay).all()
            torch.testing.assert_close(other.abs().sum(1), one.abs().topk(stay, dim=1).values.sum(1))


def test_zeros_compress() -> None:
    net = network(SEPARATORS["lstm"])
    sizes = [compressed_bytes(b"".join(w.numpy().tobytes() for w in matrices(n))) for n in (net, sparse(net, 0.9))]
    assert sizes[1] < 0.4 * sizes[0]


def test_impossible_patterns_are_refused() -> None:
    with pytest.raises(ValueError, match=r"ratio = 1\.0"):
        sparse(network(TINY), 1.0)
    with pytest.raises(ValueError, match="4 of 4 weights"):
        n_of_m(network(TINY), 4, 4)
