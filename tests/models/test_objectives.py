"""Objectives and permutation-invariant losses against cases worked out by hand and against each other."""

import itertools
import math

import pytest
import torch

from models.objectives import (
    align,
    autoencoding_targets,
    latent_targets,
    negative_latent_si_sdr,
    permutation_invariant,
    phase_sensitive_loss,
    si_sdr,
    snr,
    spectral_distance,
    talking,
)


def tone(cycles: int, samples: int = 1600) -> torch.Tensor:
    return torch.sin(2 * math.pi * cycles * torch.arange(samples) / samples)


def test_an_orthogonal_error_of_a_tenth_is_twenty_decibels() -> None:
    assert float(si_sdr(tone(10) + 0.1 * tone(33), tone(10))) == pytest.approx(20.0, abs=1e-3)


def test_si_sdr_ignores_level_offset_and_sign() -> None:
    estimate, target = torch.randn(3, 800), torch.randn(3, 800)
    for other in (7 * estimate, estimate + 2, -estimate):
        torch.testing.assert_close(si_sdr(other, target), si_sdr(estimate, target), rtol=0, atol=1e-3)


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


def test_snr_is_si_sdr_of_the_best_level_and_falls_with_any_other() -> None:
    noise = 0.1 * tone(33)
    assert float(snr(tone(10) + noise, tone(10))) == pytest.approx(20.0, abs=1e-3)
    assert float(snr(2 * tone(10), tone(10))) == pytest.approx(0.0, abs=1e-3)


def test_phase_sensitive_loss_is_the_published_sum_over_time_and_frequency() -> None:
    torch.manual_seed(1)
    estimate, target = torch.randn(2, 3, 600), torch.randn(2, 3, 600)
    mixture = target.sum(1, keepdim=True)
    bins = [
        torch.stft(x.reshape(-1, 600), 64, 16, window=torch.hann_window(64), return_complex=True)
        for x in (mixture, estimate, target)
    ]
    y, guess, wanted = bins[0].repeat_interleave(3, dim=0), bins[1], bins[2]
    expected = (guess.abs() - wanted.abs() * torch.cos(y.angle() - wanted.angle())).square().mean((1, 2))
    loss = phase_sensitive_loss(mixture, size=64, hop=16)(estimate, target)
    torch.testing.assert_close(loss, expected.reshape(2, 3), rtol=1e-4, atol=1e-5)  # cosines of angles in float32


def test_phase_sensitive_loss_is_zero_for_the_only_talker_and_trains_masks_permutation_invariantly() -> None:
    torch.manual_seed(2)
    target = torch.randn(2, 1, 600)
    assert float(phase_sensitive_loss(target)(target, target).max()) == pytest.approx(0.0, abs=1e-6)
    talkers = torch.randn(2, 3, 2000)
    loss = phase_sensitive_loss(talkers.sum(1, keepdim=True))
    estimate = talkers[:, [2, 0, 1]].clone().requires_grad_()
    value, assignment = permutation_invariant(loss, estimate, talkers)
    assert assignment.tolist() == [[1, 2, 0]] * 2
    value.sum().backward()
    assert torch.isfinite(estimate.grad).all() and estimate.grad.any()


@pytest.mark.parametrize("loss", [lambda e, t: -snr(e, t), negative_latent_si_sdr])
@pytest.mark.parametrize("sources", [2, 3, 4])
def test_every_loss_trains_two_to_four_talkers_in_any_order(loss: object, sources: int) -> None:
    torch.manual_seed(sources)
    target = torch.randn(2, sources, 1100)
    estimate = (target.flip(1) + 0.1 * torch.randn_like(target)).requires_grad_()
    value, assignment = permutation_invariant(loss, estimate, target)
    assert assignment.tolist() == [list(range(sources))[::-1]] * 2
    value.sum().backward()
    assert torch.isfinite(estimate.grad).all()


def test_silent_targets_become_the_mixture_and_others_stay() -> None:
    talker, mixture = torch.randn(1, 1, 800), torch.randn(1, 1, 800)
    targets = autoencoding_targets(mixture, torch.cat([talker, torch.zeros(1, 2, 800)], dim=1))
    assert torch.equal(targets, torch.cat([talker, mixture, mixture], dim=1))


def test_with_a_talker_missing_the_best_outputs_are_the_talkers_and_copies_of_the_mixture() -> None:
    torch.manual_seed(3)
    talkers = torch.randn(1, 3, 800)
    talkers[:, 2] = 0
    mixture = talkers.sum(1, keepdim=True) + 0.3 * torch.randn(1, 1, 800)
    outputs = torch.cat([mixture, talkers[:, [1, 0]]], dim=1)
    loss, assignment = permutation_invariant(negative_latent_si_sdr, outputs, autoencoding_targets(mixture, talkers))
    assert assignment.tolist() == [[2, 1, 0]] and float(loss) < -60
    assert talking(outputs, mixture).tolist() == [[False, True, True]]


def test_one_output_talks_where_all_are_copies_and_none_in_digital_silence() -> None:
    torch.manual_seed(4)
    mixture = torch.randn(1, 1, 800)
    copies = mixture + torch.tensor([[[0.001], [0.01], [0.002]]]) * torch.randn(1, 3, 800)
    assert talking(copies, mixture).tolist() == [[False, True, False]]
    assert not talking(torch.zeros(2, 3, 800), torch.zeros(2, 1, 800)).any()


def test_latent_targets_share_the_mixture_out() -> None:
    torch.manual_seed(5)
    mixture, sources = torch.rand(2, 7, 5), torch.rand(2, 3, 7, 5)
    targets = latent_targets(mixture, sources)
    torch.testing.assert_close(targets.sum(1), mixture)
    weights = sources.exp()
    torch.testing.assert_close(targets[:, 1], mixture * weights[:, 1] / weights.sum(1))


def test_latent_si_sdr_keeps_the_mean_that_si_sdr_removes() -> None:
    torch.manual_seed(6)
    estimate, target = torch.rand(3, 500), torch.rand(3, 500)
    assert (negative_latent_si_sdr(estimate, target) < -si_sdr(estimate, target)).all(), "coefficients are positive"
    zero_mean = [x - x.mean(-1, keepdim=True) for x in (estimate, target)]
    torch.testing.assert_close(negative_latent_si_sdr(*zero_mean), -si_sdr(estimate, target), rtol=0, atol=1e-4)
    torch.testing.assert_close(
        negative_latent_si_sdr(3 * estimate, target), negative_latent_si_sdr(estimate, target), rtol=0, atol=1e-4
    )
