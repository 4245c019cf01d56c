"""One step of a network beside other ways to compute the same: each from samples of a block to samples of a block, or
less, never more, than ours does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from edge_sdk import Separator
from edge_sdk.bench_report import Row
from models.network import Network
from quantization import export
from quantization.artifact import Artifact
from quantization.formats import onnx
from quantization.quantize import quantize
from quantization.step_graph import step_graph
from quantization.step_graph.graph import StepGraph
from tools.benchmark import floor
from tools.benchmark.contexts import with_contexts
from tools.benchmark.turns import Step, hot

RECIPES = ("float32", "dynamic_int8")
OURS, CONTEXTS, MATRICES = "edge-sdk", "whole contexts in and out", "fully-connected layers alone"
ONNX, EAGER, AGAIN = "onnxruntime, whole contexts", "torch, whole contexts", "torch, receptive field again"


def rows(network: Network, subject: str, frames: int) -> list[Row]:
    """Median and 99th percentile of each way, in microseconds per block of so many frames."""
    label = f"{subject}, {frames} frame{'s' if frames > 1 else ''} per step"
    times = hot(makers(network, frames))
    return [
        Row("alternatives", label, way, measure, 1e6 * float(np.percentile(seconds, percent)), "us")
        for way, seconds in times.items()
        for measure, percent in (("p50", 50), ("p99", 99))
    ]


def makers(network: Network, frames: int) -> dict[str, Callable[[], Step]]:
    """What makes a step of each way."""
    graph, whole = step_graph(network, frames), with_contexts(network, frames)
    ours = export.export(network, "ours", frames)
    contexts = artifact(network, whole, export.convert(whole))
    matrices, found = floor.Matrices(graph), dict[str, Callable[[], Step]]()
    for recipe in RECIPES:
        of_recipe = [made if recipe == "float32" else quantize(made, recipe, recipe) for made in (ours, contexts)]
        for way, made in zip((OURS, CONTEXTS), of_recipe, strict=True):
            found[f"{way}, {recipe}"] = partial(stream, made)
        found[f"{MATRICES}, {recipe}"] = partial(floor.runner, floor.convert(matrices, recipe))
    found[ONNX] = partial(onnx_step, artifact(network, whole, onnx.convert(whole)))
    found[EAGER] = partial(eager, whole)
    found[AGAIN] = partial(again, network, receptive_field(ours), ours.manifest.block)
    return found


def artifact(network: Network, graph: StepGraph, model: bytes) -> Artifact:
    return Artifact(export.describe(network, graph, model, "whole-contexts"), model)


def stream(made: Artifact) -> Step:
    """A block of samples in, a block of samples out, with everything that a user's loop does."""
    separator, m = Separator(made.bundle), made.manifest
    x = noise(m.mics, m.block)
    return partial(separator.process, x, np.empty((m.sources, m.block), np.float32))


def onnx_step(made: Artifact) -> Step:
    """The step alone, contexts carried over by the host."""
    step = onnx.OnnxStep(made.manifest, made.model)
    step.inputs["frames"][...] = 0.1
    return step.step


def eager(graph: StepGraph) -> Step:
    """The step alone, in torch; contexts go from results to arguments without a copy."""
    memory = {**graph.inputs, "frames": torch.randn_like(graph.inputs["frames"])}

    def step() -> None:
        with torch.inference_mode():
            after = graph(**memory)
        for carry in graph.carries:
            memory[carry.input] = after[carry.output]

    return step


def again(network: Network, past: int, block: int) -> Step:
    """The network over all samples that a block depends on, every time."""
    x = torch.from_numpy(noise(network.mics, past + block))[None]

    def step() -> None:
        with torch.inference_mode():
            network(x)

    return step


def receptive_field(made: Artifact) -> int:
    """Samples of the past that a frame depends on through its delay lines."""
    m = made.manifest
    return m.hop * sum(line.depth for group in m.delays for line in group.lines) + m.context + m.window


def noise(mics: int, samples: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal((mics, samples))).astype(np.float32)
