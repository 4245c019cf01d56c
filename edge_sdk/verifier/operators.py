"""The operators that a model may have, and what each makes of its inputs.

The list is what `edge-sdk export` and `quantize` have written for all presets, families, masks, norms and recipes;
tests/edge_sdk/verifier/test_exports.py looks whether it still is. Numbers are those of the TFLite schema.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from edge_sdk.verifier import shapes
from edge_sdk.verifier.errors import ModelError
from edge_sdk.verifier.flatbuffer import Field, Kind
from edge_sdk.verifier.tflite import FLOAT16, FLOAT32, INT4, INT8, INT16, INT32, INT64, Operator, Tensor

Types = tuple[int, ...]
ACTIVATION: Kind = {"activation": Field(0, "b")}
WINDOWS: Kind = {"padding": Field(0, "b"), "stride_w": Field(1, "i"), "stride_h": Field(2, "i")}
# The fields that each type of options may have; a dilation, for one, is never written.
OPTIONS: dict[int, Kind] = {
    0: {},
    1: {**WINDOWS, "activation": Field(3, "b")},  # convolution
    2: {**WINDOWS, "multiplier": Field(3, "i")},  # depthwise convolution: channels out for each one in
    10: {"axis": Field(0, "i")},  # concatenation
    11: ACTIVATION,  # sum, product, difference and quotient of two
    21: ACTIVATION,
    28: ACTIVATION,
    29: ACTIVATION,
    27: {"keep": Field(0, "B")},  # reduction: whether axes are kept
    33: {},
    75: {"slope": Field(0, "f")},  # leaky ReLU
    101: {"first": Field(0, "B"), "second": Field(1, "B")},  # product of matrices: which are transposed
}


@dataclass(frozen=True)
class Rule:
    """What an operator's types may be, and its shape.

    types: of inputs and outputs, one pair of them per form. options: their type. shape: from operator and inputs.
    """

    name: str
    types: tuple[tuple[Types, Types], ...]
    options: int
    shape: Callable[[Operator, Sequence[Tensor]], shapes.Shape]
    many: bool = False  # any number of inputs of the first type


def check_operator(op: Operator, n: int, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> int:
    """Multiply-accumulates, or numbers written where there are none, of an operator that keeps its rule."""
    rule = RULES.get((op.code, op.version))
    if rule is None:
        raise ModelError("operators", f"operator {n} is {op.code} in version {op.version}, which we never export")
    given, made = tuple(t.type for t in inputs), tuple(t.type for t in outputs)
    if op.options_type != rule.options:
        raise ModelError("operators", f"{rule.name} {n} has options of type {op.options_type}")
    if rule.many and inputs:
        given = given if len(set(given)) > 1 else given[:1]
    if (given, made) not in rule.types:
        raise ModelError("types", f"{rule.name} {n} takes types {given} and gives {made}")
    shape = rule.shape(op, inputs)
    if outputs[0].shape != shape:
        raise ModelError("shapes", f"{rule.name} {n} gives {outputs[0].shape}, its inputs make {shape}")
    if op.code in (CONV, DEPTHWISE, MATMUL):
        return prod(shape) * (prod(inputs[1].shape[1:3]) if op.code == DEPTHWISE else inner(op, inputs))
    return prod(shape)


def inner(op: Operator, inputs: Sequence[Tensor]) -> int:
    """Products in every number that a convolution or matrix product gives."""
    return prod(inputs[1].shape[1:]) if op.code == CONV else inputs[0].shape[-2 if shapes.number(op, "first") else -1]


F = FLOAT32
ONE: tuple[tuple[Types, Types], ...] = (((F,), (F,)),)
TWO: tuple[tuple[Types, Types], ...] = (((F, F), (F,)),)
WITH_INDEX: tuple[tuple[Types, Types], ...] = (((F, INT32), (F,)),)
WEIGHTS = (((F, F, F), (F,)), ((F, INT8, F), (F,)), ((F, INT4, F), (F,)))
FIXED = (((INT8, INT8, INT32), (INT8,)), ((INT16, INT8, INT64), (INT16,)))
JOIN, CONV, DEPTHWISE, MATMUL = 2, 3, 4, 126
RULES = {
    (0, 1): Rule("ADD", TWO, 11, shapes.elementwise),
    (JOIN, 1): Rule("CONCATENATION", ONE, 10, shapes.concatenation, many=True),
    (CONV, 1): Rule("CONV_2D", WEIGHTS + FIXED, 1, shapes.convolution),
    (DEPTHWISE, 1): Rule("DEPTHWISE_CONV_2D", (((F, F, F), (F,)),), 2, shapes.depthwise),
    (6, 1): Rule("DEQUANTIZE", tuple(((kind,), (F,)) for kind in (FLOAT16, INT8, INT16)), 0, shapes.same),
    (14, 1): Rule("LOGISTIC", ONE, 0, shapes.same),
    (18, 1): Rule("MUL", TWO, 21, shapes.elementwise),
    (19, 1): Rule("RELU", ONE, 0, shapes.same),
    (22, 1): Rule("RESHAPE", WITH_INDEX, 0, shapes.reshape),
    (28, 1): Rule("TANH", ONE, 0, shapes.same),
    (39, 1): Rule("TRANSPOSE", WITH_INDEX, 0, shapes.transpose),
    (40, 1): Rule("MEAN", WITH_INDEX, 27, shapes.reduction),
    (41, 1): Rule("SUB", TWO, 28, shapes.elementwise),
    (42, 1): Rule("DIV", TWO, 29, shapes.elementwise),
    (47, 1): Rule("EXP", ONE, 33, shapes.same),
    (55, 1): Rule("MAXIMUM", TWO, 0, shapes.elementwise),
    (57, 1): Rule("MINIMUM", TWO, 0, shapes.elementwise),
    (65, 1): Rule("SLICE", (((F, INT32, INT32), (F,)),), 0, shapes.part),
    (73, 1): Rule("LOG", ONE, 0, shapes.same),
    (74, 1): Rule("SUM", WITH_INDEX, 27, shapes.reduction),
    (76, 1): Rule("RSQRT", ONE, 0, shapes.same),
    (98, 1): Rule("LEAKY_RELU", ONE, 75, shapes.leaky),
    (101, 1): Rule("ABS", ONE, 0, shapes.same),
    (114, 1): Rule("QUANTIZE", (((F,), (INT8,)), ((F,), (INT16,))), 0, shapes.same),
    (MATMUL, 1): Rule("BATCH_MATMUL", TWO, 101, shapes.product),
}
