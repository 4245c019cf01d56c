"""Whether an interpreter may see a model that nobody has vouched for: an allow-list, checked in Python alone.

LiteRT looks at the FlatBuffer, not at what it says; a model is a program, and a weight index of -1 ends its process.
So a model passes here only when it is one that our exporter could have written: its operators, exact shapes, an order
in which nothing is used before it is made, constants of exactly their size, finite weights. What it computes is not
judged: that takes a signature.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from edge_sdk.contract import Manifest
from edge_sdk.contract.manifest import MAX_FLOATS
from edge_sdk.verifier.errors import ModelError
from edge_sdk.verifier.operators import OPTIONS, check_operator
from edge_sdk.verifier.shapes import MAX_AXES
from edge_sdk.verifier.tflite import BITS, FLOAT16, FLOAT32, INT4, INT8, INT16, Graph, Scales, Tensor, read_graph

MAX_SCALE = 2.0**64  # far beyond any; keeps products of scales finite
ZEROS = {INT8: range(-128, 128)}  # zero points are zero in all other types
NO_FLOAT16 = frozenset(byte for byte in range(256) if byte & 0x7C == 0x7C)  # upper bytes of NaN and infinity


@dataclass(frozen=True)
class Budget:
    """What one step may take: bytes of all tensors that are computed, and multiply-accumulates with numbers written.

    The largest network here, of 32 million weights, takes 32 million and one megabyte.
    """

    memory: int = 128 * 2**20
    work: int = 2**30


@dataclass(frozen=True)
class Verified:
    """What a step of the model takes."""

    operators: int
    memory: int
    work: int


def verify_model(model: bytes, manifest: Manifest | None = None, budget: Budget | None = None) -> Verified:
    """What a step of the model takes; `ModelError` where it is none that an interpreter should see.

    manifest: where given, inputs and outputs must be as it says.
    """
    graph = read_graph(model, OPTIONS)
    for tensor in graph.tensors:
        check_tensor(tensor)
    verified = check_order(graph, budget or Budget())
    check_signature(graph)
    if manifest is not None:
        check_interface(graph, manifest)
    return verified


def check_tensor(tensor: Tensor) -> None:
    """Sizes that a board can hold, constants of exactly their size, numbers that are numbers."""
    if len(tensor.shape) > MAX_AXES or any(size < 1 for size in tensor.shape) or prod(tensor.shape) > MAX_FLOATS:
        raise ModelError("shapes", f"{tensor.name!r} has shape {tensor.shape}")
    if tensor.data is not None:
        expected = (prod(tensor.shape) * BITS[tensor.type] + 7) // 8
        if len(tensor.data) != expected:
            raise ModelError(
                "data", f"{tensor.name!r} {tensor.shape} has {len(tensor.data)} bytes, expected {expected}"
            )
        if not finite(tensor.data, tensor.type):
            raise ModelError("finite", f"{tensor.name!r} holds NaN or infinity")
    if tensor.scales is not None:
        check_scales(tensor, tensor.scales)
    elif tensor.type in (INT4, INT8, INT16):
        raise ModelError("scales", f"{tensor.name!r} holds integers without a scale")


def check_scales(tensor: Tensor, scales: Scales) -> None:
    """One scale, or one for each index along the first axis, as the quantizer writes them; positive and finite."""
    counts = {1} if tensor.data is None else {1, *tensor.shape[:1]}
    allowed = ZEROS.get(tensor.type, range(1))
    if len(scales.scales) not in counts or len(scales.zeros) != len(scales.scales) or scales.axis != 0:
        raise ModelError("scales", f"{tensor.name!r} {tensor.shape} has {len(scales.scales)} scales")
    if not all(0 < scale < MAX_SCALE for scale in scales.scales) or not all(z in allowed for z in scales.zeros):
        raise ModelError("scales", f"{tensor.name!r} has a scale or zero point that is none")


def check_order(graph: Graph, budget: Budget) -> Verified:
    """Every tensor is made once, before it is used, by an operator that keeps its rule; and what all of it takes."""
    tensors, count = graph.tensors, len(graph.tensors)
    known = {n for n, tensor in enumerate(tensors) if tensor.data is not None}
    for which in graph.inputs:
        if not 0 <= which < count or which in known:
            raise ModelError("order", f"input {which} of {count} tensors")
        known.add(which)
    made: set[int] = set()
    work = 0
    for n, op in enumerate(graph.operators):
        if not all(which in known for which in op.inputs):
            raise ModelError("order", f"operator {n} takes tensors {op.inputs}, of which not all are made before it")
        if len(op.outputs) != 1 or not 0 <= op.outputs[0] < count or op.outputs[0] in known:
            raise ModelError("order", f"operator {n} gives tensors {op.outputs}, expected one that is not made yet")
        work += check_operator(op, n, [tensors[i] for i in op.inputs], [tensors[i] for i in op.outputs])
        known.update(op.outputs)
        made.update(op.outputs)
    if not set(graph.outputs) <= made or len(set(graph.outputs)) < len(graph.outputs) or not graph.outputs:
        raise ModelError("order", f"outputs {graph.outputs}: expected different tensors that operators make")
    if idle := set(range(count)) - known:
        raise ModelError("order", f"tensor {min(idle)} is made by nothing")
    memory = sum((prod(tensor.shape) * BITS[tensor.type] + 7) // 8 for tensor in tensors if tensor.data is None)
    if memory > budget.memory or work > budget.work:
        raise ModelError(
            "budget", f"{memory} bytes and {work} operations a step, allowed {budget.memory} and {budget.work}"
        )
    return Verified(len(graph.operators), memory, work)


def check_signature(graph: Graph) -> None:
    """The signature names exactly the inputs and outputs of the graph."""
    for names, indices in ((graph.named_inputs, graph.inputs), (graph.named_outputs, graph.outputs)):
        if sorted(names.values()) != sorted(indices):
            raise ModelError(
                "interface", f"the signature names tensors {sorted(names.values())}, not {sorted(indices)}"
            )


def check_interface(graph: Graph, manifest: Manifest) -> None:
    """Inputs and outputs are those of the manifest: names, shapes, float32."""
    if graph.signature != manifest.signature:
        raise ModelError("interface", f"signature {graph.signature!r}, the manifest says {manifest.signature!r}")
    inputs, outputs = dict(manifest.inputs), dict(manifest.outputs)
    for carry in manifest.carries:
        inputs[carry.input] = outputs[carry.output] = carry.shape
    for group in manifest.delays:
        step = manifest.frames_per_step
        inputs[group.taps] = (sum(len(line.past(step)) for line in group.lines), group.width)
        outputs[group.rows] = (len(group.lines) * step, group.width)
    for kind, names, expected in (("input", graph.named_inputs, inputs), ("output", graph.named_outputs, outputs)):
        found = {name: graph.tensors[index] for name, index in names.items()}
        if set(found) != set(expected):
            raise ModelError("interface", f"{kind}s {sorted(found)}, the manifest says {sorted(expected)}")
        for name, shape in expected.items():
            if found[name].shape != shape or found[name].type != FLOAT32:
                raise ModelError("interface", f"{kind} {name} has shape {found[name].shape}, the manifest says {shape}")


def finite(data: memoryview, kind: int) -> bool:
    """Whether no number is NaN or infinite: whether no exponent has all its bits set."""
    if kind == FLOAT16:
        return not NO_FLOAT16.intersection(data[1::2].tobytes())
    if kind != FLOAT32:
        return True
    high = data[3::4].tobytes()  # seven bits of the exponent; the eighth is in the byte before
    if b"\x7f" not in high and b"\xff" not in high:
        return True
    return not any(h & 0x7F == 0x7F and low & 0x80 for h, low in zip(high, data[2::4], strict=True))
