"""What is exported: a network's step over some frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_sdk.contract import Carry, DelayLines, FilterAndSum
from models.network import Network
from models.streaming import refuse_future
from quantization.step_graph.form import Memory, Remembering, empty_memory


class StepGraph(nn.Module):
    """A network's step with all memory in arguments and results.

    `forward(frames, **memory)`, `frames` `[mics, T, context + window]`, gives by the names of the manifest
    `sources_out`, `[sources, T, window]`, and the memory that comes out. `delays` and `carries` describe that memory,
    `inputs` holds one zero tensor per argument. With `filter_and_sum` there are more of them and filters come out, as
    the manifest says. Layers on samples are attributes named `encoder` and `decoder`, what is between them is
    `separator` or `narrow_band`: recipes of quantization go by these names.
    """

    output = "sources_out"
    filter_and_sum: FilterAndSum | None = None

    def __init__(self, network: Network, frames_per_step: int) -> None:
        super().__init__()
        if network.training:
            raise ValueError("the network is in training mode; call .eval() first")
        refuse_future(network, network.future)
        if frames_per_step < 1:
            raise ValueError(f"frames_per_step = {frames_per_step}: expected 1 or more")
        self.mics, self.sources, self.frames = network.mics, int(network.config.sources), frames_per_step
        self.delays: tuple[DelayLines, ...] = ()
        self.carries: tuple[Carry, ...] = ()
        self.inputs: Memory = {}

    def declare(self, frame: int, *forms: Remembering) -> None:
        """Take on the memory of parts; a frame has `frame` samples."""
        self.inputs = {"frames": torch.zeros(self.mics, self.frames, frame)}
        for form in forms:
            self.delays, self.carries = (*self.delays, *form.delays), (*self.carries, *form.carries)
            self.inputs |= empty_memory(form, self.frames)

    def forward(self, frames: Tensor, **memory: Tensor) -> Memory:
        raise NotImplementedError

    def macs_per_frame(self) -> int:
        """Multiply-accumulates of all layers for one frame of every microphone and source."""
        raise NotImplementedError


@torch.no_grad()
def layer_macs(graph: StepGraph) -> int:
    """Multiply-accumulates of a step: of every layer once for each row that it is given."""
    found = 0

    def count(layer: nn.Module, args: tuple[Tensor, ...], _: Tensor) -> None:
        nonlocal found
        found += int(getattr(layer, "macs", 0)) * len(args[0])

    hooks = [layer.register_forward_hook(count) for layer in graph.modules() if hasattr(layer, "macs")]
    graph(**graph.inputs)
    for hook in hooks:
        hook.remove()
    return found
