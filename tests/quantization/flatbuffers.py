"""TFLite files taken apart, changed and put together again, to plant the faults that a gate must catch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from ai_edge_litert.schema_py_generated import ModelT, TensorT, TensorType
from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray, read_model_from_bytearray

TYPES: dict[int, Any] = {TensorType.FLOAT32: np.float32, TensorType.FLOAT16: np.float16, TensorType.INT8: np.int8}


def edited(model: bytes, edit: Callable[[ModelT], None]) -> bytes:
    """The file after a change to what it holds; without one its model computes the same as before."""
    taken_apart = read_model_from_bytearray(bytearray(model))
    edit(taken_apart)
    return bytes(convert_object_to_bytearray(taken_apart))


def weights(model: ModelT, ending: str = ".weight") -> list[TensorT]:
    """The weight tensors, by the names that the converter keeps."""
    return [tensor for tensor in model.subgraphs[0].tensors if tensor.name.decode().endswith(ending)]


def values(model: ModelT, tensor: TensorT) -> np.ndarray:
    """A copy of a constant tensor's numbers in its shape."""
    data = model.buffers[tensor.buffer].data
    return np.frombuffer(bytes(data), TYPES[tensor.type]).reshape(tensor.shape).copy()


def set_values(model: ModelT, tensor: TensorT, numbers: np.ndarray) -> None:
    """Put other numbers into a constant tensor."""
    model.buffers[tensor.buffer].data = np.frombuffer(numbers.astype(TYPES[tensor.type]).tobytes(), np.uint8)


def names_of_weights(model: bytes) -> list[str]:
    return sorted(tensor.name.decode() for tensor in weights(read_model_from_bytearray(bytearray(model))))


def producer(model: ModelT, output: str) -> Any:
    """The operator that makes an output of the signature."""
    index = {o.name.decode(): o.tensorIndex for o in model.signatureDefs[0].outputs}[output]
    return next(op for op in model.subgraphs[0].operators if index in op.outputs)
