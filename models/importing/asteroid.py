"""What Asteroid's TasNets share: the encoder, the decoder and the masks (Pariente et al., 2020).

A frame of Asteroid's encoder begins with the signal; ours begin before it, with silence. So our network computes what
theirs computes for the mixture after `window - hop` samples of silence, to the sample.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from models.importing.contents import Arguments, Weights
from models.layers.filterbanks import FilterbankConfig

ACTIVATIONS = {None: "linear", "linear": "linear", "relu": "relu"}
FILTERBANKS = ("free", "FreeFB")
MASKS = {"sigmoid": "sigmoid", "relu": "relu"}
HORIZON_S = 60  # a cumulative norm equals the published one for so long, which then goes on summing for ever


@dataclass(frozen=True)
class Frontend:
    """The arguments that all TasNets have."""

    sources: int
    sample_rate: int
    mask: str
    filters: int
    window: int
    hop: int
    activation: str

    def filterbank(self, activation: str | None = None) -> FilterbankConfig:
        """Ours, by default with the activation that the arguments ask for."""
        return FilterbankConfig(
            window=self.window, hop=self.hop, filters=self.filters, activation=activation or self.activation
        )

    @property
    def horizon(self) -> int:
        """Frames that a cumulative norm remembers."""
        return HORIZON_S * self.sample_rate // max(self.hop, 1)


def read_frontend(arguments: Arguments, filters: int) -> Frontend:
    """The arguments that all TasNets have; `filters` is what the network has if the arguments do not say."""
    arguments.expect("fb_name", FILTERBANKS, "free")
    n = arguments.whole("n_filters", filters)
    for name in ("in_chan", "out_chan"):  # of the separator
        arguments.expect(name, (n, None), None)
    window = arguments.whole("kernel_size", 16)
    hop = arguments.whole("stride", 8) if arguments.get("stride", 8) is not None else window // 2
    return Frontend(
        sources=arguments.whole("n_src"),
        sample_rate=arguments.whole("sample_rate", 8000),
        mask=arguments.choice("mask_act", MASKS, "sigmoid"),
        filters=n,
        window=window,
        hop=hop,
        activation=arguments.choice("encoder_activation", ACTIVATIONS, None),
    )


def take_encoder(weights: Weights, name: str, frontend: Frontend) -> Tensor:
    """The rows of an encoder, `[filters, window]`."""
    return weights.take(f"{name}.filterbank._filters", frontend.filters, 1, frontend.window)[:, 0]


def filterbank_state(encoder: Tensor, decoder: Tensor, factor: float) -> dict[str, Tensor]:
    """Ours, of rows `[filters, window]`: coefficients so many times as large, and the same samples out of them."""
    return {"filterbank.encoder.weight": factor * encoder, "filterbank.decoder.weight": decoder.T / factor}
