"""Power spectra and their gradients against torch's own transforms."""

import pytest
import torch

from models.spectra import power_spectrum


def by_torch(signals: torch.Tensor, size: int) -> torch.Tensor:
    window = torch.hann_window(size, dtype=signals.dtype)
    bins = torch.stft(signals.flatten(0, -2), size, size // 4, window=window / window.sum().sqrt(), return_complex=True)
    return (bins.real.square() + bins.imag.square()).transpose(1, 2).unflatten(0, signals.shape[:-1])


@pytest.mark.parametrize("samples", [1024, 1001, 67])
def test_power_and_its_gradient_are_those_of_torch(samples: int) -> None:
    torch.manual_seed(samples)
    signals = torch.randn(2, 3, samples, dtype=torch.float64, requires_grad=True)
    weights = torch.randn_like(by_torch(signals, 128))
    ours, theirs = power_spectrum(signals, 128), by_torch(signals, 128)
    torch.testing.assert_close(ours, theirs)
    of_ours, of_theirs = (torch.autograd.grad((x * weights).sum(), signals)[0] for x in (ours, theirs))
    torch.testing.assert_close(of_ours, of_theirs)


def test_the_gradient_is_that_of_small_differences() -> None:
    signals = torch.randn(1, 40, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: power_spectrum(x, 16), signals)
