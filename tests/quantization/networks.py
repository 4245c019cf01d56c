"""Small networks with weights of every size, so that a wrong channel, tap or fold shows."""

import torch

from models.layers.filterbanks import FilterbankConfig
from models.layers.narrow_band import NarrowBandConfig
from models.layers.tcn import TCNConfig
from models.multichannel import SpatialConfig
from models.tasnet import TasNet, TasNetConfig


def network(
    norm: str = "frame",
    mask: str = "relu",
    sources: int = 2,
    skip: int = 8,
    spatial: SpatialConfig | None = None,
    narrow_band: NarrowBandConfig | None = None,
    background: tuple[int, ...] = (),
) -> TasNet:
    """An untrained network whose every parameter is random; batch norms have seen data."""
    torch.manual_seed(7)
    bank = FilterbankConfig(window=32, hop=16, filters=24)
    if mask == "complex":
        bank = FilterbankConfig(window=32, hop=16, context=32, filters=66, start="stft")
    sizes = TCNConfig(bottleneck=12, hidden=16, skip=skip, blocks=3, repeats=1, norm=norm, horizon=100)
    made = TasNet(TasNetConfig(sources, 16_000, mask, bank, sizes, spatial, narrow_band, background))
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.startswith(("filterbank", "spatial")):
                continue
            if "prelu" in name:
                parameter.uniform_(0.05, 0.6)
            elif parameter.ndim < 2 or not parameter.any():
                parameter.normal_(0, 0.3)
        if made.spatial is not None and made.spatial.kernel is not None:
            made.spatial.kernel.add_(torch.randn_like(made.spatial.kernel), alpha=0.3)
    made(0.1 * torch.randn(4, made.mics, 16 * 200))
    return made.eval()
