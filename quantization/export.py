"""From a trained network to a float32 TFLite model with its manifest, through litert-torch."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from edge_sdk.contract import Manifest
from models.tasnet import TasNet
from quantization.artifact import Artifact
from quantization.silence import silence
from quantization.step_graph import StepGraph

SIGNATURE = "step"


def export(network: TasNet, name: str, frames_per_step: int = 1, provenance: dict[str, Any] | None = None) -> Artifact:
    """The network's step as a TFLite model in float32.

    `frames_per_step` trades latency for throughput. Not proved yet: see `quantization.parity.check`.
    """
    graph, bank = StepGraph(network.cpu().eval(), frames_per_step), network.config.filterbank
    model = convert(graph)
    manifest = Manifest(
        name=name,
        version="1",
        architecture="tasnet",
        recipe="float32",
        sample_rate=network.config.sample_rate,
        mics=network.mics,
        sources=network.config.sources,
        window=bank.window,
        hop=bank.hop,
        context=bank.context,
        frames_per_step=frames_per_step,
        latency=bank.window + (frames_per_step - 1) * bank.hop,
        size=len(model),
        sha256=hashlib.sha256(model).hexdigest(),
        macs=graph.macs_per_frame() * network.config.sample_rate // bank.hop,
        carries=graph.carries,
        delays=graph.delays,
        signature=SIGNATURE,
        provenance=provenance or {},
    )
    return Artifact(manifest, model)


def convert(graph: StepGraph) -> bytes:
    """The TFLite flatbuffer of a step."""
    os.environ.setdefault("LITERT_TORCH_SHOW_PROGRESS", "n")
    with silence():
        import litert_torch

        # Every input a tensor of its own: the converter reads one object given twice as one input.
        inputs = {name: tensor.clone() for name, tensor in graph.inputs.items()}
        converted = litert_torch.signature(SIGNATURE, graph.eval(), sample_kwargs=inputs).convert()
        return bytes(converted.model_content())
