"""Streaming layers: a pure function of a block and a state.

    y, state = layer.step(x, state)

Calling the layer is one step over everything, so training, streaming and export run the same arithmetic, and however
the sequence is cut, `layer(x) == cat([step(x_0), step(x_1), ...])` holds for outputs and for gradients.

Features are `[B, T, C]`, channels last: it is the layout of the exported graph, and on a CPU the compiled training step
of a TCN is faster in it than in `[B, C, T]`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from torch import Tensor, nn

# A tensor or a tuple of states; () remembers nothing.
State: TypeAlias = Any


class Streaming(nn.Module):
    """A layer whose whole memory is in the state it is given and the state it returns.

    No tensor on `self` changes in `step`; the state of a layer may be kept, copied and replayed.
    """

    def init_state(self, batch: int = 1) -> State:
        """The memory before the first block of `batch` streams."""
        return ()

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One block and the memory after it."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """One step over everything."""
        return self.step(x, self.init_state(x.shape[0]))[0]


class Chain(Streaming):
    """Streaming layers one after the other; the state is the tuple of theirs."""

    def __init__(self, *layers: Streaming) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def init_state(self, batch: int = 1) -> State:
        return tuple(layer.init_state(batch) for layer in self.layers)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        after = []
        for layer, memory in zip(self.layers, state, strict=True):
            x, memory = layer.step(x, memory)
            after.append(memory)
        return x, tuple(after)


def refuse_future(layer: nn.Module, parts: tuple[str, ...]) -> None:
    """`ValueError` that names the layer and its parts that need the future, if there are any."""
    if parts:
        raise ValueError(
            f"{type(layer).__name__} cannot stream: {', '.join(parts)} need the future; "
            "call it on whole signals, or set causal = true"
        )
