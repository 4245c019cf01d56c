"""Models that someone wrote to break what reads them: what is changed in a good one, and the rule that it breaks."""

from collections.abc import Callable
from typing import Any

import numpy as np
from ai_edge_litert.schema_py_generated import BuiltinOperator, ModelT, OperatorCodeT

Edit = Callable[[ModelT], Any]


def graph(model: ModelT) -> Any:
    return model.subgraphs[0]


def first(model: ModelT, code: int) -> Any:
    """The first operator of a kind."""
    kinds = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in model.operatorCodes]
    return next(op for op in graph(model).operators if kinds[op.opcodeIndex] == code)


def last_output(model: ModelT) -> int:
    return int(graph(model).operators[-1].outputs[0])


def constant(model: ModelT, kind: int = 0) -> Any:
    """The largest constant of a type."""
    tensors = [t for t in graph(model).tensors if t.type == kind and model.buffers[t.buffer].data is not None]
    return max(tensors, key=lambda t: int(np.prod(t.shape)))


def index_of(model: ModelT, tensor: Any) -> int:
    return next(n for n, t in enumerate(graph(model).tensors) if t is tensor)


def put(tensor_of: Callable[[ModelT], Any], change: Callable[[np.ndarray], None]) -> Edit:
    """Change the float32 numbers of a constant."""

    def edit(model: ModelT) -> None:
        buffer = model.buffers[tensor_of(model).buffer]
        numbers = np.frombuffer(bytes(buffer.data), np.float32).copy()
        change(numbers)
        buffer.data = np.frombuffer(numbers.tobytes(), np.uint8)

    return edit


def new_code(model: ModelT, code: int, version: int = 1, custom: bytes | None = None) -> None:
    """The first operator becomes another."""
    made = OperatorCodeT()
    made.builtinCode, made.deprecatedBuiltinCode, made.version, made.customCode = code, min(code, 127), version, custom
    model.operatorCodes.append(made)
    graph(model).operators[0].opcodeIndex = len(model.operatorCodes) - 1


def set_input(model: ModelT, value: int, op: int = 0, at: int = 0) -> None:
    inputs = np.array(graph(model).operators[op].inputs, np.int32)
    inputs[at] = value
    graph(model).operators[op].inputs = inputs


def set_output(model: ModelT, value: int) -> None:
    graph(model).operators[0].outputs = np.array([value], np.int32)


def set_shape(model: ModelT, tensor: Any, *shape: int) -> None:
    tensor.shape = np.array(shape, np.int32)


def stretch(model: ModelT, code: int, **values: int) -> None:
    for name, value in values.items():
        setattr(first(model, code).builtinOptions, name, value)


def resize(model: ModelT, by: int) -> None:
    buffer = model.buffers[constant(model).buffer]
    buffer.data = np.resize(buffer.data, len(buffer.data) + by)


def scale(model: ModelT, value: float = 1.0, zero: int = 0, axis: int = 0, count: int | None = None) -> None:
    """Of the largest int8 constant."""
    q = constant(model, 9).quantization
    count = len(q.scale) if count is None else count
    q.scale, q.zeroPoint = np.full(count, value, np.float32), np.full(count, zero, np.int64)
    q.quantizedDimension = axis


def external(model: ModelT, offset: int, size: int) -> None:
    """The data of a constant moves to somewhere else."""
    buffer = model.buffers[constant(model).buffer]
    buffer.data, buffer.offset, buffer.size = None, offset, size


def twice(model: ModelT) -> None:
    model.subgraphs.append(model.subgraphs[0])


OP = BuiltinOperator
HOSTILE: dict[str, tuple[str, Edit]] = {
    "a cycle": ("order", lambda m: set_input(m, last_output(m))),
    "an operator that eats its output": ("order", lambda m: set_input(m, int(graph(m).operators[0].outputs[0]))),
    "index -1": ("order", lambda m: set_input(m, -1)),
    "index -1 for weights": ("order", lambda m: set_input(m, -1, graph(m).operators.index(first(m, OP.CONV_2D)), 1)),
    "index -1 for a bias": ("order", lambda m: set_input(m, -1, graph(m).operators.index(first(m, OP.CONV_2D)), 2)),
    "the smallest index": ("order", lambda m: set_input(m, -(2**31))),
    "an index beyond the end": ("order", lambda m: set_input(m, len(graph(m).tensors))),
    "the largest index": ("order", lambda m: set_input(m, 2**31 - 1)),
    "an output that is a constant": ("order", lambda m: set_output(m, index_of(m, constant(m)))),
    "an output that is an input": ("order", lambda m: set_output(m, int(graph(m).inputs[0]))),
    "an output that is made later": ("shapes", lambda m: set_output(m, last_output(m))),
    "output -1": ("order", lambda m: set_output(m, -1)),
    "two outputs": ("order", lambda m: setattr(graph(m).operators[0], "outputs", np.array([0, 1], np.int32))),
    "no output": ("order", lambda m: setattr(graph(m).operators[0], "outputs", np.array([], np.int32))),
    "a graph that gives its input": ("order", lambda m: setattr(graph(m), "outputs", graph(m).inputs)),
    "a graph that gives nothing": ("order", lambda m: setattr(graph(m), "outputs", np.array([], np.int32))),
    "a graph input -1": ("order", lambda m: setattr(graph(m), "inputs", np.array([-1], np.int32))),
    "operators in reverse": ("order", lambda m: graph(m).operators.reverse()),
    "no operators": ("order", lambda m: graph(m).operators.clear()),
    "a custom operator": ("flatbuffer", lambda m: new_code(m, OP.CUSTOM, custom=b"evil")),
    "a custom operator without a name": ("operators", lambda m: new_code(m, OP.CUSTOM)),
    "a loop": ("operators", lambda m: new_code(m, OP.WHILE)),
    "a call": ("operators", lambda m: new_code(m, OP.CALL_ONCE)),
    "a variable": ("operators", lambda m: new_code(m, OP.VAR_HANDLE)),
    "an operator beyond the list": ("operators", lambda m: new_code(m, 2**31 - 1)),
    "a newer version": ("operators", lambda m: new_code(m, OP.ADD, 99)),
    "another operator with these options": ("o", lambda m: new_code(m, OP.EXP)),
    "an operator code beyond the end": (
        "operators",
        lambda m: setattr(graph(m).operators[0], "opcodeIndex", 2**32 - 1),
    ),
    "custom options": ("flatbuffer", lambda m: setattr(graph(m).operators[0], "customOptions", np.zeros(8, np.uint8))),
    "large custom options": ("flatbuffer", lambda m: setattr(graph(m).operators[0], "largeCustomOptionsOffset", 2**63)),
    "intermediates": (
        "flatbuffer",
        lambda m: setattr(graph(m).operators[0], "intermediates", np.array([-1], np.int32)),
    ),
    "inputs that change": (
        "flatbuffer",
        lambda m: setattr(graph(m).operators[0], "mutatingVariableInputs", np.array([True])),
    ),
    "two subgraphs": ("one subgraph", twice),
    "no subgraph": ("one subgraph", lambda m: m.subgraphs.clear()),
    "no signature": ("one subgraph", lambda m: m.signatureDefs.clear()),
    "two signatures": ("one subgraph", lambda m: m.signatureDefs.append(m.signatureDefs[0])),
    "a signature of another subgraph": ("one subgraph", lambda m: setattr(m.signatureDefs[0], "subgraphIndex", 1)),
    "a signature of other tensors": (
        "interface",
        lambda m: setattr(m.signatureDefs[0].inputs[0], "tensorIndex", 2**32 - 1),
    ),
    "a signature of one tensor twice": (
        "interface",
        lambda m: setattr(m.signatureDefs[0].inputs[0], "tensorIndex", m.signatureDefs[0].inputs[1].tensorIndex),
    ),
    "one name twice": (
        "interface",
        lambda m: setattr(m.signatureDefs[0].inputs[0], "name", m.signatureDefs[0].inputs[1].name),
    ),
    "zero stride": ("options", lambda m: stretch(m, OP.CONV_2D, strideW=0)),
    "negative stride": ("options", lambda m: stretch(m, OP.CONV_2D, strideH=-1)),
    "the largest stride": ("options", lambda m: stretch(m, OP.DEPTHWISE_CONV_2D, strideW=2**31 - 1, strideH=2**31 - 1)),
    "zero stride over depth": ("options", lambda m: stretch(m, OP.DEPTHWISE_CONV_2D, strideH=0)),
    "zero channels out": ("shapes", lambda m: stretch(m, OP.DEPTHWISE_CONV_2D, depthMultiplier=0)),
    "dilation": ("flatbuffer", lambda m: stretch(m, OP.CONV_2D, dilationWFactor=2**31 - 1)),
    "padding of no kind": ("options", lambda m: stretch(m, OP.CONV_2D, padding=7)),
    "an activation of no kind": ("options", lambda m: stretch(m, OP.CONV_2D, fusedActivationFunction=99)),
    "an axis beyond the end": ("shapes", lambda m: stretch(m, OP.CONCATENATION, axis=9)),
    "a negative axis": ("shapes", lambda m: stretch(m, OP.CONCATENATION, axis=-9)),
    "2 ** 30 in a dimension": ("shapes", lambda m: set_shape(m, graph(m).tensors[last_output(m)], 2**30)),
    "dimensions that overflow": ("shapes", lambda m: set_shape(m, graph(m).tensors[last_output(m)], *[65_536] * 4)),
    "a negative dimension": ("shapes", lambda m: set_shape(m, graph(m).tensors[last_output(m)], -1)),
    "a dimension of zero": ("shapes", lambda m: set_shape(m, graph(m).tensors[last_output(m)], 0)),
    "a thousand dimensions": ("shapes", lambda m: set_shape(m, graph(m).tensors[last_output(m)], *[1] * 1000)),
    "another shape": ("shapes", lambda m: set_shape(m, graph(m).tensors[last_output(m)], 1, 2, 3)),
    "weights of another shape": ("data", lambda m: set_shape(m, constant(m), 2**12, 2**10)),
    "a type of no kind": ("types", lambda m: setattr(constant(m), "type", 120)),
    "a text": ("types", lambda m: setattr(constant(m), "type", 5)),
    "another type": ("data", lambda m: setattr(constant(m), "type", 1)),
    "too little data": ("data", lambda m: resize(m, -4)),
    "too much data": ("data", lambda m: resize(m, 4)),
    "a buffer beyond the end": ("data", lambda m: setattr(constant(m), "buffer", 2**32 - 1)),
    "a buffer for nobody": ("data", lambda m: setattr(constant(m), "buffer", 0)),
    "an offset that wraps": ("flatbuffer", lambda m: external(m, 2**64 - 16, 64)),
    "an offset beyond the end": ("flatbuffer", lambda m: external(m, 2**40, 64)),
    "a size beyond the end": ("flatbuffer", lambda m: external(m, 4096, 2**63)),
    "an offset into the file": ("flatbuffer", lambda m: external(m, 16, 64)),
    "an offset without a size": ("data", lambda m: external(m, 4096, 0)),
    "NaN": ("finite", put(constant, lambda x: x.__setitem__(-1, np.nan))),
    "infinity": ("finite", put(constant, lambda x: x.__setitem__(0, np.inf))),
    "two infinities that cancel": ("finite", put(constant, lambda x: x.__setitem__(slice(2), [np.inf, -np.inf]))),
    "a slope that is NaN": ("finite", lambda m: setattr(first(m, OP.LEAKY_RELU).builtinOptions, "alpha", float("nan"))),
    "a variable tensor": ("flatbuffer", lambda m: setattr(graph(m).tensors[-1], "isVariable", True)),
    "an unknown size": (
        "flatbuffer",
        lambda m: setattr(graph(m).tensors[-1], "shapeSignature", np.array([-1], np.int32)),
    ),
    "a schema of another version": ("schema", lambda m: setattr(m, "version", 4)),
    "notes of no kind": ("metadata", lambda m: setattr(m.metadata[0], "name", b"evil")),
    "notes beyond the end": ("metadata", lambda m: setattr(m.metadata[0], "buffer", 2**32 - 1)),
}
HOSTILE_INT8: dict[str, tuple[str, Edit]] = {
    "a scale of zero": ("scales", lambda m: scale(m, 0.0)),
    "a negative scale": ("scales", lambda m: scale(m, -1.0)),
    "a scale that is NaN": ("scales", lambda m: scale(m, float("nan"))),
    "an infinite scale": ("scales", lambda m: scale(m, float("inf"))),
    "a huge scale": ("scales", lambda m: scale(m, 1e30)),
    "a zero point beyond int8": ("scales", lambda m: scale(m, zero=1000)),
    "an axis beyond the end": ("scales", lambda m: scale(m, axis=7)),
    "too few scales": ("scales", lambda m: scale(m, count=2)),
    "no scales": ("scales", lambda m: setattr(constant(m, 9), "quantization", None)),
}
