"""The step of masks by a network that all bins share: the arithmetic of `NarrowBand`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.layers.narrow_band import NarrowBand
from quantization.step_graph.form import Memory, Remembering
from quantization.step_graph.parts import Pointwise, Slope, join
from quantization.step_graph.recurrent import LSTMStep, state, states_carry
from quantization.step_graph.tcn import frame_norm

STATES = "states_of_bins"


class NarrowBandStep(Remembering):
    """A context `[T * V, bins * context]` and features `[T * V, features * bins]` to masks, `[T * V, outputs * bins]`.

    The V views of a frame are next to each other. Rows are of the bins of each, and so are the states of a memory.
    """

    def __init__(self, narrow_band: NarrowBand, frames: int) -> None:
        super().__init__()
        streams = narrow_band.bins * narrow_band.views
        self.memory = LSTMStep(narrow_band.memory.lstm) if narrow_band.memory is not None else None
        self.carries = (states_carry(2, streams * self.memory.hidden, STATES),) if self.memory else ()
        self.frames, self.bins = frames, narrow_band.bins
        self.hidden = Pointwise(narrow_band.hidden.weight, narrow_band.hidden.bias)
        self.slope = Slope(narrow_band.prelu)
        self.outputs = nn.ModuleList(Pointwise(layer.weight, layer.bias) for layer in narrow_band.outputs)

    def forward(self, context: Tensor, features: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        seen = len(features)
        rows = seen * self.bins
        own = frame_norm(features).reshape(seen, -1, self.bins).permute(0, 2, 1).reshape(rows, -1)
        inputs, after = torch.cat([context.reshape(rows, -1), own], dim=1), Memory()
        if self.memory is not None:
            known, h, c = self.memory.run(self.memory.gates(inputs), *state(memory[STATES], 0, rows // self.frames))
            inputs = torch.cat([inputs, join(known, 0)], dim=1)
            after = {f"{STATES}_out": torch.cat([h.reshape(1, -1), c.reshape(1, -1)])}
        hidden = self.slope(self.hidden(inputs))
        return self.said(hidden).reshape(seen, self.bins, -1).permute(0, 2, 1).reshape(seen, -1), after

    def said(self, hidden: Tensor) -> Tensor:
        """The last layer of each view on its rows, `[T * V * bins, hidden]` to `[T * V * bins, outputs]`."""
        if len(self.outputs) == 1:
            said: Tensor = self.outputs[0](hidden)
            return said
        by_view = hidden.reshape(self.frames, len(self.outputs), self.bins, -1)
        views = [
            layer(by_view[:, view : view + 1].reshape(self.frames * self.bins, -1)).reshape(
                self.frames, 1, self.bins, -1
            )
            for view, layer in enumerate(self.outputs)
        ]
        return join(views, 1).reshape(len(hidden), -1)
