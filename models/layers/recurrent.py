"""Recurrent parts, and the stacked LSTM of LSTM-TasNet (Luo & Mesgarani, 2018).

Every recurrence is torch's LSTM, over whole sequences in training and from a given state in a stream:

    i, f, g, o = W x + b + U h + v;   c = sigmoid(f) * c + sigmoid(i) * tanh(g);   h = sigmoid(o) * tanh(c)

An exported step is these lines once per frame, with `h` and `c` coming in and going out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from models.layers.fused_lstm import fused_lstm, suits
from models.layers.norms import future_norm, input_norm
from models.layers.widths import check_widths
from models.streaming import State, Streaming, refuse_future


@dataclass(frozen=True)
class StackedLSTMConfig:
    """Sizes of a stacked LSTM; the causal network of Luo & Mesgarani (2018) where nothing is given."""

    hidden: int = 1000  # units of a layer; of each direction where it is not causal
    layers: int = 4
    skip: bool = True  # an identity path over every two layers from the second on
    causal: bool = True  # False: both directions, to train a teacher
    norm: str = "frame"  # of the input; "global" where it is not causal
    horizon: int = 4000  # frames a cumulative norm remembers
    widths: tuple[int, ...] = ()  # units of each layer, where pruning left other than `hidden`
    kind: Literal["lstm"] = "lstm"

    def __post_init__(self) -> None:
        if min(self.hidden, self.layers) < 1:
            raise ValueError(f"{self}: hidden and layers must be positive")
        input_norm(self, 1)  # refuses unknown norms and horizons
        check_widths(self.widths, self.layers)
        if self.widths and (not self.causal or (self.skip and len(set(self.widths[1::2])) > 1)):
            raise ValueError(
                f"widths = {list(self.widths)}: expected a causal network, and as many units in all layers that "
                "identity paths join, every second one"
            )

    @property
    def future(self) -> tuple[str, ...]:
        """The parts that need the future."""
        return () if self.causal else ("LSTMs of both directions", *future_norm(self))


def output_layer(inputs: int, outputs: int, quiet_start: bool, bias: bool = True) -> nn.Linear:
    """A linear layer, zero at first where `quiet_start` is set."""
    layer = nn.Linear(inputs, outputs, bias)
    if quiet_start:
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
    return layer


def lstm_state(lstm: nn.LSTM, batch: int) -> State:
    """The state `(h, c)` before the first frame, `[B, hidden]` each."""
    zeros = lstm.weight_hh_l0.new_zeros(batch, lstm.hidden_size)
    return zeros, zeros


def run_lstm(lstm: nn.LSTM, x: Tensor, state: State) -> tuple[Tensor, State]:
    """What an LSTM gives for `x`, `[B, T, C]`, from a state `(h, c)`, `[B, hidden]` each; and the state after it."""
    if suits(lstm, x):
        y, c = fused_lstm(lstm, x, *state)
        return y, (y[:, -1], c)
    h, c = (part[None].contiguous() for part in state)
    y, (h, c) = lstm(x, (h, c))
    return y, (h[0], c[0])


class LSTM(Streaming):
    """One LSTM layer.

    Shape: `[B, T, inputs]` to `[B, T, hidden]`. State: `(h, c)`, `[B, hidden]` each.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)

    def init_state(self, batch: int = 1) -> State:
        return lstm_state(self.lstm, batch)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        return run_lstm(self.lstm, x, state)


class SegmentLSTM(nn.Module):
    """An LSTM that starts anew every `segment` frames; the whole segments of a block run side by side.

    `step` is told the `position` of the block's first frame in its segment, and the states `given` to the segments that
    begin after it, `[B, n, hidden]` each, `n` being how many segments end in the block; zeros if left out. Besides
    outputs and state it gives the states at those ends.

    An exported step carries the position `p`. `keep = min(segment - 1 - p, 1)` is 0 in the last frame of a segment and
    1 elsewhere; after the frame, `h = keep * h + (1 - keep) * given`, the same for `c`, and `p = keep * (p + 1)`.
    """

    def __init__(self, inputs: int, hidden: int, segment: int) -> None:
        super().__init__()
        self.segment = segment
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)

    def init_state(self, batch: int = 1) -> State:
        return lstm_state(self.lstm, batch)

    def step(self, x: Tensor, state: State, position: int, given: State | None = None) -> tuple[Tensor, State, State]:
        batch, frames, _ = x.shape
        ended = (position + frames) // self.segment
        given = given or [part.new_zeros(batch, ended, part.shape[-1]) for part in state]
        starts = [torch.cat([now[:, None], later], dim=1) for now, later in zip(state, given, strict=True)]
        lead = min(-position % self.segment, frames)  # frames of a segment that began before the block
        whole, rest = divmod(frames - lead, self.segment)
        outputs, ends, frame, piece = [], [], 0, 0
        for length, count in ((lead, 1), (self.segment, whole), (rest, 1)):
            if length * count:
                part = x[:, frame : frame + length * count].reshape(batch * count, length, -1)
                y, after = run_lstm(self.lstm, part, [s[:, piece : piece + count].flatten(0, 1) for s in starts])
                outputs.append(y.reshape(batch, length * count, -1))
                ends.append([s.unflatten(0, (batch, count)) for s in after])
                frame, piece = frame + length * count, piece + count
        # Where a segment ends with the block, the state after it is what the next one starts from.
        h, c = (torch.cat([*end, s[:, piece:]], dim=1) for end, s in zip(zip(*ends, strict=True), starts, strict=True))
        return torch.cat(outputs, dim=1), (h[:, ended], c[:, ended]), (h[:, :ended], c[:, :ended])


class ResidualProjection(nn.Module):
    """What dual-path networks and SkiM do with an RNN's output: linear, norm, gain and bias, added to the RNN's input.

    Shape: `x` `[B, T, channels]` and `y` `[B, T, hidden]` to `[B, T, channels]`. State: the norm's. The plain call is
    for whole sequences, with any axes between the first and the last.
    """

    def __init__(self, hidden: int, channels: int, norm: nn.Module) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden, channels)
        self.norm = norm
        self.gain = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def init_state(self, batch: int = 1) -> State:
        return self.norm.init_state(batch)

    def step(self, x: Tensor, y: Tensor, state: State) -> tuple[Tensor, State]:
        y, state = self.norm.step(self.linear(y), state)
        return x + self.gain * y + self.bias, state

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + self.gain * self.norm(self.linear(y)) + self.bias


def common_position(position: Tensor) -> int:
    """The position in their segments that all streams of a batch share, `[B, 1]`."""
    found = set(position.flatten().tolist())
    if len(found) > 1:
        raise ValueError(f"streams at positions {sorted(found)} of their segments: one batch needs one position")
    return int(found.pop())


class StackedLSTM(Streaming):
    """Norm, LSTM layers, and a linear layer to the outputs.

    Shape: `[B, T, inputs]` to `[B, T, outputs]`. State: the norm's, then `(h, c)` of each layer.
    """

    def __init__(self, config: StackedLSTMConfig, inputs: int, outputs: int, quiet_start: bool = False) -> None:
        super().__init__()
        self.config = config
        self.norm = input_norm(config, inputs)
        width = config.hidden if config.causal else 2 * config.hidden
        widths = config.widths or [width] * config.layers
        self.layers = nn.ModuleList(
            LSTM(size, units) if config.causal else nn.LSTM(size, config.hidden, batch_first=True, bidirectional=True)
            for size, units in zip([inputs, *widths[:-1]], widths, strict=True)
        )
        self.output = output_layer(widths[-1], outputs, quiet_start)

    def init_state(self, batch: int = 1) -> State:
        refuse_future(self, self.config.future)
        return self.norm.init_state(batch), tuple(layer.init_state(batch) for layer in self.layers)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        refuse_future(self, self.config.future)
        norm, memories = state
        x, norm = self.norm.step(x, norm)
        below, after = x.new_zeros(()), []
        for index, (layer, memory) in enumerate(zip(self.layers, memories, strict=True)):
            x, memory = layer.step(x, memory)
            x, below = self.skipped(index, x, below)
            after.append(memory)
        return self.output(x), (norm, tuple(after))

    def forward(self, x: Tensor) -> Tensor:
        if self.config.causal:
            return super().forward(x)
        x, below = self.norm(x), x.new_zeros(())
        for index, layer in enumerate(self.layers):
            x, below = self.skipped(index, layer(x)[0], below)
        return self.output(x)

    def skipped(self, index: int, x: Tensor, below: Tensor) -> tuple[Tensor, Tensor]:
        """A layer's output with that of two layers below added, at every second layer; and what to add next."""
        if self.config.skip and index % 2:
            x = below = x + below
        return x, below
