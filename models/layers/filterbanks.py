"""Learned encoders and decoders: linear maps from frames of samples to coefficients and back.

`start="random"` is the filterbank of Conv-TasNet. `start="stft"` begins with the rows of a short-time Fourier
transform whose analysis window is longer than its synthesis window and lies mostly in the past (Mauler & Martin, 2007):
a fine frequency resolution at the delay of the short window. With a few hours of speech such a start learns several
times faster than a random one. `start="gammatone"` has a gammatone filterbank as its encoder for good and learns the
decoder alone, see `layers/gammatone.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.layers.gammatone import gammatone_inverse, gammatone_rows

STARTS = ("random", "stft", "gammatone")
ACTIVATIONS = ("relu", "linear", "gated")
COMPRESSION = 0.3  # exponent of the magnitudes a separator sees; loudness as the ear grades it, roughly
# Added to squared magnitudes, -120 dB of full scale: a recording at -60 dBFS looks as a loud one does, while what
# rounding leaves of silence stays next to nothing when it is compressed, and without a phase.
MAGNITUDE_FLOOR = 1e-12


@dataclass(frozen=True)
class FilterbankConfig:
    """Frames and coefficients, lengths in samples."""

    window: int = 16  # of the decoder (L in Luo & Mesgarani, 2019); sets the latency
    hop: int = 8
    context: int = 0  # how far the encoder's frame reaches into the past beyond the window
    filters: int = 512  # coefficients of a frame (N); for an STFT start context + window + 2
    start: str = "random"
    activation: str = "relu"  # of coefficients that real masks multiply, see `Filterbank.activate`

    def __post_init__(self) -> None:
        if min(self.window, self.hop, self.filters) < 1 or self.context < 0 or self.window % self.hop:
            raise ValueError(f"{self}: lengths must be positive and the window a multiple of the hop")
        if self.start not in STARTS:
            raise ValueError(f"filterbank start {self.start!r}: expected one of {', '.join(STARTS)}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"filterbank activation {self.activation!r}: expected one of {', '.join(ACTIVATIONS)}")
        if self.start == "stft" and (self.window != 2 * self.hop or self.context % 2):
            raise ValueError(f"{self}: an STFT start needs a window of two hops and an even context")
        if self.start == "stft" and self.filters != self.frame + 2:
            raise ValueError(f"{self}: an STFT start has context + window + 2 = {self.frame + 2} filters")
        if self.start == "gammatone" and self.context:
            raise ValueError(f"{self}: gammatone filters begin with the frame, so a gammatone start has no context")

    @property
    def frame(self) -> int:
        """Samples the encoder sees."""
        return self.context + self.window

    @property
    def delay(self) -> int:
        """Samples by which the decoded stream runs behind the input."""
        return self.window - self.hop


class Filterbank(nn.Module):
    """Encoder `[B, T, frame] -> [B, T, filters]` and decoder `[B, T, filters] -> [B, T, window]`, both linear."""

    def __init__(self, config: FilterbankConfig, sample_rate: int) -> None:
        super().__init__()
        self.config = config
        self.encoder = nn.Linear(config.frame, config.filters, bias=False)
        self.decoder = nn.Linear(config.filters, config.window, bias=False)
        self.gate = nn.Linear(config.frame, config.filters, bias=False) if config.activation == "gated" else None
        if config.start == "stft":
            analysis, synthesis = stft_rows(config)
            with torch.no_grad():
                self.encoder.weight.copy_(analysis)
                self.decoder.weight.copy_(synthesis.T)
        if config.start == "gammatone":
            rows = gammatone_rows(config.filters, config.frame, sample_rate)
            del self.encoder.weight
            self.encoder.register_buffer("weight", rows)  # no parameter: nothing trains it
            with torch.no_grad():
                self.decoder.weight.copy_(gammatone_inverse(rows, config.window, config.hop).T)

    def encode(self, frames: Tensor) -> Tensor:
        """Coefficients of frames, in full precision whatever the rest is trained in: these are samples."""
        with torch.autocast(frames.device.type, enabled=False):
            return self.encoder(frames.to(self.encoder.weight.dtype))

    def activate(self, coefficients: Tensor, frames: Tensor) -> Tensor:
        """What real masks multiply: coefficients as they are (`linear`), the positive ones (`relu`), or those times
        another, learned share of the frame between 0 and 1 (`gated`, Luo & Mesgarani, 2018)."""
        if self.config.activation == "linear":
            return coefficients
        if self.gate is None:
            return coefficients.relu()
        with torch.autocast(frames.device.type, enabled=False):
            return coefficients.relu() * self.gate(frames.to(self.gate.weight.dtype)).sigmoid()

    def decode(self, coefficients: Tensor) -> Tensor:
        """Frames of coefficients, in full precision too."""
        with torch.autocast(coefficients.device.type, enabled=False):
            return self.decoder(coefficients.to(self.decoder.weight.dtype))


def squared_magnitudes(coefficients: Tensor) -> Tensor:
    """Of complex coefficients, real parts first and imaginary ones after, above the floor: `[..., bins]`."""
    real, imaginary = coefficients.chunk(2, dim=-1)
    return real.square() + imaginary.square() + MAGNITUDE_FLOOR


def compressed_magnitudes(coefficients: Tensor) -> Tensor:
    """Magnitudes of complex coefficients, compressed as hearing does, `[..., 2 * bins]` to `[..., bins]`."""
    return squared_magnitudes(coefficients).pow(COMPRESSION / 2)


def asymmetric_windows(config: FilterbankConfig) -> tuple[Tensor, Tensor]:
    """Analysis window `[frame]` and synthesis window `[window]` whose product, overlapped, sums to one.

    The analysis window rises as half a sine over everything but the last hop and falls as the root of half a Hann
    window over that hop; the synthesis window is a Hann window divided by the analysis window's end.
    """
    rise, hop = config.frame - config.hop, config.hop
    up = torch.sin(math.pi / 2 * (torch.arange(rise, dtype=torch.float64) + 0.5) / rise)
    down = torch.cos(math.pi / 2 * (torch.arange(hop, dtype=torch.float64) + 0.5) / hop)
    analysis = torch.cat([up, down])
    hann = torch.sin(math.pi * (torch.arange(config.window, dtype=torch.float64) + 0.5) / config.window).square()
    return analysis, hann / analysis[-config.window :]


def stft_rows(config: FilterbankConfig) -> tuple[Tensor, Tensor]:
    """Rows of the analysis, `[filters, frame]`, and of the synthesis, `[filters, window]`.

    Real parts of all bins first, imaginary parts after. The analysis rows have about unit norm.
    """
    analysis, synthesis = asymmetric_windows(config)
    size = config.frame
    bins, samples = torch.arange(size // 2 + 1), torch.arange(size)
    phase = 2 * math.pi * (bins[:, None] * samples[None, :] % size).double() / size
    waves = torch.cat([phase.cos(), -phase.sin()])  # [2 * bins, frame]
    scale = analysis.square().sum().sqrt() / math.sqrt(2)
    folded = torch.full((len(bins),), 2.0, dtype=torch.float64)  # every bin but the first and last stands for two
    folded[0] = folded[-1] = 1.0
    inverse = waves[:, -config.window :] * folded.repeat(2)[:, None] / size
    return (waves * analysis / scale).float(), (inverse * synthesis * scale).float()
