"""Step forms and step graphs run in torch, their memory kept as on a board: fast, where a conversion takes seconds."""

from collections.abc import Callable

import torch
from torch import Tensor

from edge_sdk.contract import Carry, DelayLines
from edge_sdk.rings import Rings, whole_rows
from quantization.step_graph.form import Memory, StepForm, empty_memory
from quantization.step_graph.graph import StepGraph


@torch.no_grad()
def run_form(form: StepForm, x: Tensor, frames: int) -> Tensor:
    """What a form gives for features `[T, C]`, `frames` at a time."""
    memory, out = HostMemory(form.delays, form.carries, empty_memory(form, frames), frames), []
    for block in x.split(frames):
        memory.step(lambda tensors, block=block: keep(out, *form(block, tensors)))
    return torch.cat(out)


@torch.no_grad()
def run_graph(graph: StepGraph, frames: Tensor) -> Tensor:
    """What a graph gives for frames `[mics, T, frame]`: `[sources, T, window]`."""
    memory, out = HostMemory(graph.delays, graph.carries, dict(graph.inputs), graph.frames), []
    memory.tensors.pop("frames")

    def step(block: Tensor, tensors: Memory) -> Memory:
        after = graph(block, **tensors)
        out.append(after.pop("sources_out"))
        return after

    for block in frames.split(graph.frames, dim=1):
        memory.step(lambda tensors, block=block: step(block, tensors))
    return torch.cat(out, dim=1)


def keep(out: list[Tensor], y: Tensor, after: Memory) -> Memory:
    out.append(y)
    return after


class HostMemory:
    """All memory of a graph: the runtime's own rings, and carries copied from step to step."""

    def __init__(
        self, delays: tuple[DelayLines, ...], carries: tuple[Carry, ...], tensors: Memory, frames: int
    ) -> None:
        self.tensors = {name: tensor.clone() for name, tensor in tensors.items()}
        self.rings, self.carries = [(Rings(group, frames), group) for group in delays], carries

    def step(self, run: Callable[[Memory], Memory]) -> None:
        for ring, group in self.rings:
            ring.read(whole_rows(self.tensors[group.taps].numpy()))
        after = run(dict(self.tensors))
        names = {carry.output for carry in self.carries} | {group.rows for _, group in self.rings}
        assert set(after) == names, f"memory that comes out: {sorted(after)}, declared: {sorted(names)}"
        for ring, group in self.rings:
            assert after[group.rows].shape == (ring.new_rows, group.width)
            ring.write(whole_rows(after[group.rows].contiguous().numpy()))
        for carry in self.carries:
            assert after[carry.output].shape == carry.shape
            self.tensors[carry.input] = after[carry.output]
