"""What training optimizes and evaluation reports: ratios of signal to error, permutation-invariant, aligned by delay.

A loss is a function of estimate and target, `[..., n]` each, to one number per signal, and broadcasts, so that
`permutation_invariant` takes any of them. `models.training.losses` makes one of what a recipe says.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations

import torch
from torch import Tensor

from models.spectra import power_spectrum

EPS = 1e-8
# Largest number of sources for which trying every permutation is cheaper than the Hungarian method.
MOST_PERMUTED = 3


def align(estimate: Tensor, target: Tensor, delay: int) -> tuple[Tensor, Tensor]:
    """Both signals where they overlap, the estimate running `delay` samples behind; samples last."""
    samples = target.shape[-1]
    if not 0 <= delay < samples:
        raise ValueError(f"a delay of {delay} samples for signals of {samples}: nothing would be left")
    return estimate[..., delay:], target[..., : samples - delay]


def si_sdr(estimate: Tensor, target: Tensor, ceiling_db: float = math.inf) -> Tensor:
    """Scale-invariant signal-to-distortion ratio in dB over the last axis (Le Roux et al., 2019), means removed.

    ceiling_db: the ratio of a perfect estimate, which others approach softly (Wisdom et al., 2020): as a loss it leaves
    clean mixtures alone once they are good, instead of outweighing the noisy ones.
    """
    estimate, target = (signal - signal.mean(-1, keepdim=True) for signal in (estimate, target))
    return scale_invariant_ratio(estimate, target, ceiling_db)


def scale_invariant_ratio(estimate: Tensor, target: Tensor, ceiling_db: float = math.inf) -> Tensor:
    """SI-SDR of vectors as they are, whatever their means."""
    scale = (estimate * target).sum(-1, keepdim=True) / (target.square().sum(-1, keepdim=True) + EPS)
    projected = scale * target
    return ratio_db(projected, projected - estimate, ceiling_db)


def snr(estimate: Tensor, target: Tensor, ceiling_db: float = math.inf) -> Tensor:
    """Signal-to-noise ratio in dB over the last axis: unlike SI-SDR it also fixes the level of the estimate."""
    return ratio_db(target, target - estimate, ceiling_db)


def ratio_db(wanted: Tensor, error: Tensor, ceiling_db: float) -> Tensor:
    """Energy of one signal against another's, `[..., n]` to `[...]`, at most `ceiling_db`."""
    energy = wanted.square().sum(-1)
    floor = 10 ** (-ceiling_db / 10) * energy
    return 10 * torch.log10((energy + EPS) / (error.square().sum(-1) + floor + EPS))


def leakage(estimate: Tensor, mixture: Tensor, floor_db: float) -> Tensor:
    """What comes out where nothing should, in dB against the mixture, softly bounded from below (Wisdom et al., 2021).

    The loss of an estimate whose target is silence, which has no SI-SDR. Shape: `[..., n]` twice to `[...]`.
    """
    heard = mixture.square().sum(-1)
    return 10 * torch.log10((estimate.square().sum(-1) + 10 ** (floor_db / 10) * heard + EPS) / (heard + EPS))


def spectral_distance(estimate: Tensor, target: Tensor, sizes: tuple[int, ...] = (256, 512, 1024)) -> Tensor:
    """Mean distance of power-0.3 magnitudes over several resolutions, one number per signal.

    Relative to the target's level, so that quiet recordings count as much as loud ones. Shape: `[..., n]` to `[...]`.
    """
    level = target.square().mean(-1).sqrt() + 1e-5
    scale = level[..., None, None] ** -2
    total: Tensor = torch.zeros((), device=estimate.device)
    for size in sizes:
        ours, theirs = (power_spectrum(x, size) for x in (estimate, target))
        total = total + compressed_distance(ours, theirs, scale) / len(sizes)
    return total


def compressed_distance(power: Tensor, wanted: Tensor, scale: Tensor) -> Tensor:
    """Mean distance of power-0.3 magnitudes of two power spectra `[..., T, F]` that are scaled alike, `[...]`."""
    ours, theirs = (((x * scale + 1e-8).log() * 0.15).exp() for x in (power, wanted))
    return (ours - theirs).abs().mean((-1, -2))


def permutation_invariant(
    loss: Callable[[Tensor, Tensor], Tensor], estimate: Tensor, target: Tensor
) -> tuple[Tensor, Tensor]:
    """The smallest mean loss over all assignments of outputs to talkers, and that assignment (Kolbaek et al., 2017).

    Shape: `[B, S, n]` twice to `[B]` and `[B, S]`: estimate `assignment[b, s]` belongs to target `s`.
    """
    batch, sources, _ = target.shape
    # Broadcast, so that a loss that transforms signals transforms each of them once: [B, estimate, target].
    pairwise = loss(estimate, target.transpose(0, 1)[:, :, None]).permute(1, 2, 0)
    if sources <= MOST_PERMUTED:
        choices = torch.tensor(list(permutations(range(sources))), device=target.device)  # [P, S]
        totals = pairwise[:, choices, torch.arange(sources, device=target.device)].mean(-1)  # [B, P]
        return totals.min(dim=1).values, choices[totals.argmin(dim=1)]
    from scipy.optimize import linear_sum_assignment

    chosen = [linear_sum_assignment(cost.T.detach().cpu().numpy())[1] for cost in pairwise]
    assignment = torch.as_tensor(chosen, device=target.device).reshape(batch, sources)
    return pairwise.gather(1, assignment[:, None]).squeeze(1).mean(-1), assignment


def phase_sensitive_loss(mixture: Tensor, size: int = 512, hop: int = 128) -> Callable[[Tensor, Tensor], Tensor]:
    """Distance of the estimate's magnitudes from the share of the target that is in phase with the mixture.

    The mean over time and frequency of `(|S_hat| - |S| cos(angle of Y - angle of S))^2`: phase-sensitive spectrum
    approximation, the objective of the uPIT baseline (Erdogan et al., 2015; Kolbaek et al., 2017), whose masks multiply
    the mixture's magnitudes and keep its phases. `mixture` `[B, 1, n]`, signals `[B, S, n]`.
    """
    phase = spectrum(mixture, size, hop).sgn()

    def loss(estimate: Tensor, target: Tensor) -> Tensor:
        in_phase = (spectrum(target, size, hop) * phase.conj()).real  # |S| cos(difference)
        return (spectrum(estimate, size, hop).abs() - in_phase).square().mean((-1, -2))

    return loss


def spectrum(signal: Tensor, size: int, hop: int) -> Tensor:
    """Short-time Fourier transform with a Hann window, `[..., n]` to `[..., F, T]`."""
    window = torch.hann_window(size, device=signal.device)
    transformed = torch.stft(signal.flatten(0, -2), size, hop, window=window, return_complex=True)
    return transformed.unflatten(0, signal.shape[:-1])


def autoencoding_targets(mixture: Tensor, target: Tensor) -> Tensor:
    """The targets with every silent one replaced by the mixture: A2PIT (Luo & Mesgarani, 2020).

    SI-SDR has no gradient towards silence. An output that has no talker learns to repeat the mixture instead, which
    `talking` finds. `mixture` `[B, 1, n]`, `target` `[B, S, n]`.
    """
    silent = ~target.any(-1, keepdim=True)
    return torch.where(silent, mixture, target)


def talking(estimate: Tensor, mixture: Tensor, threshold_db: float = 20.0) -> Tensor:
    """Which outputs hold a talker, `[B, S]`: those that are no copy of the mixture by their SI-SDR against it.

    Where all are copies one talker is the mixture, and the least similar output stands for it. A talker separated from
    others of about equal level has around 0 dB. Digital silence talks never.
    """
    likeness = si_sdr(estimate, mixture.expand_as(estimate))
    least = torch.zeros_like(likeness, dtype=torch.bool).scatter_(-1, likeness.argmin(-1, keepdim=True), True)
    return ((likeness < threshold_db) | least) & estimate.any(-1)


def latent_targets(mixture: Tensor, sources: Tensor) -> Tensor:
    """Each source's share of the mixture's coefficients: what two-step training aims at (Tzinis et al., 2020).

    The first step trains encoder and decoder with these in place of separated coefficients; the second keeps both and
    trains the separator on `negative_latent_si_sdr` against them. Shares are a softmax over the encoded sources.
    Shape: `[B, T, C]` and `[B, S, T, C]` to `[B, S, T, C]`.
    """
    return sources.softmax(dim=1) * mixture[:, None]


def negative_latent_si_sdr(estimate: Tensor, target: Tensor) -> Tensor:
    """SI-SDR loss of encoded sources flattened to `[..., T * C]`, whose means are kept.

    The latent SI-SDR is a lower bound of that in the time domain (Tzinis et al., 2020).
    """
    return -scale_invariant_ratio(estimate, target)
