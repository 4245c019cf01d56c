"""One step of a network in the form that a TFLite interpreter runs fastest.

The same arithmetic as the network's own step, proved equal by the parity gate, in shapes and operations that stay in
one XNNPACK partition, and with memory in the arguments: `form` says what a part must offer to be exported. A layer that
looks back gets the past rows its taps fall on and returns its new rows; the host keeps the rest, and moves 1 row where
whole contexts would move 2 * dilation.

Another network adds its `StepGraph` to `GRAPHS`, another separator of TasNet its `StepForm` to `separators.STEP_FORMS`.
"""

from __future__ import annotations

from models.fasnet import FaSNet, FaSNetTAC
from models.network import Network
from models.tasnet import TasNet
from quantization.step_graph.fasnet import FaSNetStep, FaSNetTACStep
from quantization.step_graph.graph import StepGraph
from quantization.step_graph.tasnet import TasNetStep

GRAPHS: dict[type[Network], type[StepGraph]] = {TasNet: TasNetStep, FaSNet: FaSNetStep, FaSNetTAC: FaSNetTACStep}


def step_graph(network: Network, frames_per_step: int) -> StepGraph:
    """The step of a network over `frames_per_step` frames; `ValueError` where nothing here can export it."""
    graph = GRAPHS.get(type(network))
    if graph is None:
        raise ValueError(f"a network of type {type(network).__name__} has no exported form yet")
    return graph(network, frames_per_step)
