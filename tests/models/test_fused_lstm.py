"""Our LSTM for many sequences in bfloat16 is torch's, but for rounding, and stands aside where it is not meant."""

import logging
import shutil
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from models.layers import fused_lstm as module
from models.layers.fused_lstm import CELLS, frames, suits
from models.layers.recurrent import run_lstm

ROUNDED = 0.01  # of what comes out: twice what eight significant bits cost over these frames
INPUTS, UNITS, FRAMES = 5, 19, 40  # units that no vector of a processor divides
SEQUENCES = -(-CELLS // UNITS)

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler: apt-get install g++")


@pytest.fixture
def compiled_anew() -> Iterator[None]:
    frames.cache_clear()
    yield
    frames.cache_clear()


def in_bfloat16() -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16)


def a_layer() -> tuple[nn.LSTM, Tensor, Tensor, Tensor]:
    """An LSTM, and its input and first state with gradients."""
    torch.manual_seed(1)
    lstm = nn.LSTM(INPUTS, UNITS, batch_first=True)
    shapes = (SEQUENCES, FRAMES, INPUTS), (SEQUENCES, UNITS), (SEQUENCES, UNITS)
    x, h, c = (torch.randn(shape, requires_grad=True) for shape in shapes)
    return lstm, x, h, c


def gradients(lstm: nn.LSTM, x: Tensor, h: Tensor, c: Tensor) -> dict[str, Tensor]:
    """What comes out, and what of it reaches input, first state and weights, where all that comes out counts."""
    y, (h_after, c_after) = run_lstm(lstm, x, (h, c))
    generator = torch.Generator().manual_seed(2)
    loss = sum((part * torch.randn(part.shape, generator=generator)).sum() for part in (y, h_after, c_after))
    wanted = {"x": x, "h": h, "c": c, **dict(lstm.named_parameters())}
    found = torch.autograd.grad(loss, list(wanted.values()))
    return {"y": y, "h after": h_after, "c after": c_after, **dict(zip(wanted, found, strict=True))}


@needs_compiler
def test_outputs_and_all_gradients_are_torchs_but_for_rounding() -> None:
    layer = a_layer()
    exact = gradients(*layer)
    with in_bfloat16():
        assert suits(*layer[:2])
        rounded = gradients(*layer)
    for name, value in exact.items():
        error = float((rounded[name] - value).norm() / value.norm())
        assert 0 < error < ROUNDED, f"{name}: {error}"


@needs_compiler
@pytest.mark.parametrize("value", [-300.0, 0.0, 300.0])
def test_gates_that_are_all_open_or_all_shut_stay_finite(value: float) -> None:
    lstm, x, h, c = a_layer()
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.fill_(value)
    with in_bfloat16():
        found = gradients(lstm, x, h, c)
    assert all(torch.isfinite(part).all() for part in found.values())


@needs_compiler
def test_what_is_no_number_is_not_hidden() -> None:
    lstm, x, h, c = a_layer()
    with torch.no_grad():
        x[3, 20, 0] = torch.nan
    with in_bfloat16():
        y, _ = run_lstm(lstm, x, (h, c))
    broken = y.isnan().all(dim=2)
    assert broken[3, 20:].all() and not broken[:, :20].any() and not broken[-1].any()


@needs_compiler
def test_it_trains_in_a_compiled_network_too() -> None:
    lstm, x, h, c = a_layer()
    compiled = torch.compile(lambda x: run_lstm(lstm, 2 * x, (h, c))[0].square())
    with in_bfloat16():
        whole = torch.autograd.grad(compiled(x).float().sum(), x)[0]
        plain = torch.autograd.grad(run_lstm(lstm, 2 * x, (h, c))[0].square().float().sum(), x)[0]
    assert float((whole - plain).norm() / plain.norm()) < ROUNDED


class Rounding(nn.LSTM):
    """As quantization-aware training has them: with a forward of its own."""


@needs_compiler
def test_it_is_for_training_in_bfloat16_with_many_sequences_alone() -> None:
    lstm, x, _, _ = a_layer()
    assert not suits(lstm, x)
    with in_bfloat16():
        assert suits(lstm, x) and not suits(lstm, x[1:]) and not suits(Rounding(INPUTS, UNITS, batch_first=True), x)
        with torch.no_grad():
            assert not suits(lstm, x)
    with torch.autocast("cpu", dtype=torch.float16):
        assert not suits(lstm, x)


@pytest.mark.parametrize(
    ("compiler", "said"), [("false", "false cannot compile fused_lstm.cpp (exit status 1)"), ("no-such-compiler", "")]
)
@pytest.mark.usefixtures("compiled_anew")
def test_without_a_compiler_that_can_torchs_own_trains(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, compiler: str, said: str
) -> None:
    monkeypatch.setattr(module, "COMPILER", compiler)
    lstm, x, h, c = a_layer()
    with caplog.at_level(logging.WARNING), in_bfloat16():
        assert not suits(lstm, x)
        assert torch.isfinite(gradients(lstm, x, h, c)["x"]).all()
    assert [said in line for line in caplog.messages] == [True] * bool(said)
