"""How much memory the tensors of a model need at once: an estimate of the arena that a microcontroller must have.

What an interpreter without an operating system does before the first step: it gives every tensor that is not constant a
place in one block of memory, and tensors that are never alive at the same moment may share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from quantization.layers import read

ALIGNMENT = 16  # of every tensor, as in TensorFlow Lite for Microcontrollers
NEVER = -1


@dataclass(frozen=True)
class Place:
    """A tensor's bytes, the operators between which it lives, both included, and where it lies."""

    name: str
    size: int
    first: int
    last: int
    offset: int = 0

    def meets(self, other: Place) -> bool:
        """Whether the two are alive at one moment."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Arena:
    """places: of all tensors that are not constant. live: bytes alive at the worst moment, below which no plan goes."""

    places: tuple[Place, ...]
    live: int

    @property
    def size(self) -> int:
        """Bytes of the plan. Not in it: what kernels ask for besides, and the interpreter's own records."""
        return max((place.offset + place.size for place in self.places), default=0)


def plan(model: bytes) -> Arena:
    """The largest tensor first, each at the lowest place that is free while it lives (Pisarchyk & Lee, 2020)."""
    placed: list[Place] = []
    for tensor in sorted(lifetimes(model), key=lambda t: (-t.size, t.first)):
        offset = 0
        for other in sorted((p for p in placed if p.meets(tensor)), key=lambda p: p.offset):
            if offset + tensor.size <= other.offset:
                break
            offset = max(offset, other.offset + other.size)
        placed.append(Place(tensor.name, tensor.size, tensor.first, tensor.last, offset))
    moments = {place.first for place in placed}
    live = max((sum(p.size for p in placed if p.first <= at <= p.last) for at in moments), default=0)
    return Arena(tuple(placed), live)


def lifetimes(model: bytes) -> list[Place]:
    """The tensors that are not constant. Inputs live from before the first operator, outputs to after the last."""
    contents = read(model)
    graph = contents.subgraphs[0]
    first = {int(i): NEVER for i in graph.inputs}
    last = dict(first)
    for number, op in enumerate(graph.operators):
        for i in op.outputs:
            first.setdefault(int(i), number)
            last[int(i)] = number
        for i in op.inputs:
            if int(i) in first:
                last[int(i)] = number
    for i in graph.outputs:
        last[int(i)] = len(graph.operators)
    tensors = graph.tensors
    return [Place(tensors[i].name.decode(), aligned(size_of(tensors[i])), first[i], last[i]) for i in first]


def size_of(tensor: Any) -> int:
    """Bytes of a tensor."""
    from ai_edge_litert.schema_py_generated import TensorType

    one, two = (TensorType.INT8, TensorType.UINT8, TensorType.BOOL), (TensorType.FLOAT16, TensorType.INT16)
    each = 1 if tensor.type in one else 2 if tensor.type in two else 8 if tensor.type == TensorType.INT64 else 4
    shape = () if tensor.shape is None else tensor.shape
    return each * prod(int(length) for length in shape)


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
