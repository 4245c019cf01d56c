"""The steps of filter-and-sum networks: from frames and similarities to filter taps, as `models.fasnet` has them.

What is done to samples is the host's, but for the first estimate of a two-stage network: between its stages samples
would have to leave the graph and come back. Here a matrix product filters them, with all windows of a frame, which the
host gives as one more input.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from edge_sdk.contract import FilterAndSum
from models.fasnet import FaSNet, FaSNetTAC
from models.filter_network import FilterAndSumNetwork
from models.layers.filter_and_sum import ENERGY_FLOOR, FilterTaps, FrameEncoder
from models.layers.norms import BatchNorm
from models.layers.tac import ExchangingConfig
from models.layers.tcn import TCN
from models.streaming import refuse_future
from quantization.step_graph.form import Memory, StepForm, empty_memory
from quantization.step_graph.graph import StepGraph
from quantization.step_graph.parts import Pointwise, join
from quantization.step_graph.recurrent import norm_carries, norms_after
from quantization.step_graph.tac import FilterTapsStep, TACSeparatorStep
from quantization.step_graph.tcn import Norms, TCNStep


class FilterAndSumStep(StepGraph):
    """What both networks have. Rows are microphones of frames, `[T * M, C]`, those of a frame next to each other."""

    output = "filters"

    def __init__(self, network: FilterAndSumNetwork, frames_per_step: int, windows: str | None = None) -> None:
        super().__init__(network, frames_per_step)
        refuse_future(network, network.future)
        self.beamformer, self.reference = network.config.beamformer, network.config.reference
        self.filter_and_sum = FilterAndSum(self.beamformer.alignment, self.reference, windows=windows)
        self.passes = 1 + self.sources  # over all windows of a frame: similarity to the reference, filters

    def declare_all(self, forms: Iterable[StepForm]) -> None:
        """Take on what the host computes, and the memory of several forms."""
        lead, taps = (self.frames, self.mics), self.beamformer.taps
        shapes = {"frames": (*lead, self.beamformer.frame), "likeness": (*lead, taps), "shares": lead}
        if self.filter_and_sum is not None and self.filter_and_sum.windows is not None:
            shapes["windows"] = *lead, taps, self.beamformer.window
        self.inputs = {name: torch.zeros(shape) for name, shape in shapes.items()}
        for form in forms:
            self.delays, self.carries = (*self.delays, *form.delays), (*self.carries, *form.carries)
            self.inputs |= empty_memory(form, self.frames)

    @torch.no_grad()
    def macs_per_frame(self) -> int:
        """Of layers, once for every row they are given, and of similarities and filters, on the host or not."""
        found = 0

        def count(module: nn.Module, args: tuple[Tensor, ...], _: Tensor) -> None:
            nonlocal found
            found += int(getattr(module, "macs", 0)) * len(args[0])

        hooks = [module.register_forward_hook(count) for module in self.modules() if hasattr(module, "macs")]
        self(**self.inputs)
        for hook in hooks:
            hook.remove()
        return found // self.frames + self.passes * self.mics * self.beamformer.taps * self.beamformer.window


class FaSNetTACStep(FilterAndSumStep):
    """All filters at once, from every microphone's frame and its similarity to the reference."""

    def __init__(self, network: FaSNetTAC, frames_per_step: int) -> None:
        super().__init__(network, frames_per_step)
        config = network.config.separator
        self.features = Named("frame_", FrameEncoderStep(network.encoder, config, self.frames, self.mics))
        self.separator = TACSeparatorStep(network.separator, network.filters, config, self.frames, self.mics)
        self.declare_all([self.features, self.separator])

    def forward(self, frames: Tensor, **inputs: Tensor) -> Memory:
        x, first = self.features(frames.reshape(self.frames * self.mics, -1), inputs)
        joined = torch.cat([x, inputs["likeness"].reshape(len(x), -1)], dim=1)
        taps, second = self.separator(joined, inputs)
        return {self.output: taps.reshape(self.frames, self.mics, self.sources, -1), **first, **second}


class FaSNetStep(FilterAndSumStep):
    """Both stages in one: filters of the reference, what they give, how similar the others are to it, their filters."""

    def __init__(self, network: FaSNet, frames_per_step: int) -> None:
        super().__init__(network, frames_per_step, windows="windows")
        if self.mics < 2:
            raise ValueError("a two-stage network of one microphone has no exported form; export it for two or more")
        self.passes += self.sources  # similarity to their first estimates, and the filters that give those
        config, frames, others = network.config.separator, self.frames, self.mics - 1
        encoders: Any = network.encoders
        separators: Any = network.separators
        filters: Any = network.filters
        self.first_features = Named("first_frame_", FrameEncoderStep(encoders[0], config, frames, 1))
        self.first_separator = Named("first_", TCNFilters(separators[0], filters[0], frames, 1))
        self.second_features = Named("second_frame_", FrameEncoderStep(encoders[1], config, frames, others))
        self.second_separator = Named("second_", TCNFilters(separators[1], filters[1], frames, others * self.sources))
        self.declare_all([self.first_features, self.first_separator, self.second_features, self.second_separator])

    def forward(self, frames: Tensor, **inputs: Tensor) -> Memory:
        steps, sources, mics = self.frames, self.sources, self.mics - 1
        windows, others = self.wanted(inputs["windows"]), self.others(inputs["windows"])
        x, after = self.first_features(self.wanted(frames), inputs)
        taps, memory = self.first_separator(torch.cat([x, self.pooled(inputs)], dim=1), inputs)
        after |= memory
        estimate = product(taps.reshape(steps, sources, -1), windows)

        x, memory = self.second_features(self.others(frames).reshape(steps * mics, -1), inputs)
        after |= memory
        likeness = similarity(estimate, others.reshape(steps, -1, self.beamformer.window))  # [T, mics * lags, S]
        likeness = likeness.reshape(steps * mics, -1, sources).permute(0, 2, 1)
        features = join([x.reshape(steps * mics, 1, -1)] * sources, 1)
        joined = torch.cat([features, likeness], dim=2).reshape(steps * mics * sources, -1)
        added, memory = self.second_separator(joined, inputs)
        after |= memory
        first, second = taps.reshape(steps, 1, sources, -1), added.reshape(steps, mics, sources, -1)
        at = self.reference
        parts = [second[:, :at], first, second[:, at:]]
        return {self.output: join([part for part in parts if part.shape[1]], 1), **after}

    def pooled(self, inputs: Memory) -> Tensor:
        """The mean similarity of the other microphones that are heard, `[T, lags]`."""
        shares = self.others(inputs["shares"].reshape(self.frames, self.mics, 1))
        total = shares.sum(1).clamp(min=1 / self.mics)  # a microphone's share is no smaller, if it is not zero
        return (shares * self.others(inputs["likeness"])).sum(1) / total

    def wanted(self, x: Tensor) -> Tensor:
        """The rows of the reference microphone, `[T, M, ...]` to `[T, ...]`."""
        return x[:, self.reference : self.reference + 1].reshape(self.frames, *x.shape[2:])

    def others(self, x: Tensor) -> Tensor:
        """The rows of the other microphones, `[T, M, ...]` to `[T, M - 1, ...]`."""
        parts = [x[:, : self.reference], x[:, self.reference + 1 :]]
        return join([part for part in parts if part.shape[1]], 1)


class FrameEncoderStep(StepForm):
    """Features `[T * streams, C]` of frames `[T * streams, frame]`; the statistics of a cumulative norm."""

    def __init__(self, encoder: FrameEncoder, config: ExchangingConfig, frames: int, streams: int) -> None:
        super().__init__()
        weight, bias = encoder.linear.weight.detach(), None
        if isinstance(encoder.norm, BatchNorm):
            scale, bias = encoder.norm.scale_and_shift()
            weight = weight * scale[:, None]
        self.encoder = Pointwise(weight, bias)
        self.norm, self.streams = (config.norm, config.horizon, frames), streams
        self.carries = norm_carries(config.norm, 1, streams)

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        norms = Norms(*self.norm, memory.get("statistics"), memory.get("count"), self.streams)
        y = norms(self.encoder(x))
        return y, norms_after(norms)


class TCNFilters(StepForm):
    """Features `[T * streams, F]` through a TCN to filter taps `[T * streams * sources, taps]`."""

    def __init__(self, tcn: TCN, filters: FilterTaps, frames: int, streams: int) -> None:
        super().__init__()
        self.tcn, self.filters = TCNStep(tcn, frames, streams), FilterTapsStep(filters)
        self.delays, self.carries = self.tcn.delays, self.tcn.carries

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        y, after = self.tcn(x, memory)
        return self.filters(y), after


class Named(StepForm):
    """A form with a name put before those of its memory, so that one graph can hold several."""

    def __init__(self, name: str, form: StepForm) -> None:
        super().__init__()
        self.name, self.form = name, form
        self.delays = tuple(replace(group, taps=name + group.taps, rows=name + group.rows) for group in form.delays)
        self.carries = tuple(replace(c, input=name + c.input, output=name + c.output) for c in form.carries)

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        own = {key.removeprefix(self.name): value for key, value in memory.items() if key.startswith(self.name)}
        y, after = self.form(x, own)
        return y, {self.name + key: value for key, value in after.items()}


def similarity(references: Tensor, windows: Tensor) -> Tensor:
    """Cosine similarity of references `[T, S, window]` with windows `[T, n, window]`: `[T, n, S]`."""
    columns = references.permute(0, 2, 1)  # before they are scaled: right before the product the converter undoes it
    columns = columns * torch.rsqrt((columns * columns).sum(1, keepdim=True) + ENERGY_FLOOR)
    energies = (windows * windows).sum(-1, keepdim=True)
    return product(windows, columns) * torch.rsqrt(energies + ENERGY_FLOOR)


def product(left: Tensor, right: Tensor) -> Tensor:
    """Matrix products `[T, M, K] @ [T, K, N]`, one after the other: of several at once XNNPACK takes none."""
    return join([left[t : t + 1] @ right[t : t + 1] for t in range(len(left))], 0)
