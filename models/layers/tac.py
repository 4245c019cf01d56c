"""Transform-average-concatenate (Luo et al., 2020): microphones exchange features, whatever their number and order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import torch
from torch import Tensor, nn

from models.layers.dual_path import CausalBlock, DualPathConfig, OfflineBlock, chunks, joined
from models.layers.norms import EPS, FrameNorm, input_norm
from models.layers.recurrent import common_position
from models.layers.tcn import TCNBlock, TCNConfig
from models.streaming import Chain, State, Streaming

# What may stand between two exchanges.
ExchangingConfig: TypeAlias = TCNConfig | DualPathConfig


class TAC(Streaming):
    """Each microphone's features, changed by what all microphones have in common.

    Shape: `[B, M, T, C]` to the same; no state. Every microphone is transformed, the mean over microphones is
    transformed again, both are joined, and what comes of it is normalized and added to the features.
    `shares`, `[B, M, T]`, weigh the mean, zero for microphones that are not there; without them it is plain.
    `norm` is per frame, or one of those that take the whole signal of a microphone.
    """

    def __init__(self, channels: int, hidden: int, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.transform = nn.Sequential(nn.Linear(channels, hidden), nn.PReLU())
        self.average = nn.Sequential(nn.Linear(hidden, hidden), nn.PReLU())
        self.concatenate = nn.Sequential(nn.Linear(2 * hidden, channels), nn.PReLU())
        self.norm = norm or FrameNorm()
        self.gain = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def step(self, x: Tensor, state: State, shares: Tensor | None = None) -> tuple[Tensor, State]:
        each = self.transform(x)
        mean = each.mean(1, keepdim=True) if shares is None else (shares[..., None] * each).sum(1, keepdim=True)
        y = self.concatenate(torch.cat([each, self.average(mean).expand_as(each)], dim=-1))
        y = self.norm(y.flatten(0, 1)).reshape(y.shape)
        return x + self.gain * y + self.bias, state


class TACSeparator(Streaming):
    """Every microphone through the same blocks, with an exchange after each of them.

    Shape: `[B, M, T, inputs]` to `[B, M, T, outputs]`, M as many microphones as the state is for. A block of a TCN is
    one repeat of it, all dilations once. One set of weights serves any number of microphones.
    """

    def __init__(self, config: ExchangingConfig, hidden: int, inputs: int, outputs: int, mics: int) -> None:
        super().__init__()
        self.mics = mics
        self.bottleneck = nn.Linear(inputs, config.bottleneck)
        self.blocks = nn.ModuleList(self.make_blocks(config))
        self.exchanges = nn.ModuleList(
            TAC(config.bottleneck, hidden, self.exchange_norm(config)) for _ in range(len(self.blocks))
        )
        self.prelu = nn.PReLU()
        self.output = nn.Linear(config.bottleneck, outputs)

    def make_blocks(self, config: ExchangingConfig) -> Iterator[nn.Module]:
        """What lies between the exchanges, each `[B * M, T, C]` to the same."""
        if isinstance(config, DualPathConfig):
            yield from (Chunked(config) for _ in range(config.blocks))
            return
        if config.skip:
            raise ValueError(f"skip = {config.skip}: a TCN with exchanges of microphones has no skip path, expected 0")
        dilations = config.dilations[: config.blocks]
        for _ in range(config.repeats):
            yield Chain(*(Residual(TCNBlock(config, dilation)) for dilation in dilations))

    def exchange_norm(self, config: ExchangingConfig) -> nn.Module:
        """Per frame, so that an exchange has no state."""
        return FrameNorm()

    def init_state(self, batch: int = 1, mics: int | None = None) -> State:
        return tuple(block.init_state(batch * (self.mics if mics is None else mics)) for block in self.blocks)

    def step(self, x: Tensor, state: State, shares: Tensor | None = None) -> tuple[Tensor, State]:
        mics, after = x.shape[1], []
        x = self.bottleneck(x)
        for block, exchange, memory in zip(self.blocks, self.exchanges, state, strict=True):
            y, memory = block.step(x.flatten(0, 1), memory)
            x, _ = exchange.step(y.unflatten(0, (-1, mics)), (), shares)
            after.append(memory)
        return self.output(self.prelu(x)), tuple(after)


class OfflineTACSeparator(TACSeparator):
    """The separator as published, to train a teacher: dual-path blocks of both directions, over whole signals only."""

    def __init__(self, config: DualPathConfig, hidden: int, inputs: int, outputs: int, mics: int) -> None:
        super().__init__(config, hidden, inputs, outputs, mics)
        self.chunk = config.chunk

    def make_blocks(self, config: ExchangingConfig) -> Iterator[nn.Module]:
        yield from (OfflineBlock(config) for _ in range(config.blocks))

    def exchange_norm(self, config: ExchangingConfig) -> nn.Module:
        return input_norm(config, config.bottleneck)

    def init_state(self, batch: int = 1, mics: int | None = None) -> State:
        return ()

    def step(self, x: Tensor, state: State, shares: Tensor | None = None) -> tuple[Tensor, State]:
        """All frames at once, in chunks."""
        batch, mics, frames, _ = x.shape
        if shares is not None:
            rest = shares.mean(2, keepdim=True)  # before and after the signal: as they are on the whole
            rest = rest / rest.sum(1, keepdim=True).clamp(min=EPS)
            within = chunks((shares - rest).flatten(0, 1)[..., None], self.chunk)
            shares = within.flatten(1).unflatten(0, (batch, mics)) + rest
        y = chunks(self.bottleneck(x).flatten(0, 1), self.chunk)  # [B * M, S, chunk, C]
        for block, exchange in zip(self.blocks, self.exchanges, strict=True):
            z, _ = exchange.step(block(y).flatten(1, 2).unflatten(0, (batch, mics)), (), shares)
            y = z.reshape(y.shape)
        return joined(self.output(self.prelu(y)), frames).unflatten(0, (batch, mics)), state


class Residual(Streaming):
    """The sum of a TCN block and what went into it, `[B, T, C]` to the same."""

    def __init__(self, block: TCNBlock) -> None:
        super().__init__()
        self.block = block

    def init_state(self, batch: int = 1) -> State:
        return self.block.init_state(batch)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        y, state = self.block.step(x, state)
        return x + y, state


class Chunked(Streaming):
    """A causal dual-path block that knows its place: the position in the chunk, `[B, 1]`, is part of its state."""

    def __init__(self, config: DualPathConfig) -> None:
        super().__init__()
        self.chunk = config.chunk
        self.block = CausalBlock(config)
        self.register_buffer("begin", torch.zeros(1, 1), persistent=False)

    def init_state(self, batch: int = 1) -> State:
        return self.begin.expand(batch, -1), self.block.init_state(batch)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        position, memory = state
        y, memory = self.block.step(x, memory, common_position(position))
        return y, ((position + x.shape[1]) % self.chunk, memory)
