"""An exported model as C source, for microcontrollers that have no file system: NAME.h and NAME.c."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edge_sdk.contract import DelayLines, Manifest
from quantization.artifact import Artifact
from quantization.formats.arena import ALIGNMENT, Arena, plan
from quantization.layers import read

PER_LINE = 16  # bytes
FLOAT = 4  # bytes


def sources(artifact: Artifact) -> dict[str, bytes]:
    """Both files by name. The array is the .tflite to the byte; the header says what a host has to know to run it."""
    m, name = artifact.manifest, identifier(artifact.manifest.name)
    return {
        f"{m.name}.h": "\n".join(header(artifact, name)).encode(),
        f"{m.name}.c": "\n".join(array(artifact, name)).encode(),
    }


def identifier(name: str) -> str:
    """The name of a model as C takes it: `enhance-mono` is `enhance_mono`."""
    plain = re.sub(r"[^a-z0-9]", "_", name)
    return plain if plain[0].isalpha() else f"m{plain}"


def array(artifact: Artifact, name: str) -> Iterator[str]:
    """Lines of NAME.c."""
    model = artifact.model
    yield f'#include "{artifact.manifest.name}.h"'
    yield ""
    yield "#include <stdalign.h>"
    yield ""
    yield f"alignas({ALIGNMENT}) const unsigned char {name}_model[] = {{"
    for start in range(0, len(model), PER_LINE):
        yield "    " + " ".join(f"0x{byte:02x}," for byte in model[start : start + PER_LINE])
    yield "};"
    yield ""
    yield f"const size_t {name}_model_size = sizeof({name}_model);"
    yield ""


def header(artifact: Artifact, name: str) -> Iterator[str]:
    """Lines of NAME.h."""
    m, arena, upper = artifact.manifest, plan(artifact.model), name.upper()
    yield f"/* {m.name}: {m.architecture}, {m.recipe}, {m.sources} source(s) of {m.mics} microphone(s)."
    yield f" * SHA-256 of the model: {m.sha256}"
    yield " *"
    yield from tensors(artifact)
    yield " *"
    yield from memory(m)
    yield " */"
    yield f"#ifndef {upper}_H"
    yield f"#define {upper}_H"
    yield ""
    yield "#include <stddef.h>"
    yield ""
    yield "#ifdef __cplusplus"
    yield 'extern "C" {'
    yield "#endif"
    yield ""
    yield f"extern const unsigned char {name}_model[]; /* a .tflite, aligned to {ALIGNMENT} bytes */"
    yield f"extern const size_t {name}_model_size;"
    yield ""
    for constant in ("sample_rate", "mics", "sources", "window", "hop", "context", "frames_per_step"):
        yield f"#define {upper}_{constant.upper()} {getattr(m, constant)}"
    yield ""
    yield from arena_lines(arena, upper)
    yield ""
    yield "#ifdef __cplusplus"
    yield "}"
    yield "#endif"
    yield ""
    yield "#endif"
    yield ""


def arena_lines(arena: Arena, upper: str) -> Iterator[str]:
    """The estimate, and what it is not."""
    yield "/* An estimate, bytes: all tensors that are not constant, in one block of memory, by their lifetimes. What"
    yield " * kernels ask for besides and the records of the interpreter are not in it: give it more, and then what"
    yield f" * MicroInterpreter::arena_used_bytes() says. {arena.live} bytes are alive at the worst moment. */"
    yield f"#define {upper}_ARENA_ESTIMATE {arena.size}"


def tensors(artifact: Artifact) -> Iterator[str]:
    """What goes in and out of a step, in the order of the interpreter."""
    contents = read(artifact.model)
    graph = contents.subgraphs[0]
    signature = next(s for s in contents.signatureDefs if s.signatureKey.decode() == artifact.manifest.signature)
    for title, indices, named in (
        ("Inputs", graph.inputs, signature.inputs),
        ("Outputs", graph.outputs, signature.outputs),
    ):
        names = {entry.tensorIndex: entry.name.decode() for entry in named}
        yield f" * {title} of a step, float32:"
        for number, index in enumerate(indices):
            shape = " x ".join(str(int(length)) for length in graph.tensors[index].shape)
            yield f" *   {number}: {names[int(index)]}, {shape}"


def memory(m: Manifest) -> Iterator[str]:
    """What the host keeps from step to step."""
    if not m.carries and not m.delays:
        yield " * It has no memory: nothing is kept from step to step."
        return
    yield " * Memory, zero before the stream, kept by the host:"
    for carry in m.carries:
        yield f" *   {carry.output} of a step is {carry.input} of the next."
    for group in m.delays:
        yield from delay_lines(m, group)


def delay_lines(m: Manifest, group: DelayLines) -> Iterator[str]:
    """Where each line's rows lie in both tensors, and how long the past is that has to be kept."""
    frames, kept = m.frames_per_step, sum(line.depth for line in group.lines)
    size = FLOAT * kept * group.width
    yield f" *   Delay lines, rows of {group.width} numbers; the last {kept} rows, {size} bytes, are kept."
    yield f" *   A step gives {frames} new row(s) per line in {group.rows} and wants past ones in {group.taps}, counted"
    yield " *   from its first new row: -1 is the row before it."
    start = 0
    for number, line in enumerate(group.lines):
        past = line.past(frames)
        yield (
            f" *     line {number}: {group.rows}[{number * frames}..{(number + 1) * frames - 1}], keeps {line.depth}; "
            f"{group.taps}[{start}..{start + len(past) - 1}] = {', '.join(str(frame) for frame in past)}"
        )
        start += len(past)
