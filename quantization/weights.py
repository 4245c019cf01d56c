"""The weights in a model are those of its network, to half a step of the numbers that they are stored in.

How close the outputs come says little of one layer where eight bits cost some decibels anyway: a scale that is wrong by
a tenth, or one wrong row far inside, hides in the rounding of all the others. Weight by weight nothing hides, and what
the interpreter of this machine passes over is seen too, such as a zero point of weights, which other kernels add.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_sdk.errors import ParityError
from models.network import Network
from quantization.artifact import Artifact
from quantization.layers import SUFFIX, read, text
from quantization.step_graph import step_graph
from quantization.step_graph.parts import Depthwise, Pointwise

SLACK = 1.001  # of half a step, for the rounding of the division that found it


def check_weights(network: Network, artifact: Artifact) -> int:
    """How many layers have the weights of the network; `ParityError` names the first that has not.

    Layers go by the names that `quantization.layers.named` gave them. Clipped weights pass: those at the end of the
    range of their type, of a network's that lie beyond it.
    """
    m, contents, checked = artifact.manifest, read(artifact.model), 0
    modules = {
        f"{name}{SUFFIX}": module
        for name, module in step_graph(network, m.frames_per_step).named_modules()
        if isinstance(module, Pointwise | Depthwise)
    }
    for tensor in contents.subgraphs[0].tensors:
        module, data = modules.get(text(tensor)), contents.buffers[tensor.buffer].data
        if module is None or data is None or (stored := numbers(tensor, data)) is None:
            continue
        order = (0, 2, 3, 1) if isinstance(module, Pointwise) else (1, 2, 3, 0)  # as TFLite stores them
        wanted = module.weight.detach().permute(*order).numpy()
        if wanted.shape != stored.shape or not (wrong := ~same(tensor, stored, wanted)).any():
            checked += wanted.shape == stored.shape
            continue
        at = np.unravel_index(int(wrong.argmax()), wrong.shape)
        raise ParityError(
            f"{m.name} ({m.recipe}): {int(wrong.sum())} of {wrong.size} weights of {text(tensor).removesuffix(SUFFIX)} "
            f"are not its network's, the first at {[int(i) for i in at]}; nothing was written. Check that the "
            "checkpoint is the one it came from"
        )
    return checked


def numbers(tensor: Any, data: Any) -> np.ndarray | None:
    """What a constant tensor holds as it is stored; None for types that no recipe has for weights."""
    from ai_edge_litert.schema_py_generated import TensorType

    types = {TensorType.FLOAT32: np.float32, TensorType.FLOAT16: np.float16, TensorType.INT8: np.int8}
    flat = np.frombuffer(bytes(data), types.get(tensor.type, np.uint8))
    if tensor.type == TensorType.INT4:  # two in a byte, the lower half first
        halves = np.stack([flat << 4, flat], axis=-1).astype(np.uint8).view(np.int8) >> 4
        flat = halves.reshape(-1)[: int(np.prod(tensor.shape))]
    elif tensor.type not in types:
        return None
    found: np.ndarray = flat.reshape(tensor.shape)
    return found


def same(tensor: Any, stored: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Which stored weights are the network's."""
    from ai_edge_litert.schema_py_generated import TensorType

    if stored.dtype.kind == "f":
        widened = stored.astype(np.float32)
        return np.asarray(widened == (wanted if stored.dtype == np.float32 else wanted.astype(np.float16)))
    about = tensor.quantization
    axis = np.ones(stored.ndim, int)
    axis[about.quantizedDimension] = len(about.scale)
    scale, zero = (np.asarray(x, np.float64).reshape(axis) for x in (about.scale, about.zeroPoint))
    value = (stored - zero) * scale
    close = np.abs(value - wanted) <= 0.5 * SLACK * scale
    most = 7 if tensor.type == TensorType.INT4 else 127
    clipped = (np.abs(stored.astype(int)) >= most) & (np.abs(wanted) > np.abs(value)) & (value * wanted > 0)
    return np.asarray(close | clipped)
