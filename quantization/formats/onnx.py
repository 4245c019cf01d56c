"""The same step as ONNX: inputs, outputs and memory by the names of the manifest, for runtimes that do not read TFLite.

It comes from the step graph, as the .tflite does, and goes through the same gate, run by onnxruntime block by block.
Float32 only: the recipes of quantization are TFLite's.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edge_sdk.contract import Manifest, write_files
from edge_sdk.errors import BackendError, EdgeError
from edge_sdk.framing import FrameBuffer, OverlapAdd
from edge_sdk.interpreter import expected_shapes
from edge_sdk.rings import Rings, whole_rows
from edge_sdk.windows import make_windows
from models.network import Network
from quantization.artifact import Artifact
from quantization.export import describe
from quantization.parity import Parity, compare
from quantization.silence import silence
from quantization.step_graph import step_graph
from quantization.step_graph.graph import StepGraph

OPSET = 20
INSTALL = "pip install 'edge-sdk[export,onnx]'"
Samples = NDArray[np.float32]


def export(network: Network, name: str, frames_per_step: int = 1, provenance: dict[str, Any] | None = None) -> Artifact:
    """The network's step as an ONNX model in float32, and its manifest. Not proved yet: see `check`."""
    graph = step_graph(network.cpu().eval(), frames_per_step)
    model = convert(graph)
    return Artifact(describe(network, graph, model, name, provenance), model)


def check(network: Network, artifact: Artifact, mixture: Path | None = None) -> Parity:
    """`quantization.parity.compare`, with onnxruntime as the runtime."""
    m = artifact.manifest
    step = OnnxStep(m, artifact.model)
    return compare(network, m, lambda samples: separate(m, step, samples), mixture)


def convert(graph: StepGraph) -> bytes:
    """The ONNX model of a step."""
    for package in ("onnx", "onnxscript"):
        optional(package)
    inputs = {name: tensor.clone() for name, tensor in graph.inputs.items()}
    with silence(), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        outputs = list(graph.eval()(**inputs))
        program = torch.onnx.export(
            graph,
            kwargs=inputs,
            input_names=list(inputs),
            output_names=outputs,
            opset_version=OPSET,
            dynamo=True,
            optimize=False,  # onnxscript 0.7 takes 1e-8 for nothing, the floor of magnitudes; onnxruntime folds itself
            verbose=False,
        )
    if program is None:
        raise EdgeError(
            "torch.onnx gave no model; install the versions of torch and onnxscript that this package names"
        )
    model = program.model_proto
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.ClearField("metadata_props")  # stack traces of the converting machine, most of a small file
        part.ClearField("doc_string")
    return bytes(model.SerializeToString(deterministic=True))


class OnnxStep:
    """Runs the step of a manifest as `edge_sdk.interpreter.StepInterpreter` does: fill `inputs`, `step()`, `output`."""

    def __init__(self, manifest: Manifest, model: bytes) -> None:
        runtime = optional("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors
        try:
            self._session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has a class for each kind, below Exception only
            raise BackendError(f"onnxruntime refuses {manifest.name} ({error}); export it again") from error
        rings = [Rings(group, manifest.frames_per_step) for group in manifest.delays]
        for found, expected in zip(
            (self._session.get_inputs(), self._session.get_outputs()), expected_shapes(manifest, rings), strict=True
        ):
            if {(x.name, tuple(x.shape)) for x in found} != set(expected.items()):
                names = ", ".join(f"{x.name} {x.shape}" for x in found)
                raise BackendError(f"{manifest.name}: {names} are not what its manifest says; export it again")
        shapes, outputs = expected_shapes(manifest, rings)
        self.inputs = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        self.output = np.zeros(outputs[manifest.output], np.float32)
        self._name, self._outputs, self._carries = manifest.output, list(outputs), manifest.carries
        self._rings = [(ring, group) for ring, group in zip(rings, manifest.delays, strict=True)]

    def step(self) -> None:
        """One step over what was filled in."""
        for ring, group in self._rings:
            ring.read(whole_rows(self.inputs[group.taps]))
        found = dict(zip(self._outputs, self._session.run(self._outputs, self.inputs), strict=True))
        for ring, group in self._rings:
            ring.write(whole_rows(found[group.rows]))
        for carry in self._carries:
            self.inputs[carry.input][...] = found[carry.output]
        self.output[...] = found[self._name]


def separate(m: Manifest, step: OnnxStep, samples: Samples) -> Samples:
    """The sources of a whole recording from its beginning, `[mics, n]` to `[sources, n]`, aligned with it.

    The step must be a new one: it keeps the memory of its stream.
    """
    count, block = samples.shape[1], m.block
    blocks = -(-(count + m.delay) // block)
    buffer = FrameBuffer(m.mics, m.context + m.window, m.hop, m.frames_per_step)
    overlap_add = OverlapAdd(m.sources, m.window, m.hop, m.frames_per_step)
    windows = make_windows(m, step)  # type: ignore[arg-type]  # it has what they use of a StepInterpreter
    y = np.empty((m.sources, blocks * block), np.float32)
    padded = np.pad(samples, ((0, 0), (0, blocks * block - count)))
    for number, frames in enumerate(buffer.push(padded)):
        overlap_add.add(windows.make(frames), y[:, number * block : (number + 1) * block])
    return y[:, m.delay : m.delay + count]


def paths(folder: Path, name: str) -> tuple[Path, Path]:
    """Where the model of that name lies, and its manifest: not where a .tflite has its own."""
    return folder / f"{name}.onnx", folder / f"{name}.onnx.json"


def write(artifact: Artifact, folder: Path) -> Path:
    """Write both files, or none; the path of the model."""
    model, beside = paths(folder, artifact.manifest.name)
    try:
        write_files({model: artifact.model, beside: artifact.manifest.to_json()})
    except OSError as error:
        raise EdgeError(f"{folder}: cannot be written to ({error.strerror}); choose another --out") from error
    return model


def optional(package: str) -> Any:
    """A package that only this format needs."""
    try:
        return import_module(package)
    except ImportError as error:
        raise EdgeError(f"ONNX needs {package} ({error}); {INSTALL}") from error
