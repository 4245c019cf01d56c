"""What of a model runs in XNNPACK, and what is left to the interpreter's own kernels, several times slower."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from quantization.silence import silence

NODE = "DELEGATE"  # what stands for a partition


@dataclass(frozen=True)
class Delegation:
    """Partitions of the graph that XNNPACK runs, and the operators outside of them by name."""

    partitions: int
    outside: dict[str, int]


def delegation(model: bytes) -> Delegation:
    """How ai-edge-litert splits a model, found by walking back from its outputs."""
    from ai_edge_litert.interpreter import Interpreter

    with silence():
        interpreter = Interpreter(model_content=model)
        interpreter.allocate_tensors()
    made: dict[int, dict[str, Any]] = {}
    for op in interpreter._get_ops_details():
        for tensor in op["outputs"]:
            # A partition comes after the operators that it takes the place of, and so takes their tensors over.
            made[int(tensor)] = op
    left = [int(detail["index"]) for detail in interpreter.get_output_details()]
    run: dict[int, str] = {}
    while left:
        op = made.get(left.pop())
        if op is not None and op["index"] not in run:
            run[op["index"]] = op["op_name"]
            left += [int(tensor) for tensor in op["inputs"]]
    names = Counter(run.values())
    return Delegation(names.pop(NODE, 0), dict(names))
