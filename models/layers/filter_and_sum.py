"""Parts of filter-and-sum networks: similarity per lag, filters applied and summed, and layers before and after a
separator (Luo et al., 2019).

A frame of a microphone reaches `context` samples further back than a window, and the window of the wanted signal ends
`alignment` samples before the frame does:

    frame   |-------------- context --------------|------ window ------|   ends at sample (t + 1) * hop
    wanted                                |------ window ------|<------>|
                                                               alignment

The `context + 1` taps of a microphone's filter slide over its frame: tap k multiplies the sample that comes
`context - alignment - k` before the wanted one. So a filter reaches `context - alignment` samples into the past and
`alignment` into the future. Likewise similarity k is that of the wanted window with samples k to k + window of a frame.

`alignment = context / 2` is the form of the papers, with context on both sides. A causal network has to wait for the
future side and keeps it as short as its array allows: sound reaches another microphone after the reference by at most
the time it takes from one to the other, 5 samples for 10 cm at 16 kHz, and a few taps more make delays by parts of a
sample. `alignment = 0` waits for nothing; then only sound that reaches the others first lines up with the reference.

Everything is a matrix product over strips, rows of a frame that start `STRIP` samples apart, because all windows of a
frame would take `window` times its memory. The NumPy twin that runs on a board is `edge_sdk/filter_and_sum.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from models.streaming import State, Streaming

STRIP = 16  # of 8, 16 and 32 the fastest on an x86-64 core for the windows and contexts of a small array
ENERGY_FLOOR = 1e-8  # added to the energy of a window: that of 64 samples at -98 dB of full scale


@dataclass(frozen=True)
class FilterAndSumConfig:
    """Where the filters of a microphone array reach, in samples."""

    window: int = 64  # of the wanted signal that one set of filters gives (L in Luo et al., 2019)
    hop: int = 32  # from one window to the next
    context: int = 128  # taps of a filter less one (2 W there)
    alignment: int = 16  # how many of them lie in the future of the wanted sample: what the network waits for

    def __post_init__(self) -> None:
        if min(self.window, self.hop) < 1 or self.window % self.hop:
            raise ValueError(f"{self}: the window must be a positive multiple of the hop")
        if not 0 <= self.alignment <= self.context:
            raise ValueError(f"{self}: the alignment must lie between 0 and the context")

    @property
    def frame(self) -> int:
        """Samples of a microphone that the filters of one window slide over."""
        return self.context + self.window

    @property
    def taps(self) -> int:
        """Taps of a filter, and lags of a similarity."""
        return self.context + 1

    @property
    def unit_tap(self) -> int:
        """The tap that passes the wanted sample itself."""
        return self.context - self.alignment

    @property
    def wanted(self) -> slice:
        """The samples of a frame that stand where the wanted window does."""
        return slice(self.unit_tap, self.unit_tap + self.window)

    @property
    def delay(self) -> int:
        """Samples by which the output stream runs behind the input."""
        return self.window - self.hop + self.alignment

    @property
    def latency(self) -> int:
        """Samples from a sample's arrival to the moment its output is complete."""
        return self.window + self.alignment


class FrameEncoder(Streaming):
    """Features of frames, `[B, T, frame]` to `[B, T, features]`: a linear map and a norm."""

    def __init__(self, frame: int, features: int, norm: nn.Module) -> None:
        super().__init__()
        self.linear = nn.Linear(frame, features, bias=False)
        self.norm = norm

    def init_state(self, batch: int = 1) -> State:
        return self.norm.init_state(batch) if isinstance(self.norm, Streaming) else ()

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        with torch.autocast(x.device.type, enabled=False):  # in full precision: these are samples
            y = self.linear(x.float())
        return self.norm.step(y, state) if isinstance(self.norm, Streaming) else (self.norm(y), state)


class FilterTaps(nn.Module):
    """Gated filter taps of every source, `[..., sources * channels]` to `[..., sources, taps]`.

    Scaled by the part a window has in the overlapped sum, so that a tap of one passes its sample at its level.
    """

    def __init__(self, channels: int, sources: int, beamformer: FilterAndSumConfig) -> None:
        super().__init__()
        self.sources, self.scale = sources, beamformer.hop / beamformer.window
        self.tap = nn.Linear(channels, beamformer.taps)
        self.gate = nn.Linear(channels, beamformer.taps)

    def forward(self, x: Tensor) -> Tensor:
        x = x.unflatten(-1, (self.sources, -1))
        return self.scale * self.tap(x).tanh() * self.gate(x).sigmoid()


def similarity(frames: Tensor, references: Tensor) -> Tensor:
    """Cosine similarity of reference windows with every window of every microphone's frame: 0 where one is silent.

    Shape: `[B, M, T, frame]` and `[B, R, T, window]` to `[B, R, M, T, lags]`. In full precision whatever the rest is
    trained in: these are samples.
    """
    with torch.autocast(frames.device.type, enabled=False):
        frames, references = frames.float(), references.float()
        window = references.shape[-1]
        lags = frames.shape[-1] - window + 1
        rows = strips(frames, window)  # [B, T, M, rows, strip]
        energies = correlate(rows.square(), references.new_ones(1, 1, 1, window), lags)  # [B, 1, M, T, lags]
        norms = (references.square().sum(-1, keepdim=True) + ENERGY_FLOOR).rsqrt()
        return correlate(rows, references * norms, lags) * (energies + ENERGY_FLOOR).rsqrt()


def filter_and_sum(frames: Tensor, taps: Tensor) -> Tensor:
    """The sum over microphones of their filtered frames, `[B, M, T, frame]` and `[B, M, T, S, taps]` to
    `[B, S, T, window]`; in full precision too.

    Tap `c * STRIP + d` multiplies strip c of the frame and the product counts `d` samples earlier: all microphones and
    strips in one matrix product, then a sum along diagonals.
    """
    with torch.autocast(frames.device.type, enabled=False):
        frames, taps = frames.float(), taps.float()
        batch, _, steps, sources, length = taps.shape
        window = frames.shape[-1] - length + 1
        rows = strips(frames, window).flatten(2, 3)  # [B, T, M * rows, strip]
        filters = pad(taps, (0, -length % STRIP)).unflatten(-1, (-1, STRIP))  # [B, M, T, S, rows, STRIP]
        filters = filters.permute(0, 2, 3, 5, 1, 4).reshape(batch, steps, sources * STRIP, -1)
        partial = (filters @ rows).unflatten(2, (sources, STRIP))  # [B, T, S, STRIP, strip]
        # Rows one longer each: what stood on a diagonal stands in a column.
        skewed = pad(partial.flatten(3), (0, STRIP)).unflatten(-1, (STRIP, window + STRIP))
        return skewed[..., :window].sum(3).transpose(1, 2)


def shares(frames: Tensor) -> Tensor:
    """The part each microphone has in a mean over those that are heard, `[B, M, T, frame]` to `[B, M, T]`.

    A microphone is not heard while its whole frame is digital silence: an absent one, padded with zeros, or a dead one.
    """
    heard = (frames != 0).any(-1).float()
    return heard / heard.sum(1, keepdim=True).clamp(min=1)


def strips(frames: Tensor, window: int) -> Tensor:
    """Rows of `window + STRIP - 1` samples that start STRIP apart, `[B, M, T, frame]` to `[B, T, M, rows, strip]`.

    Together their windows at offsets 0 to STRIP - 1 are all windows of the frame, and some of its zero padding.
    """
    lags = frames.shape[-1] - window + 1
    return pad(frames, (0, -lags % STRIP)).unfold(-1, window + STRIP - 1, STRIP).transpose(1, 2)


def correlate(rows: Tensor, references: Tensor, lags: int) -> Tensor:
    """Products of reference windows with the windows of strips, `[B, T, M, rows, strip]` and `[B, R, T, window]` to
    `[B, R, M, T, lags]`."""
    count = references.shape[1]
    shifted = pad(references, (STRIP - 1, STRIP - 1)).unfold(-1, STRIP, 1).flip(-1)  # [B, R, T, strip, STRIP]
    shifted = shifted.permute(0, 2, 3, 1, 4).flatten(3)  # [B, T, strip, R * STRIP]
    products = (rows.flatten(2, 3) @ shifted).unflatten(2, rows.shape[2:4]).unflatten(-1, (count, STRIP))
    return products.permute(0, 4, 2, 1, 3, 5).flatten(-2)[..., :lags]  # [B, R, M, T, lags]
