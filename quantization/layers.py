"""The layers of an exported model, by the names that a person knows them by.

An exported model is a list of operators. Those with weights are layers: every `Pointwise` of the step graph is a
CONV_2D, every `Depthwise` a DEPTHWISE_CONV_2D. The converter calls them by the classes that they were called through,
which several layers can share, and ai-edge-quantizer knows an operator by the tensors that it gives. So `named` writes
the dotted name of the module into the name of its weights, `separator.blocks.3.expand.weight`, and everything after it
goes by that: recipes of single layers, calibration, reports.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from edge_sdk.errors import EdgeError
from quantization.step_graph.graph import StepGraph
from quantization.step_graph.parts import Depthwise, FinePointwise, Pointwise

POINTWISE, DEPTHWISE = "CONV_2D", "DEPTHWISE_CONV_2D"
FEATURES, SAMPLES, FINE = "_(separator|narrow_band)/", "_(encoder|decoder);", r"\.FinePointwise_\w+;"
SUFFIX = ".weight"


@dataclass(frozen=True)
class Layer:
    """One matrix or filter, and the operators that use it: one, or one per frame where a recurrence unrolls.

    name: of the module in the `StepGraph`. sees: `features`, `samples` (encoders and decoders), or `fine`, samples or
    phases that eight bits would spoil. inputs, outputs: tensors of its operators; the latter are what ai-edge-quantizer
    calls an operator by.
    """

    name: str
    op: str
    sees: str
    weights: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def layers(model: bytes) -> tuple[Layer, ...]:
    """The layers of a float32 model, in the order in which they run."""
    contents = read(model)
    graph, found = contents.subgraphs[0], dict[int, list[Any]]()
    for op in graph.operators:
        if kind(contents, op) in (POINTWISE, DEPTHWISE):
            found.setdefault(int(op.inputs[1]), []).append(op)
    made = []
    for weights, ops in found.items():
        name = text(graph.tensors[weights]).removesuffix(SUFFIX)
        inputs, outputs = (
            tuple(dict.fromkeys(text(graph.tensors[i]) for i in ids))
            for ids in ([op.inputs[0] for op in ops], [op.outputs[0] for op in ops])
        )
        size = 1
        for length in graph.tensors[weights].shape:
            size *= int(length)
        made.append(Layer(name, kind(contents, ops[0]), sees(name, outputs[0] + ";"), size, inputs, outputs))
    return tuple(made)


def graph_layers(graph: StepGraph) -> tuple[Layer, ...]:
    """The layers that the model of a step will have, in no order, without tensors."""
    made = []
    for name, module in graph.named_modules():
        if isinstance(module, Pointwise | Depthwise):
            on_samples = name.endswith(("encoder", "decoder"))
            what = "fine" if isinstance(module, FinePointwise) else "samples" if on_samples else "features"
            op = POINTWISE if isinstance(module, Pointwise) else DEPTHWISE
            made.append(Layer(name, op, what, module.weight.numel(), (), ()))
    return tuple(made)


def sees(name: str, scope: str) -> str:
    """What a layer works on, by the classes and attributes that it was called through."""
    for what, pattern in (("fine", FINE), ("samples", SAMPLES), ("features", FEATURES)):
        if re.search(pattern, scope):
            return what
    raise EdgeError(
        f"{name}: neither in a separator nor an encoder or decoder by its scope {scope!r}; "
        "quantization/layers.py knows no such layer"
    )


def named(model: bytes, graph: StepGraph) -> bytes:
    """The model with the weights of every layer called after its module, found by their values.

    Modules of equal weights are told apart by their order, unless the converter has made one constant of them: then
    they are one layer, under the first name. Weights that the converter has changed keep the name it gave them.
    """
    contents, modules = read(model), dict[bytes, list[str]]()
    for name, module in graph.named_modules():
        if isinstance(module, Pointwise | Depthwise):
            # As TFLite stores them: outputs, height, width, inputs; one of a depthwise filter's outputs for each input.
            order = (0, 2, 3, 1) if isinstance(module, Pointwise) else (1, 2, 3, 0)
            values = module.weight.detach().permute(*order).contiguous().numpy().tobytes()
            modules.setdefault(values, []).append(name)
    subgraph, done = contents.subgraphs[0], set[int]()
    for op in subgraph.operators:
        if kind(contents, op) not in (POINTWISE, DEPTHWISE) or int(op.inputs[1]) in done:
            continue
        done.add(int(op.inputs[1]))
        tensor = subgraph.tensors[op.inputs[1]]
        if names := modules.get(bytes(contents.buffers[tensor.buffer].data)):
            tensor.name = (names.pop(0) + SUFFIX).encode()
    from ai_edge_litert.tools import flatbuffer_utils

    return bytes(flatbuffer_utils.convert_object_to_bytearray(contents))


def read(model: bytes) -> Any:
    """A model as objects of the TFLite schema."""
    from ai_edge_litert.tools import flatbuffer_utils

    return flatbuffer_utils.read_model_from_bytearray(bytearray(model))


def kind(contents: Any, op: Any) -> str:
    """The name of an operator, such as `CONV_2D`."""
    from ai_edge_litert.tools import flatbuffer_utils

    return str(flatbuffer_utils.opcode_to_name(contents, op.opcodeIndex))


def text(tensor: Any) -> str:
    """The name of a tensor."""
    return str(tensor.name.decode())
