"""Every preset streams as it declares: small twins of the same parts always, the presets themselves under `slow`."""

import io
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from models.contract import (
    check_bounded,
    check_causal,
    check_latency,
    check_pure,
    expect_equal,
    ragged_cuts,
    run_with_gradients,
    tensors,
    verify_contract,
)
from models.layers.background import Background
from models.layers.norms import CumulativeNorm
from models.layers.tdcn import ChannelNorm
from models.layers.views import ViewChoice
from models.network import Network
from models.streaming import State
from models.tasnet import TasNetConfig
from models.zoo import PRESETS, NetworkConfig, build, config_from_dict, config_to_dict, preset
from tests.models.twins import HORIZON, twin

DAY_S = 86_400


def lively(config: NetworkConfig) -> Network:
    """The network, newly initialized, with nothing left at zero, so that all of it shows in the output."""
    torch.manual_seed(1)
    network = build(config).eval()
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    return network


def recording(network: Network, frames: int, batch: int = 1) -> Tensor:
    return torch.randn(batch, network.mics, frames * network.hop, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def streamed(network: Network, x: Tensor, state: State, hops: tuple[int, ...] = (1, 2)) -> tuple[Tensor, State]:
    """Sources and the state after `x`, in blocks of so many hops by turns."""
    parts, at, turn = [], 0, 0
    while at < x.shape[-1]:
        size = hops[turn % len(hops)] * network.hop
        y, state = network.step(x[..., at : at + size], state)
        parts.append(y)
        at, turn = at + size, turn + 1
    return torch.cat(parts, dim=-1), state


def in_both_sizes(test: Callable[..., None]) -> Callable[..., None]:
    """Runs a test of a network for the twin of every preset, and for the preset itself where slow tests run."""
    cases = [pytest.param(twin(preset(name)), id=name) for name in PRESETS]
    cases += [pytest.param(preset(name), id=f"{name} itself", marks=pytest.mark.slow) for name in PRESETS]
    return pytest.mark.parametrize("config", cases)(test)


@pytest.mark.parametrize("name", PRESETS)
def test_a_twin_has_the_parts_and_the_latency_in_hops_of_its_preset(name: str) -> None:
    whole, small = build(preset(name)), build(twin(preset(name)))
    assert {type(part) for part in whole.modules()} == {type(part) for part in small.modules()}
    assert (whole.mics, whole.config.sources, whole.reference) == (small.mics, small.config.sources, small.reference)
    assert abs(whole.latency / whole.hop - small.latency / small.hop) < 1  # an alignment is rounded up


@pytest.mark.parametrize("name", PRESETS)
def test_twins_fulfil_the_contract_and_have_the_latency_they_declare(name: str) -> None:
    config = twin(preset(name))
    phases = isinstance(config, TasNetConfig) and config.spatial is not None
    exact = torch.float64 if phases else torch.float32  # gradients of phases are large and cancel
    network = lively(config).to(exact)
    verify_contract(network, recording(network, 12, batch=2).to(exact), axis=-1, unit=network.hop)
    check_latency(network, recording(network, 20).to(exact))


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_fulfils_the_contract_and_has_the_latency_it_declares(name: str) -> None:
    network = lively(preset(name))
    x = recording(network, 12)
    whole, gradients = run_with_gradients(network, x, [x.shape[-1]], -1)
    for cuts in ragged_cuts(12, seed=0):
        parts, others = run_with_gradients(network, x, [cut * network.hop for cut in cuts], -1)
        expect_equal(network, f"outputs for blocks of {cuts}", parts, whole)
        one, other = (torch.cat([gradient.flatten() for _, gradient in found]) for found in (gradients, others))
        # Not closer: of so many units rounding puts one or another on the other side of its kink.
        assert (one - other).norm() < 0.01 * one.norm()
    for check in (check_causal, check_pure):
        check(network, x, axis=-1, unit=network.hop)
    check_bounded(network, x)
    check_latency(network, 1e-3 * x)  # beside which an impulse shows at the far end of a window too


@in_both_sizes
def test_a_stream_goes_on_in_another_process_from_a_state_that_was_saved(config: NetworkConfig) -> None:
    """To the last bit: nothing but the state and the weights carries over."""
    network = lively(config)
    before, after = recording(network, 16).split([9 * network.hop, 7 * network.hop], dim=-1)
    _, state = streamed(network, before, network.init_state())
    saved = io.BytesIO()
    torch.save((config_to_dict(network.config), network.state_dict(), state), saved)
    saved.seek(0)
    plain, weights, kept = torch.load(saved, weights_only=True)
    other = build(config_from_dict(plain)).eval()
    other.load_state_dict(weights)
    want, got = streamed(network, after, state), streamed(other, after, kept)
    assert torch.equal(got[0], want[0])
    assert all(torch.equal(a, b) for a, b in zip(tensors(got[1]), tensors(want[1]), strict=True))


@in_both_sizes
def test_a_reset_forgets_what_was_heard(config: NetworkConfig) -> None:
    network = lively(config)
    x = recording(network, 8)
    fresh, _ = streamed(network, x, network.init_state())
    _, used = streamed(network, 1e3 * x, network.init_state())
    again, _ = streamed(network, x, network.init_state())
    later, _ = streamed(network, x, used)
    assert torch.equal(again, fresh)
    assert not torch.equal(later, fresh), "the state does carry something"


@in_both_sizes
def test_a_stream_of_a_day_is_as_good_as_one_as_long_as_the_horizon(config: NetworkConfig) -> None:
    """The clocks of norms are put forward: one that went on counting would have no step size left by then."""
    network = lively(config)
    running = [m for m in network.modules() if isinstance(m, CumulativeNorm | ChannelNorm | Background | ViewChoice)]
    counting = clocks(network)
    assert len(counting) == len(running), "nothing else counts frames without end"
    if not running:
        return
    x = recording(network, 24)
    _, state = streamed(network, x, network.init_state())
    at_horizon, at_a_day = (
        with_clocks(state, counting, frames)
        for frames in (longest(running[0]), DAY_S * network.config.sample_rate // network.hop)
    )
    (want, after), (got, late) = streamed(network, x, at_horizon), streamed(network, x, at_a_day)
    assert torch.equal(got, want) and torch.isfinite(got).all()
    assert all(torch.equal(a, b) for a, b in zip(tensors(late), tensors(after), strict=True)), "the clocks stop"


def longest(memory: CumulativeNorm | ChannelNorm | Background | ViewChoice) -> int:
    """Frames after which its clock stops."""
    return max(memory.horizons) if isinstance(memory, Background) else memory.horizon


@torch.no_grad()
def clocks(network: Network) -> list[int]:
    """The tensors of a state, by their place in it, that count all frames; positions in a chunk are back at zero."""
    separator = network.config.separator
    frames = getattr(separator, "chunk", getattr(separator, "segment", 3))
    _, state = network.step(recording(network, frames), network.init_state())
    return [n for n, t in enumerate(tensors(state)) if t.ndim == 2 and t.shape[-1] == 1 and bool((t == frames).all())]


def with_clocks(state: State, counting: list[int], frames: int) -> State:
    """The state with these tensors of it set to so many frames."""
    left = iter([torch.full_like(t, frames) if n in counting else t for n, t in enumerate(tensors(state))])

    def rebuilt(part: State) -> State:
        return next(left) if isinstance(part, Tensor) else tuple(rebuilt(p) for p in part)

    return rebuilt(state)


@pytest.mark.parametrize("name", PRESETS)
def test_a_long_stream_of_one_sound_settles(name: str) -> None:
    """After many horizons and chunks the same sound gives the same output in every round: nothing drifts."""
    network = lively(twin(preset(name)))
    rounds = getattr(network.config.separator, "chunk", getattr(network.config.separator, "segment", 1)) * 2
    x = 0.1 * recording(network, rounds)
    with torch.no_grad():
        _, state = network.step(x.repeat(1, 1, 15 * HORIZON // rounds), network.init_state())
        one, state = network.step(x, state)
        other, _ = network.step(x, state)
    # What is left of the beginning in the longest running mean, exp(-15), and float32 sums in another order.
    torch.testing.assert_close(other, one, rtol=0, atol=1e-5 * max(1.0, float(one.abs().max())))
