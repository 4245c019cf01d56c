"""What training maximizes and evaluation reports: SI-SDR, permutation-invariant, aligned by the network's delay."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import torch
from torch import Tensor

EPS = 1e-8
# Largest number of sources for which trying every permutation is cheaper than the Hungarian method.
MOST_PERMUTED = 3


def align(estimate: Tensor, target: Tensor, delay: int) -> tuple[Tensor, Tensor]:
    """Both signals where they overlap, the estimate running `delay` samples behind; samples last."""
    samples = target.shape[-1]
    if not 0 <= delay < samples:
        raise ValueError(f"a delay of {delay} samples for signals of {samples}: nothing would be left")
    return estimate[..., delay:], target[..., : samples - delay]


def si_sdr(estimate: Tensor, target: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio in dB over the last axis (Le Roux et al., 2019), means removed."""
    estimate = estimate - estimate.mean(-1, keepdim=True)
    target = target - target.mean(-1, keepdim=True)
    scale = (estimate * target).sum(-1, keepdim=True) / (target.square().sum(-1, keepdim=True) + EPS)
    projected = scale * target
    wanted, residual = projected.square().sum(-1), (projected - estimate).square().sum(-1)
    return 10 * torch.log10((wanted + EPS) / (residual + EPS))


def spectral_distance(estimate: Tensor, target: Tensor, sizes: tuple[int, ...] = (256, 512, 1024)) -> Tensor:
    """Mean distance of power-0.3 magnitudes over several resolutions, one number per signal.

    Relative to the target's level, so that quiet recordings count as much as loud ones. Shape: `[..., n]` to `[...]`.
    """
    level = target.square().mean(-1, keepdim=True).sqrt() + 1e-5
    pair = torch.stack([estimate / level, target / level]).flatten(0, -2)
    total: Tensor = torch.zeros((), device=estimate.device)
    for size in sizes:
        window = torch.hann_window(size, device=estimate.device)
        spectrum = torch.stft(pair, size, size // 4, window=window / window.sum().sqrt(), return_complex=True)
        magnitude = (spectrum.real.square() + spectrum.imag.square() + 1e-8).pow(0.15)
        ours, theirs = magnitude.chunk(2)
        total = total + (ours - theirs).abs().mean((-1, -2)) / len(sizes)
    return total.reshape(target.shape[:-1])


def permutation_invariant(
    loss: Callable[[Tensor, Tensor], Tensor], estimate: Tensor, target: Tensor
) -> tuple[Tensor, Tensor]:
    """The smallest mean loss over all assignments of outputs to talkers, and that assignment (Kolbaek et al., 2017).

    Shape: `[B, S, n]` twice to `[B]` and `[B, S]`: estimate `assignment[b, s]` belongs to target `s`.
    """
    batch, sources, _ = target.shape
    pairwise = torch.stack(  # [B, estimate, target]
        [loss(estimate, target[:, [s] * sources]) for s in range(sources)], dim=-1
    )
    if sources <= MOST_PERMUTED:
        choices = torch.tensor(list(permutations(range(sources))), device=target.device)  # [P, S]
        totals = pairwise[:, choices, torch.arange(sources, device=target.device)].mean(-1)  # [B, P]
        return totals.min(dim=1).values, choices[totals.argmin(dim=1)]
    from scipy.optimize import linear_sum_assignment

    chosen = [linear_sum_assignment(cost.T.detach().cpu().numpy())[1] for cost in pairwise]
    assignment = torch.as_tensor(chosen, device=target.device).reshape(batch, sources)
    return pairwise.gather(1, assignment[:, None]).squeeze(1).mean(-1), assignment


def separation_loss(spectral_weight: float) -> Callable[[Tensor, Tensor], Tensor]:
    """`-SI-SDR + weight * spectral distance` per signal; the second term also fixes the level SI-SDR leaves open."""

    def loss(estimate: Tensor, target: Tensor) -> Tensor:
        value = -si_sdr(estimate, target)
        if spectral_weight:
            value = value + spectral_weight * spectral_distance(estimate, target)
        return value

    return loss
