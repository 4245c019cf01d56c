"""Small networks of every kind that can be pruned, with weights of every size."""

from dataclasses import replace

import torch

from models.layers.dual_path import DualPathConfig
from models.layers.filterbanks import FilterbankConfig
from models.layers.recurrent import StackedLSTMConfig
from models.layers.separators import SeparatorConfig
from models.layers.skim import SkiMConfig
from models.layers.tcn import TCNConfig
from models.layers.tdcn import TDCNConfig
from models.tasnet import TasNet, TasNetConfig

TINY = TCNConfig(bottleneck=6, hidden=8, skip=4, blocks=3, repeats=2, horizon=70)
SEPARATORS: dict[str, SeparatorConfig] = {
    "tcn": replace(TINY, norm="batch"),
    "tcn without skip path": replace(TINY, norm="batch", skip=0),
    "tcn with shift": replace(TINY, norm="batch", shift=True),
    "tdcn": TDCNConfig(bottleneck=6, hidden=8, blocks=2, repeats=2, horizon=70),
    "lstm": StackedLSTMConfig(hidden=8, layers=4, norm="batch"),
    "lstm without identity paths": StackedLSTMConfig(hidden=8, layers=2, skip=False, norm="batch"),
    "dual-path": DualPathConfig(bottleneck=6, hidden=8, chunk=8, blocks=2, norm="batch"),
    "skim": SkiMConfig(bottleneck=6, hidden=8, segment=8, blocks=3, norm="batch"),
}
PLAIN = FilterbankConfig(window=8, hop=4, filters=12)
GATED = replace(PLAIN, activation="gated")
COMPLEX = FilterbankConfig(window=8, hop=4, context=8, filters=18, start="stft")


def network(
    separator: SeparatorConfig,
    bank: FilterbankConfig = PLAIN,
    mask: str = "sigmoid",
    background: tuple[int, ...] = (),
) -> TasNet:
    """Untrained, every parameter random; batch norms have seen data."""
    torch.manual_seed(3)
    made = TasNet(TasNetConfig(2, 8000, mask, bank, separator, background=background))
    with torch.no_grad():
        for name, parameter in made.separator.named_parameters():
            if "prelu" in name:
                parameter.uniform_(0.05, 0.6)
            elif parameter.ndim < 2 or not parameter.any():
                parameter.add_(0.3 * torch.randn_like(parameter))
    made(0.1 * torch.randn(4, 1, 4 * 100))
    return made.eval()


def sound(frames: int = 60, batch: int = 1) -> torch.Tensor:
    """Noise, `[B, 1, n]`, of hops of 4 samples."""
    return 0.3 * torch.randn(batch, 1, 4 * frames, generator=torch.Generator().manual_seed(1))
