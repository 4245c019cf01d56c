"""What a part of a network must offer to be exported: its step with all memory in arguments and results.

A step form is to its streaming layer what an export is to a network: the same arithmetic over a fixed number of frames,
in the shapes that TFLite runs fastest. It declares two kinds of memory, and the host keeps both (see
`edge_sdk.contract.Manifest`); before the stream all of it is zero:

    delays    A layer that looks back `kernel - 1` times `dilation` frames: a convolution over time, or a recurrence
              from one chunk to the next (two taps, a chunk apart). It gets the past rows its taps fall on, in the order
              of `DelayLine.past`, and gives one new row per frame. All lines of one width share one group.
    carries   A small memory that goes in and out whole: the state of a recurrence from frame to frame, running means,
              counters. What must start at another value than zero is kept as the difference from it.

The separator's memory is named by its form, so a form made of other forms gives each of their groups a name of its own.
What else a form must keep to, measured with litert-torch 0.10:

- Features are `[T, C]`, T the frames of a step; every matrix is a `Pointwise`, every filter over time a `Depthwise`.
  Those two, and any module that counts as one, have `macs`: multiply-accumulates per frame.
- One XNNPACK partition, which `quantization.delegate` counts. What leaves it: a power, a concatenation of
  more than four tensors (except as the last operation; `parts.join` nests them), `x[i]` of a tensor, cumulative sums,
  matrix products of two variables in other forms than `[1, M, K] @ [1, K, N]`.
- Parameters are contiguous copies: the converter keys constants by address.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_sdk.contract import Carry, DelayLines

Memory = dict[str, Tensor]  # by the names of the manifest


class Remembering(nn.Module):
    """A part of a step that declares what memory it needs and gives."""

    delays: tuple[DelayLines, ...] = ()
    carries: tuple[Carry, ...] = ()


class StepForm(Remembering):
    """The step of a streaming layer, made as `Form(layer, frames)`.

    `forward(x, memory)`, `x` `[T, C]`, gives `y` `[T, C']` and the memory that comes out: for every group of delay
    lines in `delays` it finds its `taps` in `memory`, `[rows needed, width]`, and gives its `rows`, `[lines * T,
    width]`; for every one of `carries` it finds `input` and gives `output`.
    """

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        raise NotImplementedError


def empty_memory(form: Remembering, frames: int) -> Memory:
    """The memory before the stream, for a step over so many frames."""
    zeros = {carry.input: torch.zeros(carry.shape) for carry in form.carries}
    for group in form.delays:
        zeros[group.taps] = torch.zeros(sum(len(line.past(frames)) for line in group.lines), group.width)
    return zeros
