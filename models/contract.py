"""What every streaming layer and network must fulfil, as checks that a test calls with any of them.

Each check raises `ContractError`, which names the layer, what was seen and what was expected.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from models.network import Network
from models.streaming import State, Streaming

TOLERANCE = 1e-5  # of float32 sums taken in another order, outputs being of the order of one


class ContractError(Exception):
    """A layer does not stream as it declares."""


def verify_contract(layer: Streaming, x: Tensor, axis: int = 1, unit: int = 1, seed: int = 0) -> None:
    """All checks that fit any streaming layer. `x` is cut along `axis` at multiples of `unit`."""
    check_blocks_equal_whole(layer, x, axis, unit, seed)
    check_causal(layer, x, axis, unit)
    check_pure(layer, x, axis, unit)
    check_bounded(layer, x)


def check_blocks_equal_whole(layer: Streaming, x: Tensor, axis: int = 1, unit: int = 1, seed: int = 0) -> None:
    """However the sequence is cut, the outputs and the gradients of input and weights are those of the whole."""
    whole, gradients = run_with_gradients(layer, x, [x.shape[axis]], axis)
    for cuts in ragged_cuts(x.shape[axis] // unit, seed):
        parts, others = run_with_gradients(layer, x, [unit * c for c in cuts], axis)
        expect_equal(layer, f"outputs for blocks of {cuts}", parts, whole)
        for (name, one), (_, other) in zip(gradients, others, strict=True):
            expect_equal(layer, f"gradient of {name} for blocks of {cuts}", other, one)


def check_causal(layer: Streaming, x: Tensor, axis: int = 1, unit: int = 1) -> None:
    """Changing the future does not change the past."""
    half = x.shape[axis] // unit // 2 * unit
    past, future = x.split([half, x.shape[axis] - half], dim=axis)
    with torch.no_grad():
        one, other = layer(x), layer(torch.cat([past, future + torch.randn_like(future)], dim=axis))
    if not torch.equal(one.narrow(axis, 0, half), other.narrow(axis, 0, half)):
        raise ContractError(f"{name_of(layer)}: its output changes when only later input does; it is not causal")


def check_pure(layer: Streaming, x: Tensor, axis: int = 1, unit: int = 1) -> None:
    """A step changes neither the state it is given nor a tensor of the layer, and gives the same result again."""
    first, second = x.narrow(axis, 0, unit), x.narrow(axis, unit, unit)
    with torch.no_grad():
        _, state = layer.step(first, layer.init_state(x.shape[0]))
        kept, weights = copy.deepcopy(state), copy.deepcopy(layer.state_dict())
        one = layer.step(second, state)[0]
        other = layer.step(second, kept)[0]
    same = all(torch.equal(a, b) for a, b in zip(tensors(state), tensors(kept), strict=True))
    if not same or any(not torch.equal(t, weights[n]) for n, t in layer.state_dict().items()):
        raise ContractError(f"{name_of(layer)}: a step changed its state or the layer in place")
    if not torch.equal(one, other):
        raise ContractError(f"{name_of(layer)}: the same block and state gave two results")


def check_bounded(layer: Streaming, x: Tensor, blocks: int = 20) -> None:
    """The state keeps its size and stays finite under loud input, silence, and input without variance."""
    with torch.no_grad():
        _, state = layer.step(x, layer.init_state(x.shape[0]))
        sizes = [t.shape for t in tensors(state)]
        for block in (1e3 * x, 0 * x, torch.ones_like(x)) * blocks:
            y, state = layer.step(block, state)
            if [t.shape for t in tensors(state)] != sizes:
                raise ContractError(f"{name_of(layer)}: its state grows with the stream")
            if not all(torch.isfinite(t).all() for t in (y, *tensors(state))):
                raise ContractError(f"{name_of(layer)}: its output or state is no longer finite")


def check_latency(network: Network, x: Tensor) -> None:
    """The output needs input up to `latency - 1` samples ahead of it for some sample, and never more.

    `x`, `[1, mics, n]`; output sample `u + delay` of the stream is the one for input sample `u`.
    """
    reach = -1
    with torch.no_grad():
        base = network(x)[0]
        for impulse in range(x.shape[-1] // 2, x.shape[-1] // 2 + network.hop):
            changed = x.clone()
            changed[..., impulse] += 1
            first = int((network(changed)[0] != base).any(dim=0).nonzero()[0])
            reach = max(reach, impulse - (first - network.delay))
    if reach + 1 != network.latency:
        raise ContractError(
            f"{name_of(network)}: declares a latency of {network.latency} samples, has one of {reach + 1}"
        )


def ragged_cuts(units: int, seed: int) -> Iterator[list[int]]:
    """Ones; and twice random pieces."""
    yield [1] * units
    generator = torch.Generator().manual_seed(seed)
    for _ in range(2):
        cuts, left = [], units
        while left:
            cuts.append(int(torch.randint(1, left + 1, (1,), generator=generator)))
            left -= cuts[-1]
        yield cuts


def run_with_gradients(
    layer: Streaming, x: Tensor, sizes: list[int], axis: int
) -> tuple[Tensor, list[tuple[str, Tensor]]]:
    """The joined outputs over blocks of these sizes, and gradients of the sum of their squares."""
    x, state, out = x.detach().clone().requires_grad_(), layer.init_state(x.shape[0]), []
    for block in x.split(sizes, dim=axis):
        y, state = layer.step(block, state)
        out.append(y)
    joined = torch.cat(out, dim=axis if axis < 0 or out[0].ndim == x.ndim else 1)
    named = [("input", x), *((n, p) for n, p in layer.named_parameters() if p.requires_grad)]
    gradients = torch.autograd.grad(joined.square().mean(), [t for _, t in named], allow_unused=True)
    return joined.detach(), [(n, g) for (n, _), g in zip(named, gradients, strict=True) if g is not None]


def expect_equal(layer: Streaming, what: str, seen: Tensor, expected: Tensor) -> None:
    error = float((seen - expected).abs().max()) / max(1.0, float(expected.abs().max()))
    if not error <= TOLERANCE:
        raise ContractError(
            f"{name_of(layer)}: {what} differ from the whole by {error:.1e}, at most {TOLERANCE:.0e} allowed"
        )


def tensors(state: State) -> list[Tensor]:
    """All tensors of a state."""
    return [state] if isinstance(state, Tensor) else [t for part in state for t in tensors(part)]


def name_of(layer: Streaming) -> str:
    return type(layer).__name__
