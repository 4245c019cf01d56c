"""Presets in small: the same parts, microphones, masks and norms, with few channels and a hop of four samples."""

from dataclasses import replace

from models.fasnet import FaSNetConfig, FaSNetTACConfig
from models.layers.dual_path import DualPathConfig
from models.layers.filter_and_sum import FilterAndSumConfig
from models.layers.filterbanks import FilterbankConfig
from models.layers.recurrent import StackedLSTMConfig
from models.layers.separators import SeparatorConfig
from models.layers.skim import SkiMConfig
from models.layers.tcn import TCNConfig
from models.layers.tdcn import TDCNConfig
from models.zoo import NetworkConfig

HOP = 4  # samples
HORIZON = 70  # frames that a cumulative norm remembers


def twin(config: NetworkConfig) -> NetworkConfig:
    """The configuration with small sizes and everything else as it is."""
    separator = small_separator(config.separator)
    if isinstance(config, FaSNetTACConfig):
        return replace(config, beamformer=small_reach(config.beamformer), encoder=5, tac=7, separator=separator)
    if isinstance(config, FaSNetConfig):
        return replace(config, beamformer=small_reach(config.beamformer), encoder=5, separator=separator)
    background = tuple(2 + index for index in range(len(config.background)))
    return replace(config, filterbank=small_bank(config.filterbank), separator=separator, background=background)


def small_separator(config: SeparatorConfig) -> SeparatorConfig:
    """At least two of every part that comes more than once, and chunks that end within a few frames."""
    sizes = {"bottleneck": 6, "hidden": 8, "horizon": HORIZON}
    if isinstance(config, TCNConfig):
        return replace(config, **sizes, skip=min(config.skip, 4), blocks=2, repeats=2)
    if isinstance(config, TDCNConfig):
        return replace(config, **sizes, blocks=2, repeats=2)
    if isinstance(config, DualPathConfig):
        return replace(config, **sizes, chunk=5, blocks=2)
    if isinstance(config, SkiMConfig):
        return replace(config, **sizes, segment=5, blocks=2)
    assert isinstance(config, StackedLSTMConfig)
    return replace(config, hidden=8, horizon=HORIZON)


def small_bank(config: FilterbankConfig) -> FilterbankConfig:
    """The same lengths in hops. Gammatone filters cannot be fewer than their frequencies need, so they stay."""
    if config.start == "gammatone":
        return config
    window, context = (length * HOP // config.hop for length in (config.window, config.context))
    filters = context + window + 2 if config.start == "stft" else 12
    return replace(config, hop=HOP, window=window, context=context, filters=filters)


def small_reach(config: FilterAndSumConfig) -> FilterAndSumConfig:
    """The same lengths in hops, rounded up."""
    window, context, alignment = (
        -(-length * HOP // config.hop) for length in (config.window, config.context, config.alignment)
    )
    return FilterAndSumConfig(window=window, hop=HOP, context=context, alignment=alignment)
