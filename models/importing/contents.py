"""The two things a checkpoint of another toolkit is made of, arguments and tensors; every one of them must be used.

What is missing, left over, or not as expected is a `ValueError` that names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
SHOWN = 3  # names in a message


class Arguments:
    """What a network was made with, each read by name; `default` is the toolkit's own, for what was left out."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = dict(values)
        self.left = set(self.values)

    def get(self, name: str, default: Any) -> Any:
        """Whatever it is."""
        self.left.discard(name)
        return self.values.get(name, default)

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number from 0 on."""
        value = self.get(name, default)
        if value is None:
            raise ValueError(f"does not say {name}; add it: --set {name}=NUMBER")
        is_whole = type(value) is int or (type(value) is float and value.is_integer())
        if not is_whole or value < 0:
            raise ValueError(f"{name} = {value!r}: expected a whole number")
        return int(value)

    def choice(self, name: str, known: Mapping[Any, T], default: Any) -> T:
        """What the value stands for among those that can be imported."""
        value = self.get(name, default)
        if not isinstance(value, str | bool | int | None) or value not in known:
            expected = " or ".join(repr(key) for key in known)
            raise ValueError(f"{name} = {value!r} cannot be imported: expected {expected}")
        return known[value]

    def expect(self, name: str, expected: Iterable[Any], default: Any) -> None:
        """One of the values that mean the same here."""
        self.choice(name, dict.fromkeys(expected), default)

    def done(self) -> None:
        """Nothing was left out but what says nothing."""
        if left := sorted(name for name in self.left if self.values[name] is not None):
            raise ValueError(f"argument {left[0]!r} = {self.values[left[0]]!r} is not known for this network")


class Weights:
    """Tensors by name, each taken once, of the shape expected."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.left = dict(tensors)

    def take(self, name: str, *shape: int) -> Tensor:
        """A tensor in float32; a size of -1 may be any."""
        if name not in self.left:
            raise ValueError(f"tensor {name} is missing")
        tensor = self.left.pop(name)
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            raise ValueError(f"{name} is not a tensor of floating-point numbers")
        if len(tensor.shape) != len(shape) or any(w not in (-1, n) for n, w in zip(tensor.shape, shape, strict=True)):
            expected = tuple("any" if size == -1 else size for size in shape)
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}, expected {expected}".replace("'", ""))
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} holds NaN or infinite weights")
        return tensor.detach().float()

    def shape(self, name: str, dimensions: int) -> tuple[int, ...]:
        """The sizes of a tensor that is still to be taken."""
        if name not in self.left:
            raise ValueError(f"tensor {name} is missing")
        shape = tuple(self.left[name].shape)
        if len(shape) != dimensions:
            raise ValueError(f"{name} has shape {shape}, expected {dimensions} dimensions")
        return shape

    def done(self) -> None:
        """Nothing was left over."""
        if left := sorted(self.left):
            more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
            raise ValueError(f"has tensors that this network does not: {', '.join(map(repr, left[:SHOWN]))}{more}")
