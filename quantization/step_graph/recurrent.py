"""The step of recurrent layers: every LSTM as matrix products, products, sigmoids and hyperbolic tangents.

What an LSTM makes of its input is one matrix product for all frames of a step; what it makes of its own state, one per
frame, because each needs the one before. So a step over more frames has a longer graph. The model holds the weights
once, but XNNPACK packs them anew for every product: memory grows with the frames, and time by more than that once the
copies fill the cache. One frame per step suits these networks best. All of it stays in XNNPACK, as a loop or TFLite's
own LSTM operator would not.

Rows are `[T * streams, C]`: several streams, microphones for one, may go through a layer at once, those of a frame next
to each other.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_sdk.contract import Carry
from models.layers.norms import EPS, BatchNorm, FrameNorm
from models.layers.recurrent import ResidualProjection, StackedLSTM
from quantization.step_graph.form import Memory, StepForm
from quantization.step_graph.parts import Pointwise, join
from quantization.step_graph.tcn import Norms


class LSTMStep(nn.Module):
    """An LSTM in parts, so that its caller decides which state a frame goes on from.

    `gates` gives the input's share of the gates for any number of frames at once, `[R, 4 * hidden]`, in the order
    input, forget, output, cell: one sigmoid serves the first three. States `h` and `c` are `[R, hidden]`.
    """

    def __init__(self, lstm: nn.LSTM, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.hidden = lstm.hidden_size
        weight = {name.removesuffix("_l0"): sorted_gates(p.detach()) for name, p in lstm.named_parameters()}
        self.gates = Pointwise(*before(norm, weight["weight_ih"], weight["bias_ih"] + weight["bias_hh"]))
        self.recurrent = Pointwise(weight["weight_hh"], None)

    def advance(self, gates: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """The states a frame later; `h` is the output too."""
        gates, width = gates + self.recurrent(h), self.hidden
        opened = torch.sigmoid(gates[:, : 3 * width])
        kept, let_in, let_out = (opened[:, n * width : (n + 1) * width] for n in (1, 0, 2))
        c = kept * c + let_in * torch.tanh(gates[:, 3 * width :])
        return let_out * torch.tanh(c), c

    def run(self, gates: Tensor, h: Tensor, c: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """Frame after frame: the outputs of each, and the states after the last. As many rows a frame as states."""
        outputs = []
        for start in range(0, len(gates), len(h)):
            # A slice of everything would be an operator that does nothing.
            now = gates if len(gates) == len(h) else gates[start : start + len(h)]
            h, c = self.advance(now, h, c)
            outputs.append(h)
        return outputs, h, c


class ResidualProjectionStep(nn.Module):
    """Linear layer, norm, gain and bias of an RNN's output, added to the RNN's input.

    A batch norm folds into the layer; of a frame norm, the mean does, as the mean of what a layer gives is linear too.
    """

    def __init__(self, project: ResidualProjection) -> None:
        super().__init__()
        weight, bias = project.linear.weight.detach(), project.linear.bias.detach()
        gain, shift = project.gain.detach(), project.bias.detach()
        self.folded, self.centred = isinstance(project.norm, BatchNorm), isinstance(project.norm, FrameNorm)
        if isinstance(project.norm, BatchNorm):
            scale, offset = project.norm.scale_and_shift()
            weight, bias = weight * (scale * gain)[:, None], (bias * scale + offset) * gain + shift
        if self.centred:
            weight, bias = weight - weight.mean(0), bias - bias.mean()
        self.linear = Pointwise(weight, bias)
        self.gain, self.shift = (nn.Parameter(p.clone(), requires_grad=False) for p in (gain, shift))

    def forward(self, x: Tensor, y: Tensor, norms: Norms) -> Tensor:
        y = self.linear(y)
        if self.folded:
            return x + y
        y = y * torch.rsqrt((y * y).mean(-1, keepdim=True) + EPS) if self.centred else norms(y)
        return x + (self.gain * y + self.shift)


class StackedLSTMStep(StepForm):
    """Features `[T, F]` to masks `[T, outputs]`; h and c of each layer, and the statistics of a cumulative norm."""

    def __init__(self, stack: StackedLSTM, frames: int) -> None:
        super().__init__()
        config = stack.config
        self.norm, self.skip = (config.norm, config.horizon, frames), config.skip
        norms = [stack.norm, *[None] * (config.layers - 1)]
        self.layers = nn.ModuleList(
            LSTMStep(layer.lstm, norm)  # type: ignore[arg-type]
            for layer, norm in zip(stack.layers, norms, strict=True)
        )
        self.output = Pointwise(stack.output.weight, stack.output.bias)
        widths = config.widths or (config.hidden,) * config.layers
        several = len(set(widths)) > 1
        self.states = [f"states_{width}" if several else "states" for width in widths]  # of each layer: where they are
        kinds = dict(zip(self.states, widths, strict=True))
        self.carries = (
            *(states_carry(2 * widths.count(width), width, name) for name, width in kinds.items()),
            *norm_carries(config.norm, 1),
        )

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        norms = Norms(*self.norm, memory.get("statistics"), memory.get("count"))
        x, below, states = norms(x), None, {name: list[Tensor]() for name in self.states}
        for index, (layer, name) in enumerate(zip(self.layers, self.states, strict=True)):
            before = state(memory[name], len(states[name]) // 2)
            outputs, h, c = layer.run(layer.gates(x), *before)  # type: ignore[operator]
            x = join(outputs, 0)
            if self.skip and index % 2:
                x = below = x if below is None else x + below
            states[name] += [h, c]
        after = {f"{name}_out": torch.cat(rows) for name, rows in states.items()}
        return self.output(x), {**after, **norms_after(norms)}


def before(norm: nn.Module | None, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of a layer that takes a batch norm before it over; others are not its own."""
    weight, bias = weight.detach(), bias.detach()
    if isinstance(norm, BatchNorm):
        scale, shift = norm.scale_and_shift()
        return weight * scale, bias + weight @ shift
    return weight, bias


def sorted_gates(weight: Tensor) -> Tensor:
    """Rows for the gates in torch's order, input, forget, cell, output, with the cell last."""
    i, f, g, o = weight.chunk(4)
    return torch.cat([i, f, o, g])


def states_carry(count: int, width: int, name: str = "states") -> Carry:
    """States of LSTMs, one a row: h, then c."""
    return Carry(name, f"{name}_out", (count, width))


def state(states: Tensor, index: int, streams: int = 1) -> tuple[Tensor, Tensor]:
    """h and c of one LSTM among states, `[streams, hidden]` each."""
    h, c = (states[row : row + 1].reshape(streams, -1) for row in (2 * index, 2 * index + 1))
    return h, c


def norm_carries(norm: str, count: int, streams: int = 1) -> tuple[Carry, ...]:
    """What so many norms of that kind remember."""
    if norm != "cumulative":
        return ()
    return Carry("statistics", "statistics_out", (count, 2 * streams)), Carry("count", "count_out", (1, 1))


def norms_after(norms: Norms) -> Memory:
    """What comes out of them."""
    return {"statistics_out": torch.cat(norms.after), "count_out": norms.count} if norms.after else {}
