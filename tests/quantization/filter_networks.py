"""Small filter-and-sum networks with weights of every size; batch norms have seen data."""

import torch

from models.fasnet import FaSNet, FaSNetConfig, FaSNetTAC, FaSNetTACConfig
from models.filter_network import FilterAndSumNetwork
from models.layers.dual_path import DualPathConfig
from models.layers.filter_and_sum import FilterAndSumConfig
from models.layers.tcn import TCNConfig

BEAMFORMER = FilterAndSumConfig(window=32, hop=16, context=40, alignment=5)


def filter_network(
    kind: str = "tac",
    norm: str = "frame",
    mics: int = 3,
    reference: int = 0,
    sources: int = 2,
    beamformer: FilterAndSumConfig = BEAMFORMER,
) -> FilterAndSumNetwork:
    """A `tac`, `tac dual-path` or `two-stage` network whose every parameter is random."""
    torch.manual_seed(7)
    common = {"sources": sources, "mics": mics, "reference": reference, "beamformer": beamformer, "encoder": 12}
    sizes = {"bottleneck": 12, "hidden": 16, "blocks": 2, "repeats": 2, "norm": norm, "horizon": 100}
    if kind == "two-stage":
        made: FilterAndSumNetwork = FaSNet(FaSNetConfig(**common, separator=TCNConfig(**sizes, skip=8)))
    else:
        dual_path = DualPathConfig(bottleneck=12, hidden=16, chunk=6, blocks=2, norm=norm, horizon=100)
        blocks = dual_path if kind == "tac dual-path" else TCNConfig(**sizes, skip=0)
        made = FaSNetTAC(FaSNetTACConfig(**common, tac=10, separator=blocks))
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if parameter.numel() == 1:  # slopes
                parameter.uniform_(0.05, 0.6)
            elif parameter.ndim < 2:
                parameter.normal_(1.0 if name.endswith("gain") else 0.0, 0.3)
    made(0.1 * torch.randn(4, mics, beamformer.hop * 200))
    return made.eval()
