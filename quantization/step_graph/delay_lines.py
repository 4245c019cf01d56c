"""Delay lines of blocks that need not be equally wide: one group for each width, as the host keeps a ring for each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from edge_sdk.contract import DelayLine, DelayLines
from quantization.step_graph.form import Memory


class LinesByWidth:
    """Where each block finds its past rows, and where its new ones go.

    A single group is called `taps` and `rows`; of several, each has its width in its names.
    """

    def __init__(self, widths: Sequence[int], lines: Sequence[DelayLine], frames: int) -> None:
        self.widths, self.needed = tuple(widths), [len(line.past(frames)) for line in lines]
        several = len(set(widths)) > 1
        self.names = {width: f"_{width}" if several else "" for width in dict.fromkeys(widths)}
        self.groups = tuple(
            DelayLines(
                f"taps{name}",
                f"rows{name}",
                width,
                tuple(line for line, of in zip(lines, widths, strict=True) if of == width),
            )
            for width, name in self.names.items()
        )

    def past(self, memory: Memory) -> list[Tensor]:
        """The past rows of each block."""
        taken, found = dict.fromkeys(self.names, 0), list[Tensor]()
        for width, needed in zip(self.widths, self.needed, strict=True):
            first = taken[width]
            found.append(memory[f"taps{self.names[width]}"][first : first + needed])
            taken[width] += needed
        return found

    def after(self, rows: Sequence[Tensor]) -> Memory:
        """The memory that comes out, given the new rows of each block."""
        return {
            f"rows{name}": torch.cat([row for row, of in zip(rows, self.widths, strict=True) if of == width])
            for width, name in self.names.items()
        }
