"""The losses that recipes name: against the ratios they are made of, and where those have nothing to say."""

import math

import pytest
import torch

from models.objectives import phase_sensitive_loss, si_sdr, snr, spectral_distance
from models.recipe import LossConfig
from models.training.losses import Separation, signal_loss

KINDS = ["si-sdr", "snr", "phase-sensitive"]
PLAIN = LossConfig(spectral_weight=0.0)
QUIET = LossConfig(spectral_weight=0.0, ceiling_db=30.0, silent="quiet")


@pytest.fixture
def talkers() -> torch.Tensor:
    return 0.1 * torch.randn(3, 2, 2000, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def error() -> torch.Tensor:
    return 0.03 * torch.randn(3, 2, 2000, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_a_loss_is_its_distance_and_that_of_spectra(
    talkers: torch.Tensor, error: torch.Tensor, kind: str, weight: float
) -> None:
    mixture, estimate = talkers.sum(1, keepdim=True), talkers + error
    loss = signal_loss(LossConfig(kind, weight), mixture)(estimate, talkers)
    distance = {
        "si-sdr": lambda e, t: -si_sdr(e, t),
        "snr": lambda e, t: -snr(e, t),
        "phase-sensitive": phase_sensitive_loss(mixture),
    }[kind]
    assert torch.equal(loss, distance(estimate, talkers) + weight * spectral_distance(estimate, talkers))


@pytest.mark.parametrize("kind", ["si-sdr", "snr"])
def test_a_perfect_estimate_reaches_the_ceiling_and_a_poor_one_does_not_notice_it(
    talkers: torch.Tensor, error: torch.Tensor, kind: str
) -> None:
    mixture = talkers.sum(1, keepdim=True)
    below, without = (signal_loss(LossConfig(kind, 0.0, ceiling), mixture) for ceiling in (30.0, math.inf))
    torch.testing.assert_close(below(talkers, talkers), torch.full((3, 2), -30.0), rtol=0, atol=1e-2)
    noisy = talkers + 10 * error
    torch.testing.assert_close(below(noisy, talkers), without(noisy, talkers), rtol=0, atol=1e-3)


def test_at_the_ceiling_half_of_the_gradient_is_left(talkers: torch.Tensor, error: torch.Tensor) -> None:
    """10 log10(e + t) has the slope of 10 log10(e) times e / (e + t): a half where the error is the ceiling."""
    at_ceiling = error * (talkers.norm(dim=-1) / error.norm(dim=-1))[..., None] * 10 ** (-30 / 20)
    slopes = []
    for ceiling in (30.0, math.inf):
        scale = torch.ones((), requires_grad=True)
        signal_loss(LossConfig("snr", 0.0, ceiling), talkers)(talkers + scale * at_ceiling, talkers).mean().backward()
        slopes.append(float(scale.grad))
    assert slopes[0] / slopes[1] == pytest.approx(0.5, abs=1e-3)


def test_outputs_without_a_talker_become_quiet_down_to_the_ceiling(talkers: torch.Tensor) -> None:
    mixture = talkers.sum(1, keepdim=True)
    loss = signal_loss(QUIET, mixture)
    silence = torch.zeros_like(talkers)
    for gain, expected in ((1.0, 0.0), (0.1, -20.0 + 10 * math.log10(1.1)), (0.0, -30.0)):
        torch.testing.assert_close(
            loss(gain * mixture.expand_as(talkers), silence), torch.full((3, 2), expected), rtol=0, atol=5e-3
        )
    torch.testing.assert_close(loss(talkers, talkers), torch.full((3, 2), -30.0), rtol=0, atol=1e-2)


@pytest.mark.parametrize("spectral", [0.0, 5.0])
@pytest.mark.parametrize("config", [PLAIN, QUIET])
def test_silence_gives_a_finite_loss_and_gradient(config: LossConfig, spectral: float) -> None:
    config = LossConfig(config.kind, spectral, config.ceiling_db, config.silent)
    for mixture in (torch.zeros(1, 1, 4000), torch.randn(1, 1, 4000)):
        estimate = torch.zeros(1, 2, 4000, requires_grad=True)
        loss = Separation(config)(estimate, mixture, torch.zeros(1, 2, 4000), 0).sum()
        loss.backward()
        assert torch.isfinite(loss) and torch.isfinite(estimate.grad).all()


def test_a_silent_target_may_be_the_mixture_instead(talkers: torch.Tensor, error: torch.Tensor) -> None:
    """With one of two talkers silent the best outputs are the other and the mixture, in either order."""
    talkers[:, 1] = 0
    mixture = talkers.sum(1, keepdim=True) + error[:, :1]
    copy = LossConfig(spectral_weight=0.0, silent="mixture")
    wanted = torch.cat([mixture, talkers[:, :1]], dim=1)
    assert float(Separation(copy)(wanted, mixture, talkers, 0).max()) < -60
    assert float(Separation(copy)(talkers, mixture, talkers, 0).min()) > -60, "one of two outputs has no likeness"


def test_the_mixture_is_heard_at_the_reference_and_in_time(talkers: torch.Tensor) -> None:
    """What a silent output leaks counts against the reference microphone's level, once both are aligned."""
    mixture = torch.stack([3 * talkers[:, 0], talkers[:, 0]], dim=1)
    late = torch.nn.functional.pad(talkers[:, :1], (16, 0))[..., :2000]
    silence = torch.zeros_like(late)
    for reference, expected in ((0, -20 * math.log10(3)), (1, 0.0)):
        loss = Separation(LossConfig("snr", 0.0, 60.0, "quiet"), reference)(late, mixture, silence, 16)
        torch.testing.assert_close(loss, torch.full((3,), expected), rtol=0, atol=1e-3)
