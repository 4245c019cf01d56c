"""The shape that an operator makes of its inputs, or why it can make none of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, prod

from edge_sdk.verifier.errors import ModelError
from edge_sdk.verifier.tflite import Operator, Tensor

Shape = tuple[int, ...]
MAX_AXES = 5
VALID = 1  # the padding that is none
ACTIVATIONS = (0, 1, 2)  # none, ReLU, between -1 and 1


def convolution(op: Operator, inputs: Sequence[Tensor]) -> Shape:
    """`[N, H, W, C]` with filters `[O, h, w, C]`."""
    x, filters, bias = (t.shape for t in inputs)
    if len(x) != 4 or len(filters) != 4 or filters[3] != x[3] or bias != filters[:1]:
        raise ModelError("shapes", f"a convolution of {x} with filters {filters} and bias {bias}")
    activation(op)
    return x[0], *windows(op, x, filters), filters[0]


def depthwise(op: Operator, inputs: Sequence[Tensor]) -> Shape:
    """`[N, H, W, C]` with filters `[1, h, w, C m]`, m channels out for each one in."""
    x, filters, bias = (t.shape for t in inputs)
    if (
        len(x) != 4
        or len(filters) != 4
        or filters[0] != 1
        or filters[3] != x[3] * number(op, "multiplier")
        or bias != filters[3:]
    ):
        raise ModelError("shapes", f"a depthwise convolution of {x} with filters {filters} and bias {bias}")
    return x[0], *windows(op, x, filters), filters[3]


def windows(op: Operator, x: Shape, filters: Shape) -> tuple[int, int]:
    """Height and width of a convolution without padding, in steps of one."""
    padding, strides = number(op, "padding"), (number(op, "stride_h"), number(op, "stride_w"))
    if padding != VALID or strides != (1, 1):
        raise ModelError("options", f"a convolution with padding {padding} and strides {strides}")
    high, wide = (size - kernel + 1 for size, kernel in zip(x[1:3], filters[1:3], strict=True))
    if min(high, wide) < 1:
        raise ModelError("shapes", f"a convolution of {x} with filters {filters}")
    return high, wide


def elementwise(op: Operator, inputs: Sequence[Tensor]) -> Shape:
    """Two shapes, the shorter one stretched."""
    if op.options is not None:
        activation(op)
    return broadcast(*(t.shape for t in inputs))


def broadcast(a: Shape, b: Shape) -> Shape:
    """The shape that two shapes stretch to, axes of one stretching to any."""
    axes = max(len(a), len(b))
    pairs = list(zip((1,) * (axes - len(a)) + a, (1,) * (axes - len(b)) + b, strict=True))
    if any(p != q and 1 not in (p, q) for p, q in pairs):
        raise ModelError("shapes", f"{a} and {b} do not go together")
    return tuple(max(pair) for pair in pairs)


def same(op: Operator, inputs: Sequence[Tensor]) -> Shape:
    """Number by number."""
    return inputs[0].shape


def leaky(op: Operator, inputs: Sequence[Tensor]) -> Shape:
    """Number by number, those below zero by a slope."""
    if op.options is None or not isfinite(op.options.real("slope")):
        raise ModelError("finite", "a leaky ReLU without a slope")
    return inputs[0].shape


def reshape(op: Operator, inputs: Sequence[Tensor]) -> Shape:
    """As many numbers in the shape that the second input holds."""
    shape = constant(inputs[1])
    if len(shape) > MAX_AXES or any(size < 1 for size in shape) or prod(shape) != prod(inputs[0].shape):
        raise ModelError("shapes", f"{inputs[0].shape} reshaped to {shape}")
    return shape


def part(op: Operator, inputs: Sequence[Tensor]) -> Shape:
    """A box out of a tensor: where it begins and its sizes are constants."""
    whole, begin, sizes = inputs[0].shape, constant(inputs[1]), constant(inputs[2])
    if not len(whole) == len(begin) == len(sizes):
        raise ModelError("shapes", f"a part of {whole} from {begin} of {sizes}")
    if any(b < 0 or s < 1 or b + s > w for w, b, s in zip(whole, begin, sizes, strict=True)):
        raise ModelError("shapes", f"a part of {whole} from {begin} of {sizes}")
    return sizes


def concatenation(op: Operator, inputs: Sequence[Tensor]) -> Shape:
    """Tensors one after another along an axis."""
    shapes = [t.shape for t in inputs]
    axis = along(number(op, "axis"), len(shapes[0]))
    if len({shape[:axis] + shape[axis + 1 :] for shape in shapes}) > 1 or len({len(s) for s in shapes}) > 1:
        raise ModelError("shapes", f"{shapes[0]} joined with {shapes[1]} along axis {axis}")
    return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])


def reduction(op: Operator, inputs: Sequence[Tensor]) -> Shape:
    """Constant axes summed up, kept with size one or dropped."""
    shape, listed = inputs[0].shape, constant(inputs[1])
    axes = {along(axis, len(shape)) for axis in listed}
    if len(axes) < len(listed) or not axes:
        raise ModelError("shapes", f"axes {listed} of {shape} summed up")
    if number(op, "keep"):
        return tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)


def transpose(op: Operator, inputs: Sequence[Tensor]) -> Shape:
    """Axes in the constant order."""
    shape, order = inputs[0].shape, constant(inputs[1])
    if sorted(order) != list(range(len(shape))):
        raise ModelError("shapes", f"axes of {shape} in the order {order}")
    return tuple(shape[axis] for axis in order)


def product(op: Operator, inputs: Sequence[Tensor]) -> Shape:
    """Matrices in the last two axes, each transposed where the options say so."""
    a, b = (t.shape for t in inputs)
    if min(len(a), len(b)) < 2:
        raise ModelError("shapes", f"a matrix product of {a} and {b}")
    rows, shared = a[-2:][::-1] if number(op, "first") else a[-2:]
    depth, columns = b[-2:][::-1] if number(op, "second") else b[-2:]
    if shared != depth:
        raise ModelError("shapes", f"a matrix product of {a} and {b}")
    return (*broadcast(a[:-2], b[:-2]), rows, columns)


def number(op: Operator, name: str) -> int:
    """A field of an operator's options."""
    if op.options is None:
        raise ModelError("options", f"operator {op.code} has none")
    return op.options.number(name)


def activation(op: Operator) -> None:
    """Fused behind the operator: nothing, ReLU, or the limits of -1 and 1."""
    if (kind := number(op, "activation")) not in ACTIVATIONS:
        raise ModelError("options", f"operator {op.code} has activation {kind}")


def constant(tensor: Tensor) -> tuple[int, ...]:
    """The whole numbers in a constant: a shape, axes, or where a part begins."""
    if tensor.data is None or len(tensor.shape) > 1 or len(tensor.data) > 4 * MAX_AXES:
        raise ModelError("shapes", f"{tensor.name!r} is no constant list of at most {MAX_AXES} numbers")
    data = bytes(tensor.data)
    return tuple(int.from_bytes(data[at : at + 4], "little", signed=True) for at in range(0, len(data), 4))


def along(axis: int, axes: int) -> int:
    """An axis counted from the front."""
    if not -axes <= axis < axes:
        raise ModelError("shapes", f"axis {axis} of {axes}")
    return axis % axes
