"""TasNet: encoder, separator, decoder (Luo & Mesgarani, 2018 and 2019), causal and streaming.

The encoder turns frames of samples into coefficients, the separator computes one mask per source from them, and the
decoder turns masked coefficients back into frames, which are overlapped and added. With several microphones the
separator sees differences between them too: `models.multichannel`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.framing import Frames, OverlapAdd
from models.layers.background import Background
from models.layers.filterbanks import Filterbank, FilterbankConfig, compressed_magnitudes
from models.layers.gammatone import gammatone_rows
from models.layers.narrow_band import NarrowBand, NarrowBandConfig
from models.layers.separators import SeparatorConfig, future_parts, make_separator
from models.layers.tcn import TCNConfig
from models.layers.views import SOURCES, ViewChoice
from models.multichannel import SpatialConfig, SpatialFeatures, of_mics
from models.network import Network
from models.streaming import State, refuse_future

MASKS = ("sigmoid", "relu", "complex")


@dataclass(frozen=True)
class TasNetConfig:
    """Everything that rebuilds the network.

    mask: `sigmoid` and `relu` multiply coefficients as the filterbank's `activation` leaves them, non-negative unless
    that is `linear`; `complex` takes them as real and imaginary parts, shows the separator compressed magnitudes, and
    rotates.
    spatial: for several microphones; without it the network has one.
    narrow_band: complex masks are made of each bin's own features too, by a network that all bins share.
    background: horizons in frames of running means that are shown beside every feature, see `Background`.
    """

    sources: int = 2
    sample_rate: int = 16_000
    mask: str = "relu"
    filterbank: FilterbankConfig = field(default_factory=FilterbankConfig)
    separator: SeparatorConfig = field(default_factory=TCNConfig)
    spatial: SpatialConfig | None = None
    narrow_band: NarrowBandConfig | None = None
    background: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.mask not in MASKS:
            raise ValueError(f"mask {self.mask!r}: expected one of {', '.join(MASKS)}")
        if self.mask == "complex" and self.filterbank.filters % 2:
            raise ValueError(f"{self.filterbank.filters} filters: complex masks need an even number")
        if self.mask == "complex" and self.filterbank.activation != "relu":
            raise ValueError(
                f"activation {self.filterbank.activation!r} with mask 'complex', which has none: leave it out"
            )
        if self.narrow_band is not None and self.mask != "complex":
            raise ValueError(f"narrow_band with mask {self.mask!r}: expected 'complex', whose coefficients are bins")
        if self.sources < 1 or self.sample_rate < 1:
            raise ValueError(f"{self.sources} sources at {self.sample_rate} Hz: expected positive numbers")
        if self.filterbank.start == "gammatone":
            if self.mask == "complex":
                raise ValueError(
                    "mask 'complex' with a gammatone start: expected 'sigmoid' or 'relu', its rows are real"
                )
            gammatone_rows(self.filterbank.filters, self.filterbank.frame, self.sample_rate)  # refuses too few filters
        if self.spatial is not None and self.spatial.views:
            self.check_views(self.spatial)
        if self.spatial is None or self.mask == "complex":
            return
        if "ipd" in self.spatial.features:
            raise ValueError(
                f"phase differences (ipd) of real coefficients: expected mask = 'complex', not {self.mask!r}"
            )
        if self.spatial.combine == "filter-and-sum":
            raise ValueError(f"filter-and-sum with mask {self.mask!r}: expected 'complex', which can turn phases")

    def check_views(self, spatial: SpatialConfig) -> None:
        """`ValueError` where a network of these parts cannot have several views."""
        if self.sources != SOURCES or self.narrow_band is None or self.background:
            raise ValueError(f"views: expected {SOURCES} sources, a narrow_band, and no background")
        if spatial.combine != "filter-and-sum" or not isinstance(self.separator, TCNConfig):
            raise ValueError("views: expected combine = 'filter-and-sum' and a TCN, which several streams can share")

    @property
    def views(self) -> int:
        """In how many orders of the microphones the network looks at the array."""
        return len(self.spatial.views) or 1 if self.spatial else 1

    @property
    def levels(self) -> int:
        """Features that show how loud the coefficients of a microphone are."""
        return self.filterbank.filters // 2 if self.mask == "complex" else self.filterbank.filters


class TasNet(Network):
    """Sources of a mixture, at the reference microphone."""

    def __init__(self, config: TasNetConfig) -> None:
        super().__init__()
        self.config = config
        bank, spatial, is_complex = config.filterbank, config.spatial, config.mask == "complex"
        self.sums_mics = spatial is not None and spatial.combine == "filter-and-sum"
        inputs = spatial.width(bank.filters, config.levels) if spatial else config.levels
        self.background = Background(config.background, inputs) if config.background else None
        inputs *= 1 + len(config.background)
        outputs = config.sources * bank.filters * (spatial.masks if spatial else 1)
        self.frames = Frames(bank.frame, bank.hop)
        self.filterbank = Filterbank(bank, config.sample_rate)
        self.spatial = SpatialFeatures(spatial, bank.filters, is_complex) if spatial else None
        if config.narrow_band is not None:
            bins, context = config.levels, config.narrow_band.context
            self.separator = make_separator(config.separator, inputs, bins * context)
            self.narrow_band = NarrowBand(config.narrow_band, bins, inputs // bins, outputs // bins, config.views)
        else:
            self.separator = make_separator(config.separator, inputs, outputs, config.sources, quiet_start=is_complex)
            self.narrow_band = None
        self.overlap_add = OverlapAdd(bank.window, bank.hop)
        self.choice = ViewChoice() if config.views > 1 else None

    @property
    def mics(self) -> int:
        return self.config.spatial.mics if self.config.spatial else 1

    @property
    def reference(self) -> int:
        return self.config.spatial.reference if self.config.spatial else 0

    @property
    def hop(self) -> int:
        return self.config.filterbank.hop

    @property
    def delay(self) -> int:
        return self.config.filterbank.delay

    @property
    def latency(self) -> int:
        return self.config.filterbank.window

    @property
    def future(self) -> tuple[str, ...]:
        return future_parts(self.config.separator)

    def init_state(self, batch: int = 1) -> State:
        refuse_future(self, self.future)
        return self.begin(batch, self.mics)

    def begin(self, batch: int, mics: int) -> State:
        memory = self.masks_state(batch * self.config.views)
        if self.choice is not None:
            memory = self.choice.init_state(batch), memory
        overlap = self.overlap_add.init_state(batch * self.config.sources)
        return self.frames.init_state(batch * mics), memory, overlap

    def masks_state(self, streams: int) -> State:
        """What `masks` remembers before the first frame."""
        memory: State = () if self.future else self.separator.init_state(streams)
        if self.narrow_band is not None:
            memory = memory, self.narrow_band.init_state(streams)
        return memory if self.background is None else (self.background.init_state(streams), memory)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        batch, mics, _ = x.shape
        if mics != self.mics:
            raise ValueError(f"a mixture of {mics} microphones: this network takes {self.mics}")
        past, memory, overlap = state
        frames, past = self.frames.step(x.flatten(0, 1), past)
        y, memory = self.frame_step(frames.unflatten(0, (batch, mics)).transpose(1, 2), memory)  # [B, T, S, window]
        samples, overlap = self.overlap_add.step(y.transpose(1, 2).flatten(0, 1), overlap)
        return samples.unflatten(0, (batch, self.config.sources)), (past, memory, overlap)

    def frame_step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Frames of the mixture `[B, T, M, frame]` to frames of the sources `[B, T, S, window]`: what is exported."""
        coefficients = self.filterbank.encode(frames)  # [B, T, M, N]
        if self.choice is not None:
            chosen, memory = state
            viewed, memory = self.separate_views(coefficients.expand(self.config.views, *coefficients.shape), memory)
            sources, chosen = self.choice.step(viewed, chosen)
            return self.filterbank.decode(sources), (chosen, memory)
        reference = coefficients[..., self.reference, :]
        if self.config.mask != "complex":
            reference = self.filterbank.activate(reference, frames[..., self.reference, :])
        features = compressed_magnitudes(reference) if self.config.mask == "complex" else reference
        if self.spatial is not None:
            features = self.spatial(features, coefficients)
        masks, state = self.masks(features, state)
        if self.sums_mics:
            masks = masks.unflatten(-1, (self.mics, -1))  # [B, T, S, M, N]
            filtered = complex_product(coefficients[:, :, None], *masks.chunk(2, dim=-1)).sum(-2)
            return self.filterbank.decode(reference[:, :, None] + filtered), state
        return self.filterbank.decode(self.apply_mask(reference[:, :, None], masks)), state

    def separate_views(self, coefficients: Tensor, state: State) -> tuple[Tensor, State]:
        """What each view makes of mixtures of its own: coefficients `[V, B, T, M, N]` to `[V, B, T, S, N]`."""
        assert self.config.spatial is not None and self.spatial is not None
        orders = self.config.spatial.views
        seen = torch.cat([of_mics(x, list(view)) for x, view in zip(coefficients, orders, strict=True)])
        masks, state = self.masks(self.spatial(compressed_magnitudes(seen[..., 0, :]), seen), state)
        masks = masks.unflatten(-1, (self.mics, -1))
        filtered = complex_product(seen[:, :, None], *masks.chunk(2, dim=-1)).sum(-2)
        reference = coefficients[..., self.reference, :].flatten(0, 1)
        return (reference[:, :, None] + filtered).unflatten(0, (len(orders), -1)), state

    def masks(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        """What is said of features `[B, T, F]` for each source: `[B, T, S, N]`."""
        if self.background is not None:
            means, state = state
            features, means = self.background.step(features, means)
        if self.narrow_band is not None:
            state, of_bins = state
        if self.future:  # everything at once
            masks = self.separator(features)
        else:
            masks, state = self.separator.step(features, state)
        if self.narrow_band is not None:
            masks, of_bins = self.narrow_band.step(masks, features, of_bins)
            state = state, of_bins
        after = state if self.background is None else (means, state)
        return masks.unflatten(-1, (self.config.sources, -1)), after

    def masked(self, coefficients: Tensor) -> Tensor:
        """Coefficients of whole mixtures at one microphone `[B, T, N]` to those of the sources, `[B, T, S, N]`."""
        features = compressed_magnitudes(coefficients) if self.config.mask == "complex" else coefficients
        _, memory, _ = self.begin(len(coefficients), 1)
        return self.apply_mask(coefficients[:, :, None], self.masks(features, memory)[0])

    def apply_mask(self, coefficients: Tensor, mask: Tensor) -> Tensor:
        """Masked coefficients of every source. A complex mask is what is to be added to one: zero passes everything."""
        if self.config.mask == "sigmoid":
            return coefficients * mask.sigmoid()
        if self.config.mask == "relu":
            return coefficients * mask.relu()
        real, imaginary = mask.chunk(2, dim=-1)
        return complex_product(coefficients, real + 1, imaginary)


def complex_product(coefficients: Tensor, mask_real: Tensor, mask_imaginary: Tensor) -> Tensor:
    """Coefficients `[..., 2 * bins]`, real parts first, times a mask given as `[..., bins]` twice."""
    real, imaginary = coefficients.chunk(2, dim=-1)
    return torch.cat(
        [real * mask_real - imaginary * mask_imaginary, real * mask_imaginary + imaginary * mask_real], dim=-1
    )
