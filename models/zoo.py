"""Names of networks: name -> configuration -> network, and back from a configuration kept as plain data."""

from __future__ import annotations

from typing import Any

from edge_sdk.contract import from_plain, to_plain
from models.layers.filterbanks import FilterbankConfig
from models.layers.tcn import TCNConfig
from models.tasnet import TasNet, TasNetConfig

PRESETS: dict[str, TasNetConfig] = {
    # Luo & Mesgarani (2019), table II, best causal row: 8 kHz, 2 ms windows.
    "conv-tasnet-paper": TasNetConfig(sources=2, sample_rate=8_000, separator=TCNConfig(norm="cumulative")),
    # The same at 16 kHz for two talkers, at the size of a Raspberry Pi core: 4 ms windows.
    "conv-tasnet-edge": TasNetConfig(
        sources=2,
        filterbank=FilterbankConfig(window=64, hop=32, filters=128),
        separator=TCNConfig(bottleneck=64, hidden=128, skip=64, blocks=6, repeats=2),
    ),
    # The same with norms that fold away.
    "conv-tasnet-edge-batchnorm": TasNetConfig(
        sources=2,
        filterbank=FilterbankConfig(window=64, hop=32, filters=128),
        separator=TCNConfig(bottleneck=64, hidden=128, skip=64, blocks=6, repeats=2, norm="batch"),
    ),
    # One talker out of noise: 32 ms of analysis at 8 ms of latency.
    "enhance-mono": TasNetConfig(
        sources=1,
        mask="complex",
        filterbank=FilterbankConfig(window=128, hop=64, context=384, filters=514, start="stft"),
        separator=TCNConfig(bottleneck=128, hidden=256, skip=0, blocks=7, repeats=2),
    ),
}


def preset(name: str) -> TasNetConfig:
    """The configuration of that name."""
    if name not in PRESETS:
        raise ValueError(f"unknown network {name!r}: expected one of {', '.join(PRESETS)}")
    return PRESETS[name]


def build(config: TasNetConfig) -> TasNet:
    """The network of a configuration, newly initialized."""
    return TasNet(config)


def config_to_dict(config: TasNetConfig) -> dict[str, Any]:
    """Plain data that `config_from_dict` turns back, with the name of the architecture."""
    return {"architecture": "tasnet", **to_plain(config)}


def config_from_dict(data: dict[str, Any]) -> TasNetConfig:
    """The configuration kept as plain data; `ValueError` for anything unknown in it."""
    data = dict(data)
    architecture = data.pop("architecture", None)
    if architecture != "tasnet":
        raise ValueError(f"unknown architecture {architecture!r}: expected 'tasnet'")
    return from_plain(TasNetConfig, data)
