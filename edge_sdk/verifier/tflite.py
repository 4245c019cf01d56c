"""A TFLite file as tensors and operators: the part of its schema (version 3) that our exporter writes, and no more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_sdk.verifier.errors import ModelError
from edge_sdk.verifier.flatbuffer import Field, Flatbuffer, Kind, Table

FLOAT32, FLOAT16, INT32, INT64, INT16, INT8, INT4 = 0, 1, 2, 4, 7, 9, 17
BITS = {FLOAT32: 32, FLOAT16: 16, INT32: 32, INT64: 64, INT16: 16, INT8: 8, INT4: 4}
# The fields of each kind of table that our exporter writes; others are refused.
MODEL: Kind = {
    "version": Field(0),
    "codes": Field(1),
    "subgraphs": Field(2),
    "description": Field(3),
    "buffers": Field(4),
    "metadata": Field(6),
    "signatures": Field(7),
}
CODE: Kind = {"old": Field(0, "b"), "version": Field(2, "i"), "code": Field(3, "i")}
SUBGRAPH: Kind = {"tensors": Field(0), "inputs": Field(1), "outputs": Field(2), "operators": Field(3), "name": Field(4)}
TENSOR: Kind = {
    "shape": Field(0),
    "type": Field(1, "b"),
    "buffer": Field(2),
    "name": Field(3),
    "quantization": Field(4),
    "has rank": Field(8, "B"),
}
OPERATOR: Kind = {
    "code": Field(0),
    "inputs": Field(1),
    "outputs": Field(2),
    "options type": Field(3, "B"),
    "options": Field(4),
}
SCALES: Kind = {"scales": Field(2), "zeros": Field(3), "axis": Field(6, "i")}
BUFFER: Kind = {"data": Field(0), "offset": Field(1, "Q"), "size": Field(2, "Q")}
METADATA: Kind = {"name": Field(0), "buffer": Field(1)}
SIGNATURE: Kind = {"inputs": Field(0), "outputs": Field(1), "key": Field(2), "subgraph": Field(4)}
NAMED: Kind = {"name": Field(0), "tensor": Field(1)}
KNOWN_METADATA = {"min_runtime_version", "keep_stablehlo_constant", "CONVERSION_METADATA"}
NOTE = re.compile(rb"[ -~]{0,64}\0{0,16}")


@dataclass(frozen=True)
class Scales:
    """How integers stand for numbers: one scale and zero point for the tensor, or one for every index along an axis."""

    scales: tuple[float, ...]
    zeros: tuple[int, ...]
    axis: int


@dataclass(frozen=True)
class Tensor:
    """data: of a constant; None where the tensor is computed or given."""

    name: str
    shape: tuple[int, ...]
    type: int
    data: memoryview | None = None
    scales: Scales | None = None


@dataclass(frozen=True)
class Operator:
    """code, version: what it does. inputs, outputs: indices of tensors. options: of the kind `options_type`."""

    code: int
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options_type: int
    options: Table | None


@dataclass(frozen=True)
class Graph:
    """The one subgraph, and the names that its signature gives to inputs and outputs."""

    tensors: list[Tensor]
    operators: list[Operator]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    signature: str
    named_inputs: dict[str, int] = field(default_factory=dict)
    named_outputs: dict[str, int] = field(default_factory=dict)


def read_graph(data: bytes, options: Mapping[int, Kind]) -> Graph:
    """The graph in a file. options: the fields that each type of options may have, by its number in the schema."""
    file = Flatbuffer(data, b"TFL3")
    model = file.root("model", MODEL)
    if (version := model.number("version")) != 3:
        raise ModelError("schema", f"version {version}, expected 3")
    model.string("description")
    codes = [operator_code(code) for code in model.tables("codes", "operator code", CODE)]
    buffers = [content(file, table, n) for n, table in enumerate(model.tables("buffers", "buffer", BUFFER))]
    subgraphs = model.tables("subgraphs", "subgraph", SUBGRAPH)
    signatures = model.tables("signatures", "signature", SIGNATURE)
    if len(subgraphs) != 1 or len(signatures) != 1 or signatures[0].number("subgraph"):
        raise ModelError(
            "one subgraph", f"{len(subgraphs)} subgraphs, {len(signatures)} signatures; expected one of each"
        )
    (subgraph,), (signature,) = subgraphs, signatures
    subgraph.string("name")
    used = metadata_buffers(model, buffers)
    tensors = []
    for table in subgraph.tables("tensors", "tensor", TENSOR):
        tensors.append(tensor(table, buffers))
        used.add(table.number("buffer"))
    if unused := [n for n, content in enumerate(buffers) if len(content) and n not in used]:
        raise ModelError("data", f"buffer {unused[0]} belongs to no tensor")
    if not buffers or len(buffers[0]):
        raise ModelError("data", "buffer 0 is not the empty one")
    operators = [
        operator(table, codes, options, n) for n, table in enumerate(subgraph.tables("operators", "operator", OPERATOR))
    ]
    graph = Graph(
        tensors,
        operators,
        subgraph.numbers("inputs", "i"),
        subgraph.numbers("outputs", "i"),
        signature.string("key"),
        named(signature, "inputs"),
        named(signature, "outputs"),
    )
    file.finish()
    return graph


def content(file: Flatbuffer, table: Table, n: int) -> memoryview:
    """The bytes of a buffer: inside the FlatBuffer or, as the quantizer writes them, behind it in the same file."""
    offset, size = table.number("offset"), table.number("size")
    if not offset and not size:
        return table.bytes("data")
    if "data" in table or not offset or not size or offset % 4:
        raise ModelError("data", f"buffer {n} of {size} bytes at {offset}")
    return file.take(offset, offset + size)


def operator_code(table: Table) -> tuple[int, int]:
    """Number and version of an operator; numbers up to 127 may be stored twice, for old readers."""
    code, old = table.number("code"), table.number("old")
    if old not in (0, min(code, 127)):
        raise ModelError("operators", f"operator {code}, for old readers {old}")
    return code, table.number("version", 1)


def operator(table: Table, codes: list[tuple[int, int]], options: Mapping[int, Kind], n: int) -> Operator:
    """An operator; its options have only the fields that they may have."""
    index, kind = table.number("code"), table.number("options type")
    if index >= len(codes):
        raise ModelError("operators", f"operator {n} is number {index} of {len(codes)}")
    if kind not in options or (kind != 0) != ("options" in table):
        raise ModelError("operators", f"operator {n} has options of type {kind}")
    return Operator(
        *codes[index],
        table.numbers("inputs", "i"),
        table.numbers("outputs", "i"),
        kind,
        table.table("options", f"options of operator {n}", options[kind]),
    )


def tensor(table: Table, buffers: list[memoryview]) -> Tensor:
    """A tensor and, where it is a constant, its bytes."""
    name, kind = table.string("name"), table.number("type")
    buffer, shape = table.number("buffer"), table.numbers("shape", "i")
    if kind not in BITS:
        raise ModelError("types", f"tensor {name!r} has type {kind}")
    if buffer >= len(buffers):
        raise ModelError("data", f"tensor {name!r} is in buffer {buffer} of {len(buffers)}")
    if table.number("has rank") > 1:
        raise ModelError("types", f"tensor {name!r} has a rank, or none, or neither")
    scales = table.table("quantization", f"scales of {name!r}", SCALES)
    data = buffers[buffer]
    return Tensor(name, shape, kind, data if len(data) else None, None if scales is None else read_scales(scales))


def read_scales(table: Table) -> Scales | None:
    """Scales and zero points; None where there are neither."""
    scales, zeros = table.numbers("scales", "f"), table.numbers("zeros", "q")
    return Scales(scales, zeros, table.number("axis")) if scales or zeros else None


def metadata_buffers(model: Table, buffers: list[memoryview]) -> set[int]:
    """The buffers of what the converter notes of itself."""
    found = set()
    for table in model.tables("metadata", "metadata", METADATA):
        name, buffer = table.string("name"), table.number("buffer")
        if name not in KNOWN_METADATA or buffer >= len(buffers) or not NOTE.fullmatch(buffers[buffer]):
            raise ModelError("metadata", f"{name!r} in buffer {buffer}")
        found.add(buffer)
    return found


def named(signature: Table, which: str) -> dict[str, int]:
    """Names and indices of a signature's inputs or outputs."""
    found: dict[str, int] = {}
    for table in signature.tables(which, which, NAMED):
        name = table.string("name")
        if name in found:
            raise ModelError("interface", f"two {which} are called {name!r}")
        found[name] = table.number("tensor")
    return found
