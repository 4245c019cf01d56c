"""From a trained network to a float32 TFLite model with its manifest, through litert-torch."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from edge_sdk.contract import Manifest
from models.network import Network
from models.zoo import architecture
from quantization.artifact import Artifact
from quantization.layers import named
from quantization.silence import silence
from quantization.step_graph import step_graph
from quantization.step_graph.graph import StepGraph

SIGNATURE = "step"
MOST_FRAMES = 16  # of a step that is chosen: beyond, a frame costs hardly less, and the graph gets large


def export(network: Network, name: str, frames_per_step: int = 1, provenance: dict[str, Any] | None = None) -> Artifact:
    """The network's step as a TFLite model in float32.

    `frames_per_step` trades latency for throughput. Not proved yet: see `quantization.parity.check`.
    """
    graph = step_graph(network.cpu().eval(), frames_per_step)
    model = convert(graph)
    return Artifact(describe(network, graph, model, name, provenance), model)


def frames_within(network: Network, latency_ms: float) -> int:
    """The most frames per step, up to `MOST_FRAMES`, with which the algorithmic latency stays within `latency_ms`.

    `ValueError` where one frame takes longer.
    """
    rate = network.config.sample_rate
    spare = round(latency_ms * rate / 1000, 6) - network.latency  # 4.35 ms are 69.6 samples, not a little less
    if not spare >= 0:
        raise ValueError(f"expected at least {1000 * network.latency / rate:g}, the latency of one frame per step")
    return int(min(MOST_FRAMES, 1 + spare // network.hop))


def describe(
    network: Network, graph: StepGraph, model: bytes, name: str, provenance: dict[str, Any] | None = None
) -> Manifest:
    """The manifest of a network's step, whatever the format of the model that computes it."""
    frame, filters = graph.inputs["frames"].shape[-1], graph.filter_and_sum
    about = dict(provenance or {})
    array = str(about.pop("array", "any"))
    window = network.latency - (filters.alignment if filters else 0)
    return Manifest(
        name=name,
        version="1",
        architecture=architecture(network.config),
        recipe="float32",
        sample_rate=network.config.sample_rate,
        mics=network.mics,
        sources=network.config.sources,
        window=window,
        hop=network.hop,
        context=frame - window,
        frames_per_step=graph.frames,
        latency=network.latency + (graph.frames - 1) * network.hop,
        size=len(model),
        sha256=hashlib.sha256(model).hexdigest(),
        macs=graph.macs_per_frame() * network.config.sample_rate // network.hop,
        carries=graph.carries,
        delays=graph.delays,
        signature=SIGNATURE,
        output=graph.output,
        array=array,
        provenance=about,
        filter_and_sum=filters,
        schema=2 if filters else 1,
    )


def convert(graph: StepGraph) -> bytes:
    """The TFLite flatbuffer of a step."""
    os.environ.setdefault("LITERT_TORCH_SHOW_PROGRESS", "n")
    with silence():
        import litert_torch

        # Every input a tensor of its own: the converter reads one object given twice as one input.
        inputs = {name: tensor.clone() for name, tensor in graph.inputs.items()}
        converted = litert_torch.signature(SIGNATURE, graph.eval(), sample_kwargs=inputs).convert()
        return named(bytes(converted.model_content()), graph)
