"""Filter-and-sum networks: a filter per microphone, source and frame, predicted, applied and summed; causal.

`FaSNet` (Luo, Ceolini et al., 2019) works in two stages: filters of the reference microphone first, then those of the
others from how similar they are to what came out. `FaSNetTAC` (Luo et al., 2020) predicts all filters at once while the
microphones exchange features. Both take any number of microphones, up to the one they declare, in any order but for the
reference. `layers/filter_and_sum.py` says how far filters reach, into the past and, which costs latency, the future.

Steps named `frame_step`, `reference_step` and `others_step` are what is exported, both stages of a `FaSNet` as one
step, which filters the reference itself in between.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from models.filter_network import FilterAndSumNetwork, FilterAndSumNetworkConfig, expect_causal_tcn
from models.layers.filter_and_sum import FilterTaps, filter_and_sum, shares, similarity
from models.layers.tac import ExchangingConfig, OfflineTACSeparator, TACSeparator
from models.layers.tcn import TCN, TCNConfig
from models.streaming import State


@dataclass(frozen=True)
class FaSNetConfig(FilterAndSumNetworkConfig):
    """Everything that rebuilds a two-stage network; each stage has a separator of the sizes given."""

    separator: TCNConfig = field(
        default_factory=lambda: TCNConfig(bottleneck=64, hidden=128, skip=64, blocks=5, repeats=2)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_causal_tcn(self.separator)


@dataclass(frozen=True)
class FaSNetTACConfig(FilterAndSumNetworkConfig):
    """Everything that rebuilds a single-stage network with exchange between microphones.

    As published, a teacher: context 512, alignment 256, tac 384, dual-path blocks with `causal = false`, norm "global".
    average: over the microphones, while overlapping windows add up, as in the published code; without it microphones
    add up and windows are averaged. For checkpoints of others.
    """

    tac: int = 128  # features that a microphone offers to the others
    average: bool = False
    separator: ExchangingConfig = field(
        default_factory=lambda: TCNConfig(bottleneck=64, hidden=128, skip=0, blocks=5, repeats=3)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tac < 1:
            raise ValueError(f"tac = {self.tac}: expected a positive number")
        expect_causal_tcn(self.separator)
        if self.average and not getattr(self.separator, "future", ()):
            raise ValueError("average = true: only teachers have it, whose separator has causal = false")


class FaSNetTAC(FilterAndSumNetwork):
    """One stage: all filters at once, from every microphone's frame and its similarity to the reference."""

    config: FaSNetTACConfig

    def __init__(self, config: FaSNetTACConfig) -> None:
        super().__init__(config)
        width, taps = config.separator.bottleneck, config.beamformer.taps
        self.encoder = self.make_encoder()
        made = OfflineTACSeparator if self.future else TACSeparator
        self.separator = made(config.separator, config.tac, config.encoder + taps, config.sources * width, config.mics)
        self.filters = FilterTaps(width, config.sources, config.beamformer)

    def init_memory(self, batch: int, mics: int) -> State:
        return self.encoder.init_state(batch * mics), self.separator.init_state(batch, mics)

    def separate(self, frames: Tensor, memory: State) -> tuple[Tensor, State]:
        reference = frames[:, self.config.reference, :, self.config.beamformer.wanted]
        likeness = similarity(frames, reference[:, None])[:, 0]
        share = shares(frames)
        taps, memory = self.frame_step(frames, likeness, share, memory)
        if self.config.average:
            taps = share[..., None, None] * taps / self.filters.scale
        return filter_and_sum(frames, taps), memory

    def frame_step(self, frames: Tensor, likeness: Tensor, share: Tensor, state: State) -> tuple[Tensor, State]:
        """Frames `[B, M, T, frame]`, similarities `[B, M, T, taps]` and shares `[B, M, T]` of the microphones to filter
        taps `[B, M, T, S, taps]`: what is exported."""
        encoder, separator = state
        batch, mics, *_ = frames.shape
        features, encoder = self.encoder.step(frames.flatten(0, 1), encoder)
        joined = torch.cat([features.unflatten(0, (batch, mics)), likeness], dim=-1)
        y, separator = self.separator.step(joined, separator, share)
        return self.filters(y), (encoder, separator)


class FaSNet(FilterAndSumNetwork):
    """Two stages: the reference microphone gives a first estimate of every source, the others add what is similar."""

    config: FaSNetConfig

    def __init__(self, config: FaSNetConfig) -> None:
        super().__init__(config)
        width, taps, sources = config.separator.bottleneck, config.beamformer.taps, config.sources
        self.encoders = nn.ModuleList(self.make_encoder() for _ in range(2))
        self.separators = nn.ModuleList(
            TCN(config.separator, config.encoder + taps, outputs * width) for outputs in (sources, 1)
        )
        self.filters = nn.ModuleList(FilterTaps(width, outputs, config.beamformer) for outputs in (sources, 1))

    def init_memory(self, batch: int, mics: int) -> State:
        others = batch * (mics - 1)
        first = self.encoders[0].init_state(batch), self.separators[0].init_state(batch)
        return first, (self.encoders[1].init_state(others), self.separators[1].init_state(self.config.sources * others))

    def separate(self, frames: Tensor, memory: State) -> tuple[Tensor, State]:
        first, second = memory
        reference, others = self.split(frames)
        wanted = reference[..., self.config.beamformer.wanted]
        likeness = similarity(others, wanted[:, None])[:, 0]  # [B, M - 1, T, taps]
        pooled = (shares(others)[..., None] * likeness).sum(1)
        taps, first = self.reference_step(reference, pooled, first)
        windows = filter_and_sum(reference[:, None], taps[:, None])  # [B, S, T, window]
        if others.shape[1]:
            taps, second = self.others_step(others, similarity(others, windows), second)
            windows = windows + filter_and_sum(others, taps)
        return windows, (first, second)

    def reference_step(self, frames: Tensor, likeness: Tensor, state: State) -> tuple[Tensor, State]:
        """Frames of the reference `[B, T, frame]` and the others' mean similarity to it `[B, T, taps]` to its filter
        taps `[B, T, S, taps]`."""
        encoder, separator = state
        features, encoder = self.encoders[0].step(frames, encoder)
        y, separator = self.separators[0].step(torch.cat([features, likeness], dim=-1), separator)
        return self.filters[0](y), (encoder, separator)

    def others_step(self, frames: Tensor, likeness: Tensor, state: State) -> tuple[Tensor, State]:
        """Frames of the others `[B, M - 1, T, frame]` and their similarity to the first estimate of every source
        `[B, S, M - 1, T, taps]` to their filter taps `[B, M - 1, T, S, taps]`."""
        encoder, separator = state
        batch, sources, mics, *_ = likeness.shape
        features, encoder = self.encoders[1].step(frames.flatten(0, 1), encoder)
        features = features.unflatten(0, (batch, mics))[:, None].expand(-1, sources, -1, -1, -1)
        joined = torch.cat([features, likeness], dim=-1)
        y, separator = self.separators[1].step(joined.flatten(0, 2), separator)
        taps = self.filters[1](y).squeeze(-2).unflatten(0, (batch, sources, mics))
        return taps.permute(0, 2, 3, 1, 4), (encoder, separator)

    def split(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The frames of the reference `[B, T, frame]` and of the others `[B, M - 1, T, frame]`."""
        at = self.config.reference
        return frames[:, at], torch.cat([frames[:, :at], frames[:, at + 1 :]], dim=1)
