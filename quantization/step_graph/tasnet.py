"""The step of a TasNet: the arithmetic of `TasNet.frame_step`."""

from __future__ import annotations

from torch import Tensor

from models.tasnet import TasNet
from quantization.step_graph.background import BackgroundStep
from quantization.step_graph.form import Memory
from quantization.step_graph.graph import StepGraph, layer_macs
from quantization.step_graph.narrow_band import NarrowBandStep
from quantization.step_graph.parts import FinePointwise, Pointwise, complex_product, compressed_magnitudes, join, part
from quantization.step_graph.separators import separator_step
from quantization.step_graph.spatial import SpatialStep, pick
from quantization.step_graph.views import ViewChoiceStep


class TasNetStep(StepGraph):
    """Encoder, separator and decoder over `frames_per_step` frames."""

    def __init__(self, network: TasNet, frames_per_step: int) -> None:
        super().__init__(network, frames_per_step)
        self.mask, self.reference, self.sums_mics = network.config.mask, network.reference, network.sums_mics
        phases = network.spatial is not None and network.spatial.phases
        self.encoder = (FinePointwise if phases else Pointwise)(network.filterbank.encoder.weight, None)
        gate = network.filterbank.gate
        self.activation = network.config.filterbank.activation
        self.gate_encoder = Pointwise(gate.weight, None) if gate is not None else None
        self.spatial = SpatialStep(network.spatial) if network.spatial is not None else None
        self.background = BackgroundStep(network.background, frames_per_step) if network.background else None
        self.views = network.config.spatial.views if network.choice is not None else ()
        self.separator = separator_step(network.separator, frames_per_step, max(1, len(self.views)))
        self.choice = ViewChoiceStep(frames_per_step) if self.views else None
        narrow_band = network.narrow_band
        self.narrow_band = NarrowBandStep(narrow_band, frames_per_step) if narrow_band is not None else None
        # The inverse of gammatone filters is made of large numbers that nearly cancel.
        cancels = network.config.filterbank.start == "gammatone"
        self.decoder = (FinePointwise if cancels else Pointwise)(network.filterbank.decoder.weight, None)
        forms = (self.background, self.separator, self.narrow_band, self.choice)
        self.declare(network.config.filterbank.frame, *(form for form in forms if form))

    def forward(self, frames: Tensor, **memory: Tensor) -> Memory:
        coefficients = self.encode(frames)  # [T, M, N]
        if self.choice is not None:
            return self.separate_views(coefficients, self.choice, memory)
        reference = coefficients[:, self.reference : self.reference + 1].reshape(self.frames, -1)
        if self.mask != "complex":
            reference = self.activate(reference, frames[self.reference : self.reference + 1].reshape(self.frames, -1))
        features = compressed_magnitudes(reference) if self.mask == "complex" else reference
        if self.spatial is not None:
            features = self.spatial(features, coefficients)
        means: Memory = {}
        if self.background is not None:
            features, means = self.background(features, memory)
        masks, after = self.separator(features, memory)
        of_bins: Memory = {}
        if self.narrow_band is not None:
            masks, of_bins = self.narrow_band(masks, features, memory)
        masked = [self.masked(reference, coefficients, part(masks, s, self.sources)) for s in range(self.sources)]
        samples = self.decoder(join(masked, 0)).reshape(self.sources, self.frames, -1)
        return {"sources_out": samples, **means, **after, **of_bins}

    def separate_views(self, coefficients: Tensor, choice: ViewChoiceStep, memory: Memory) -> Memory:
        """The step of a network of several views, from coefficients `[T, M, N]` on."""
        assert self.spatial is not None and self.narrow_band is not None
        several, mics = len(self.views), self.mics
        reference = coefficients[:, self.reference : self.reference + 1].reshape(self.frames, -1)
        turned = pick(coefficients, [mic for view in self.views for mic in view])  # [T, V * M, N]
        seen = turned.reshape(self.frames * several, mics, -1)
        levels = compressed_magnitudes(seen[:, :1].reshape(len(seen), -1))
        features = self.spatial(levels, seen)
        context, after = self.separator(features, memory)
        masks, of_bins = self.narrow_band(context, features, memory)
        masks = masks.reshape(self.frames, -1)  # view after view, source after source
        views = turned.split(mics, dim=1)
        parts = [part(masks, n, several * self.sources) for n in range(several * self.sources)]
        masked = [self.masked(reference, views[n // self.sources], mask) for n, mask in enumerate(parts)]
        sources, chosen = choice.choose(masked[: self.sources], masked[self.sources :], memory)
        samples = self.decoder(join(sources, 0)).reshape(self.sources, self.frames, -1)
        return {"sources_out": samples, **after, **of_bins, **chosen}

    def encode(self, frames: Tensor) -> Tensor:
        """Frames `[M, T, frame]` to coefficients `[T, M, N]`."""
        rows = frames[0] if self.mics == 1 else frames.permute(1, 0, 2).reshape(self.frames * self.mics, -1)
        coefficients: Tensor = self.encoder(rows)
        return coefficients.reshape(self.frames, self.mics, -1)

    def activate(self, reference: Tensor, frames: Tensor) -> Tensor:
        """What real masks multiply, of the reference's coefficients and frames."""
        if self.activation == "linear":
            return reference
        if self.gate_encoder is None:
            return reference.relu()
        gate: Tensor = self.gate_encoder(frames)
        return reference.relu() * gate.sigmoid()

    def masked(self, reference: Tensor, coefficients: Tensor, mask: Tensor) -> Tensor:
        """Coefficients of a source, `[T, N]`."""
        if self.mask == "sigmoid":
            return reference * mask.sigmoid()
        if self.mask == "relu":
            return reference * mask.relu()
        if self.sums_mics:
            mask = mask.reshape(coefficients.shape)
            return reference + complex_product(coefficients, part(mask, 0, 2), part(mask, 1, 2)).sum(1)
        return complex_product(reference, part(mask, 0, 2) + 1, part(mask, 1, 2))

    def macs_per_frame(self) -> int:
        return layer_macs(self) // self.frames
