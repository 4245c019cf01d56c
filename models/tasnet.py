"""TasNet: encoder, separator, decoder (Luo & Mesgarani, 2018 and 2019), causal and streaming.

The encoder turns frames of samples into coefficients, the separator computes one mask per source from them, and the
decoder turns masked coefficients back into frames, which are overlapped and added.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.framing import Frames, OverlapAdd
from models.layers.filterbanks import Filterbank, FilterbankConfig
from models.layers.tcn import TCN, TCNConfig
from models.streaming import State, Streaming

MASKS = ("sigmoid", "relu", "complex")
COMPRESSION = 0.3  # exponent of the magnitudes a complex-mask separator sees; loudness as the ear grades it, roughly
MAGNITUDE_FLOOR = 1e-8  # added to squared magnitudes: -80 dB of full scale, below it compression would amplify rounding


@dataclass(frozen=True)
class TasNetConfig:
    """Everything that rebuilds the network.

    mask: `sigmoid` and `relu` multiply non-negative coefficients (the encoder ends in a ReLU), as in the papers;
    `complex` takes coefficients as real and imaginary parts, shows the separator compressed magnitudes, and rotates.
    """

    sources: int = 2
    sample_rate: int = 16_000
    mask: str = "relu"
    filterbank: FilterbankConfig = field(default_factory=FilterbankConfig)
    separator: TCNConfig = field(default_factory=TCNConfig)

    def __post_init__(self) -> None:
        if self.mask not in MASKS:
            raise ValueError(f"mask {self.mask!r}: expected one of {', '.join(MASKS)}")
        if self.mask == "complex" and self.filterbank.filters % 2:
            raise ValueError(f"{self.filterbank.filters} filters: complex masks need an even number")
        if self.sources < 1 or self.sample_rate < 1:
            raise ValueError(f"{self.sources} sources at {self.sample_rate} Hz: expected positive numbers")


class TasNet(Streaming):
    """Sources of a one-microphone mixture.

    Shape: `[B, 1, n]` to `[B, sources, n]`, `delay` samples behind the input. A block of `step` is a multiple of the
    hop; the whole-signal call takes any length.
    """

    mics = 1

    def __init__(self, config: TasNetConfig) -> None:
        super().__init__()
        self.config = config
        bank = config.filterbank
        features = bank.filters // 2 if config.mask == "complex" else bank.filters
        self.frames = Frames(bank.frame, bank.hop)
        self.filterbank = Filterbank(bank)
        self.separator = TCN(
            config.separator, features, config.sources * bank.filters, quiet_start=config.mask == "complex"
        )
        self.overlap_add = OverlapAdd(bank.window, bank.hop)

    @property
    def delay(self) -> int:
        """Samples by which the output stream runs behind the input stream."""
        return self.config.filterbank.delay

    @property
    def latency(self) -> int:
        """Algorithmic latency in samples: from a sample's arrival to the moment its output is complete."""
        return self.config.filterbank.window

    def init_state(self, batch: int = 1) -> State:
        overlap = self.overlap_add.init_state(batch * self.config.sources)
        return self.frames.init_state(batch), self.separator.init_state(batch), overlap

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        batch, mics, _ = x.shape
        if mics != self.mics:
            raise ValueError(f"a mixture of {mics} microphones: this network takes {self.mics}")
        past, memory, overlap = state
        frames, past = self.frames.step(x[:, 0], past)
        y, memory = self.frame_step(frames, memory)  # [B, T, S, window]
        samples, overlap = self.overlap_add.step(y.transpose(1, 2).flatten(0, 1), overlap)
        return samples.unflatten(0, (batch, self.config.sources)), (past, memory, overlap)

    def forward(self, x: Tensor) -> Tensor:
        samples = x.shape[-1]
        padded = torch.nn.functional.pad(x, (0, -samples % self.config.filterbank.hop))
        return super().forward(padded)[..., :samples]

    def frame_step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Frames of the mixture `[B, T, frame]` to frames of the sources `[B, T, S, window]`: what is exported."""
        coefficients = self.filterbank.encode(frames)
        if self.config.mask != "complex":
            coefficients = coefficients.relu()
        mask, state = self.separator.step(self.features(coefficients), state)
        masked = self.apply_mask(coefficients[:, :, None], mask.unflatten(-1, (self.config.sources, -1)))
        return self.filterbank.decode(masked), state

    def features(self, coefficients: Tensor) -> Tensor:
        """What the separator sees of the coefficients."""
        if self.config.mask != "complex":
            return coefficients
        real, imaginary = coefficients.chunk(2, dim=-1)
        return (real.square() + imaginary.square() + MAGNITUDE_FLOOR).pow(COMPRESSION / 2)

    def apply_mask(self, coefficients: Tensor, mask: Tensor) -> Tensor:
        """Masked coefficients of every source."""
        if self.config.mask == "sigmoid":
            return coefficients * mask.sigmoid()
        if self.config.mask == "relu":
            return coefficients * mask.relu()
        real, imaginary = coefficients.chunk(2, dim=-1)
        mask_real, mask_imaginary = mask.chunk(2, dim=-1)
        mask_real = mask_real + 1
        return torch.cat(
            [real * mask_real - imaginary * mask_imaginary, real * mask_imaginary + imaginary * mask_real], dim=-1
        )
