"""The interpreters of TFLite models that can be chosen from; they all run the same bytes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from edge_sdk.accelerators.accelerator import CPU, Accelerator
from edge_sdk.errors import BackendError

AUTO = "auto"


@dataclass(frozen=True)
class Backend:
    """A package that has an `Interpreter`."""

    package: str
    module: str
    install: str

    @property
    def installed(self) -> bool:
        return find_spec(self.package) is not None


# In the order in which `auto` looks for them: the first is the newest and fastest, the last the largest.
BACKENDS = {
    "ai-edge-litert": Backend("ai_edge_litert", "ai_edge_litert.interpreter", "pip install 'edge-sdk[device]'"),
    "tflite-runtime": Backend(
        "tflite_runtime", "tflite_runtime.interpreter", "pip install 'edge-sdk[tflite-runtime]' (Python 3.10 or 3.11)"
    ),
    "tensorflow": Backend("tensorflow", "tensorflow.lite.python.interpreter", "pip install 'edge-sdk[tensorflow]'"),
}


def choose_backend(name: str = AUTO) -> str:
    """The name of an installed backend; `BackendError` says what to install where there is none."""
    if name == AUTO:
        for known, backend in BACKENDS.items():
            if backend.installed:
                return known
        raise BackendError(f"no interpreter is installed; {BACKENDS['ai-edge-litert'].install}")
    if name not in BACKENDS:
        raise BackendError(f"unknown backend {name!r}; expected {AUTO} or one of {', '.join(BACKENDS)}")
    if not BACKENDS[name].installed:
        raise BackendError(f"backend {name} is not installed; {BACKENDS[name].install}, or choose another --backend")
    return name


def load_model(model: bytes, name: str, threads: int, accelerator: Accelerator = CPU) -> Any:
    """An interpreter that has allocated its tensors for the model. `name`: what `choose_backend` gave."""
    if name == "tflite-runtime" and int(np.__version__.split(".")[0]) >= 2:
        # It imports, but making an interpreter fails with "_ARRAY_API not found".
        raise BackendError(f"tflite-runtime needs numpy < 2, this is {np.__version__}; pip install 'numpy<2'")
    if accelerator.kind == "gpu" and name != "ai-edge-litert":
        raise BackendError(f"backend {name} has no GPU; choose --backend ai-edge-litert")
    try:
        if accelerator.kind == "gpu":
            from edge_sdk.accelerators.compiled import CompiledInterpreter

            return CompiledInterpreter(model)
        return interpreter_of(model, name, threads, accelerator)
    except (ImportError, OSError, AttributeError) as error:
        raise BackendError(f"backend {name} is damaged ({first_line(error)}); {BACKENDS[name].install}") from error
    except (ValueError, RuntimeError, SystemError) as error:
        if accelerator != CPU:
            raise BackendError(f"{accelerator} refuses the model ({first_line(error)})") from error
        raise BackendError(f"backend {name} refuses the model ({first_line(error)}); try another --backend") from error


def interpreter_of(model: bytes, name: str, threads: int, accelerator: Accelerator) -> Any:
    """The backend's own interpreter, with the delegate if there is one."""
    module: Any = import_module(BACKENDS[name].module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tensorflow's says that its interpreter has moved to ai-edge-litert
        if accelerator.kind == "delegate":
            from edge_sdk.accelerators.delegates import load_delegate

            delegates = [load_delegate(module, accelerator)]
            interpreter = module.Interpreter(model_content=model, num_threads=threads, experimental_delegates=delegates)
        else:
            interpreter = module.Interpreter(model_content=model, num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
