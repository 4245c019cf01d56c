"""SI-SDR and permutation-invariant losses against cases worked out by hand and against each other."""

import itertools
import math

import pytest
import torch

from models.objectives import align, permutation_invariant, separation_loss, si_sdr, spectral_distance


def tone(cycles: int, samples: int = 1600) -> torch.Tensor:
    return torch.sin(2 * math.pi * cycles * torch.arange(samples) / samples)


def test_an_orthogonal_error_of_a_tenth_is_twenty_decibels() -> None:
    assert float(si_sdr(tone(10) + 0.1 * tone(33), tone(10))) == pytest.approx(20.0, abs=1e-3)


def test_si_sdr_ignores_level_offset_and_sign() -> None:
    estimate, target = torch.randn(3, 800), torch.randn(3, 800)
    for other in (7 * estimate, estimate + 2, -estimate):
        torch.testing.assert_close(si_sdr(other, target), si_sdr(estimate, target), rtol=0, atol=1e-3)


def test_silence_gives_a_finite_loss_and_gradient() -> None:
    estimate = torch.zeros(1, 4000, requires_grad=True)
    loss = separation_loss(5.0)(estimate, torch.zeros(1, 4000)).sum()
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(estimate.grad).all()


def test_a_delayed_copy_is_perfect_once_aligned() -> None:
    target = torch.randn(2, 1, 500)
    estimate = torch.nn.functional.pad(target, (64, 0))[..., :500]
    assert float(si_sdr(*align(estimate, target, 64)).min()) > 60
    assert float(si_sdr(estimate, target).max()) < 5


def test_a_delay_as_long_as_the_signal_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing would be left"):
        align(torch.zeros(1, 10), torch.zeros(1, 10), 10)


@pytest.mark.parametrize("sources", [1, 2, 3, 4, 5])
def test_the_best_assignment_is_found_for_any_order(sources: int) -> None:
    torch.manual_seed(sources)
    target = torch.randn(3, sources, 400)
    order = torch.stack([torch.randperm(sources) for _ in range(3)])
    shuffled = torch.stack([t[o] for t, o in zip(target, order, strict=True)]) + 0.1 * torch.randn(3, sources, 400)
    loss, assignment = permutation_invariant(lambda e, t: -si_sdr(e, t), shuffled, target)
    for b in range(3):
        assert torch.equal(order[b][assignment[b]], torch.arange(sources))
    by_hand = [
        min(-si_sdr(shuffled[b, list(p)], target[b]).mean() for p in itertools.permutations(range(sources)))
        for b in range(3)
    ]
    torch.testing.assert_close(loss, torch.stack(by_hand))


def test_spectral_distance_is_zero_for_equal_signals_and_blind_to_the_common_level() -> None:
    estimate, target = torch.randn(2, 3, 4000), torch.randn(2, 3, 4000)
    assert float(spectral_distance(target, target).abs().max()) == 0
    assert spectral_distance(estimate, target).shape == (2, 3)
    torch.testing.assert_close(
        spectral_distance(0.1 * estimate, 0.1 * target), spectral_distance(estimate, target), rtol=0, atol=1e-3
    )
