"""What a file written by `torch.save` holds, read without running anything that stands in it.

Such a file is a pickle, a program that may call any function. PyTorch's weights-only reader allows tensors and plain
data, and names anything else, which is refused here. Asteroid's files have two harmless things more, in what they tell
about their training: PyTorch's version, which is a string of its own kind, and scores, which are NumPy's numbers. Both
are read as plain ones, by the functions below instead of those that the file names.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_sdk.errors import CheckpointError


def read_checkpoint(path: Path) -> Any:
    """Tensors in plain data; `CheckpointError` where the file is missing, damaged, or holds more than that."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; expected a checkpoint that torch.save has written")
    try:
        with torch.serialization.safe_globals(PLAIN):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a damaged file the reader raises whatever it runs into
        if found := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise CheckpointError(
                f"{path}: holds {found[1]} besides tensors and plain data, and reading that could run any code; "
                "save the network's state_dict and arguments alone"
            ) from error
        raise CheckpointError(f"{path}: not a file that torch.save has written, or a damaged one") from error


class NumberType:
    """The type of a NumPy number: letter and size, such as `f8`, and order of bytes."""

    def __init__(self, name: str, *_: bool) -> None:
        if not re.fullmatch(r"[fiu][1248]|b1", name):
            raise ValueError(f"a NumPy {name!r}: expected a number")
        self.name, self.order = name, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.order = state[1]


def number(kind: NumberType, data: bytes) -> float | int | bool:
    """A NumPy number as Python's."""
    return np.frombuffer(data, kind.order + kind.name)[0].item()


# What is made, in the place of the function or class that the file names.
PLAIN: list[Any] = [
    (str, "torch.torch_version.TorchVersion"),
    (NumberType, "numpy.dtype"),
    (number, "numpy.core.multiarray.scalar"),
    (number, "numpy._core.multiarray.scalar"),
]
