"""Names of networks: name -> configuration -> network, and back from a configuration kept as plain data."""

from __future__ import annotations

from typing import Any, TypeAlias

from edge_sdk.contract import from_plain, to_plain
from models.fasnet import FaSNet, FaSNetConfig, FaSNetTAC, FaSNetTACConfig
from models.layers.dual_path import DualPathConfig
from models.layers.filter_and_sum import FilterAndSumConfig
from models.layers.filterbanks import FilterbankConfig
from models.layers.narrow_band import NarrowBandConfig
from models.layers.recurrent import StackedLSTMConfig
from models.layers.skim import SkiMConfig
from models.layers.tcn import TCNConfig
from models.layers.tdcn import TDCNConfig
from models.multichannel import SpatialConfig
from models.network import Network
from models.tasnet import TasNet, TasNetConfig

NetworkConfig: TypeAlias = TasNetConfig | FaSNetConfig | FaSNetTACConfig

PRESETS: dict[str, NetworkConfig] = {
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
        separator=TCNConfig(bottleneck=160, hidden=384, skip=0, blocks=7, repeats=2),
        background=(16, 64, 256),
    ),
    # The same frames and about as many weights, with a memory that has no end.
    "enhance-mono-lstm": TasNetConfig(
        sources=1,
        mask="complex",
        filterbank=FilterbankConfig(window=128, hop=64, context=384, filters=514, start="stft"),
        separator=StackedLSTMConfig(hidden=288, layers=2),
        background=(16, 64, 256),
    ),
    # Two talkers at one microphone: 32 ms of analysis at 16 ms of latency.
    "separate-2spk-edge": TasNetConfig(
        sources=2,
        mask="complex",
        filterbank=FilterbankConfig(window=256, hop=128, context=256, filters=514, start="stft"),
        separator=TCNConfig(bottleneck=160, hidden=312, skip=0, blocks=6, repeats=3),
    ),
    # Two talkers at four microphones, as on a ReSpeaker 4-mic array: the same frames, a filter per microphone and
    # bin, made by a network that all bins share.
    "array4-2spk-edge": TasNetConfig(
        sources=2,
        mask="complex",
        filterbank=FilterbankConfig(window=256, hop=128, context=256, filters=514, start="stft"),
        separator=TCNConfig(bottleneck=128, hidden=320, skip=0, blocks=7, repeats=2),
        spatial=SpatialConfig(
            mics=4,
            pairs=((0, 1), (0, 2), (0, 3), (1, 3)),
            combine="filter-and-sum",
            views=((0, 1, 2, 3), (1, 2, 3, 0)),
        ),
        narrow_band=NarrowBandConfig(memory=64),
    ),
    # The same at six microphones.
    "array6-2spk-edge": TasNetConfig(
        sources=2,
        mask="complex",
        filterbank=FilterbankConfig(window=256, hop=128, context=256, filters=514, start="stft"),
        separator=TCNConfig(bottleneck=128, hidden=256, skip=0, blocks=7, repeats=2),
        spatial=SpatialConfig(mics=6, combine="filter-and-sum"),
        narrow_band=NarrowBandConfig(),
    ),
    # Two talkers at up to eight microphones, one set of weights for any number: filters of 16 ms at 9 ms of latency.
    "fasnet-tac-edge": FaSNetTACConfig(
        mics=8,
        beamformer=FilterAndSumConfig(window=128, hop=64, context=256, alignment=16),
        separator=TCNConfig(bottleneck=64, hidden=128, skip=0, blocks=6, repeats=3),
    ),
    # Luo et al. (2020), but causal: LSTMs of one direction, and of the 32 ms of filters 1 ms lies in the future.
    "fasnet-tac-paper": FaSNetTACConfig(
        mics=6,
        beamformer=FilterAndSumConfig(window=64, hop=32, context=512, alignment=16),
        tac=384,
        separator=DualPathConfig(bottleneck=64, hidden=128, chunk=50, blocks=4),
    ),
    # Two stages, after Luo, Ceolini et al. (2019): windows of 4 ms, filters of 32 ms and 64 features of a frame, as in
    # the code that the authors published later (yluo42/TAC). That has dual-path blocks; the sizes of the TCNs are ours.
    "fasnet-paper": FaSNetConfig(mics=6, beamformer=FilterAndSumConfig(window=64, hop=32, context=512, alignment=16)),
    # Luo & Mesgarani (2018): 8 kHz, windows of 5 ms that do not overlap, 31 million parameters.
    "lstm-tasnet-paper": TasNetConfig(
        sample_rate=8_000,
        mask="sigmoid",
        filterbank=FilterbankConfig(window=40, hop=40, filters=500, activation="gated"),
        separator=StackedLSTMConfig(hidden=1000, layers=4),
    ),
    # The same idea at 16 kHz, at the size of a Raspberry Pi core: 8 ms windows.
    "lstm-tasnet-edge": TasNetConfig(
        mask="sigmoid",
        filterbank=FilterbankConfig(window=128, hop=64, filters=256),
        separator=StackedLSTMConfig(hidden=256, layers=2),
    ),
    # Luo, Chen & Yoshioka (2020) with windows of 2 ms, but causal: LSTMs of one direction, chunks that do not overlap.
    "dprnn-tasnet-paper": TasNetConfig(
        sample_rate=8_000,
        mask="sigmoid",
        filterbank=FilterbankConfig(window=16, hop=8, filters=64),
        separator=DualPathConfig(bottleneck=64, hidden=128, chunk=100, blocks=6),
    ),
    # At 16 kHz and smaller: 4 ms windows, chunks of 100 ms.
    "dprnn-tasnet-edge": TasNetConfig(
        mask="sigmoid",
        filterbank=FilterbankConfig(window=64, hop=32, filters=64),
        separator=DualPathConfig(bottleneck=64, hidden=96, chunk=50, blocks=4),
    ),
    # Memories skip from segment to segment of 100 ms: 4 ms windows.
    "skim-tasnet-edge": TasNetConfig(
        mask="sigmoid",
        filterbank=FilterbankConfig(window=64, hop=32, filters=64),
        separator=SkiMConfig(bottleneck=64, hidden=96, segment=50, blocks=4),
    ),
    # Kavalerov et al. (2019), causal, at the size of conv-tasnet-edge.
    "tdcn-tasnet-edge": TasNetConfig(
        mask="sigmoid",
        filterbank=FilterbankConfig(window=64, hop=32, filters=128),
        separator=TDCNConfig(bottleneck=64, hidden=128, blocks=6, repeats=2),
    ),
    # For hearing aids, one talker out of noise: 32 ms of analysis at 4 ms of latency. Dilations and horizons let it
    # start with the weights of enhance-mono, which has twice the hop.
    "enhance-hearing-aid": TasNetConfig(
        sources=1,
        mask="complex",
        filterbank=FilterbankConfig(window=64, hop=32, context=448, filters=514, start="stft"),
        separator=TCNConfig(bottleneck=160, hidden=384, skip=0, blocks=7, repeats=2, dilation=2),
        background=(32, 128, 512),
    ),
    # For hearing aids, two talkers at 2 ms of latency: with so short windows a gammatone filterbank does best (Ditter &
    # Gerkmann, 2020).
    "separate-2spk-hearing-aid": TasNetConfig(
        mask="sigmoid",
        filterbank=FilterbankConfig(window=32, hop=16, filters=128, start="gammatone"),
        separator=TCNConfig(bottleneck=64, hidden=128, skip=64, blocks=7, repeats=2),
    ),
    # For smart speakers, one talker out of noise: 16 ms of latency.
    "enhance-speaker": TasNetConfig(
        sources=1,
        mask="complex",
        filterbank=FilterbankConfig(window=256, hop=128, context=256, filters=514, start="stft"),
        separator=StackedLSTMConfig(hidden=384, layers=2),
    ),
    # For smart speakers, two talkers: 16 ms of latency, chunks of 256 ms.
    "separate-2spk-speaker": TasNetConfig(
        mask="complex",
        filterbank=FilterbankConfig(window=256, hop=128, context=256, filters=514, start="stft"),
        separator=DualPathConfig(bottleneck=96, hidden=128, chunk=32, blocks=4),
    ),
}

# Name in plain data: configuration and network.
ARCHITECTURES: dict[str, tuple[type[NetworkConfig], type[Network]]] = {
    "tasnet": (TasNetConfig, TasNet),
    "fasnet": (FaSNetConfig, FaSNet),
    "fasnet-tac": (FaSNetTACConfig, FaSNetTAC),
}


def preset(name: str) -> NetworkConfig:
    """The configuration of that name."""
    if name not in PRESETS:
        raise ValueError(f"unknown network {name!r}: expected one of {', '.join(PRESETS)}")
    return PRESETS[name]


def build(config: NetworkConfig) -> Network:
    """The network of a configuration, newly initialized."""
    return ARCHITECTURES[architecture(config)][1](config)


def architecture(config: NetworkConfig) -> str:
    """The name of the architecture a configuration is of."""
    return next(name for name, (kind, _) in ARCHITECTURES.items() if kind is type(config))


def config_to_dict(config: NetworkConfig) -> dict[str, Any]:
    """Plain data that `config_from_dict` turns back, with the name of the architecture."""
    return {"architecture": architecture(config), **to_plain(config)}


def config_from_dict(data: dict[str, Any]) -> NetworkConfig:
    """The configuration kept as plain data; `ValueError` for anything unknown in it."""
    data = dict(data)
    name = data.pop("architecture", None)
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise ValueError(f"unknown architecture {name!r}: expected one of {', '.join(map(repr, ARCHITECTURES))}")
    return from_plain(ARCHITECTURES[name][0], data)
