"""A model on the GPU, used as if it were an interpreter."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.errors import BackendError

INSTALL = "pip install 'ai-edge-litert>=2.1'"


class CompiledInterpreter:
    """A model that LiteRT has compiled for the GPU; what the GPU cannot do stays on the CPU.

    Has what `StepInterpreter` uses of an interpreter: the tensors of the first signature, numbered, as arrays that stay
    where they are, and `invoke`. The arrays are the host's: each `invoke` sends all inputs and fetches all outputs, so
    that a model's memory is never on the GPU alone. Computes in float32: half precision would come back with every step
    through the memory.
    """

    def __init__(self, model: bytes) -> None:
        self._model = model  # LiteRT reads the weights where they are
        self._compiled = compiled = compile_for_gpu(model)
        self._signature = signature = next(iter(compiled.get_signature_list()))
        about = {
            "inputs": compiled.get_input_tensor_details(signature),
            "outputs": compiled.get_output_tensor_details(signature),
        }
        self._numbers: dict[str, dict[str, int]] = {"inputs": {}, "outputs": {}}
        self._details: list[dict[str, Any]] = []
        self._arrays: list[NDArray[Any]] = []
        for kind, tensors in about.items():
            for name, detail in tensors.items():
                index, shape, dtype = len(self._arrays), tuple(detail["shape"]), np.dtype(detail["dtype"]).type
                self._numbers[kind][name] = index
                self._details.append({"index": index, "shape": shape, "dtype": dtype})
                self._arrays.append(np.zeros(shape, dtype))
        self._inputs = {name: compiled.create_input_buffer_by_name(signature, name) for name in about["inputs"]}
        self._outputs = {name: compiled.create_output_buffer_by_name(signature, name) for name in about["outputs"]}

    def _get_full_signature_list(self) -> dict[str, dict[str, dict[str, int]]]:
        return {self._signature: self._numbers}

    def get_tensor_details(self) -> list[dict[str, Any]]:
        return self._details

    def tensor(self, index: int) -> Any:
        return lambda: self._arrays[index]

    def invoke(self) -> None:
        for name, index in self._numbers["inputs"].items():
            self._inputs[name].write(self._arrays[index])
        self._compiled.run_by_name(self._signature, self._inputs, self._outputs)
        for name, index in self._numbers["outputs"].items():
            array = self._arrays[index]
            array[...] = self._outputs[name].read(array.size, array.dtype).reshape(array.shape)


def compile_for_gpu(model: bytes) -> Any:
    """LiteRT's `CompiledModel`."""
    try:
        from ai_edge_litert.compiled_model import CompiledModel, GpuOptions, HardwareAccelerator, Options
    except ImportError as error:
        raise BackendError(f"this ai-edge-litert has no GPU ({error}); {INSTALL}") from error
    options = Options(
        hardware_accelerators=HardwareAccelerator.GPU | HardwareAccelerator.CPU,
        gpu_options=GpuOptions(enforce_f32=True),
    )
    try:
        with printing_to_stderr():
            return CompiledModel.from_buffer(model, options=options)
    except RuntimeError as error:  # its text names lines of LiteRT; what was wrong is in the log alone
        raise BackendError("LiteRT finds no GPU that takes the model") from error


@contextlib.contextmanager
def printing_to_stderr() -> Iterator[None]:
    """What LiteRT and drivers print meanwhile does not end up among a command's results."""
    flush, kept = ctypes.CDLL(None).fflush, os.dup(1)
    flush(None)
    os.dup2(2, 1)
    try:
        yield
    finally:
        flush(None)
        os.dup2(kept, 1)
        os.close(kept)
