"""A tiny network of each family that the zoo has, for two sources at 16 kHz, and mixtures to train it on."""

import numpy as np
import torch
from scipy.signal import lfilter
from torch import Tensor

from models.fasnet import FaSNetConfig, FaSNetTACConfig
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
from models.tasnet import TasNetConfig
from models.zoo import NetworkConfig, build
from tests.models.free_field import CIRCLE_M, images
from tests.models.recordings import RATE, voice

BANK = FilterbankConfig(window=32, hop=16, filters=32)
STFT = FilterbankConfig(window=32, hop=16, context=32, filters=66, start="stft")
BEAMFORMER = FilterAndSumConfig(window=32, hop=16, context=40, alignment=8)
BLOCKS = TCNConfig(bottleneck=16, hidden=32, skip=0, blocks=3, repeats=1)

FAMILIES: dict[str, NetworkConfig] = {
    "conv-tasnet": TasNetConfig(filterbank=BANK, separator=TCNConfig(bottleneck=16, hidden=32, skip=16, blocks=4)),
    "lstm-tasnet": TasNetConfig(mask="sigmoid", filterbank=BANK, separator=StackedLSTMConfig(hidden=32, layers=2)),
    "dprnn-tasnet": TasNetConfig(
        mask="sigmoid", filterbank=BANK, separator=DualPathConfig(bottleneck=16, hidden=24, chunk=20, blocks=2)
    ),
    "skim-tasnet": TasNetConfig(
        mask="sigmoid", filterbank=BANK, separator=SkiMConfig(bottleneck=16, hidden=24, segment=20, blocks=2)
    ),
    "tdcn-tasnet": TasNetConfig(
        mask="sigmoid", filterbank=BANK, separator=TDCNConfig(bottleneck=16, hidden=24, blocks=3, repeats=2)
    ),
    "multichannel-tasnet": TasNetConfig(
        mask="complex", filterbank=STFT, separator=BLOCKS, spatial=SpatialConfig(4, combine="filter-and-sum")
    ),
    "views-tasnet": TasNetConfig(
        mask="complex",
        filterbank=STFT,
        separator=BLOCKS,
        spatial=SpatialConfig(4, combine="filter-and-sum", views=((2, 0, 1, 3), (0, 3, 2, 1))),
        narrow_band=NarrowBandConfig(4, 16, memory=6),
    ),
    "fasnet": FaSNetConfig(beamformer=BEAMFORMER, encoder=16, separator=BLOCKS),
    "fasnet-tac": FaSNetTACConfig(beamformer=BEAMFORMER, encoder=16, tac=16, separator=BLOCKS),
}


def family(name: str) -> Network:
    """A network of that family, always with the same first weights."""
    torch.manual_seed(1)
    return build(FAMILIES[name])


def mixture(network: Network, number: int, samples: int) -> tuple[Tensor, Tensor]:
    """A mixture `[mics, n]` and its sources `[2, n]` that such a network can take apart, always the same by number."""
    made = voice_and_noise if network.mics == 1 else two_voices
    return made(number, samples)


def voice_and_noise(number: int, samples: int) -> tuple[Tensor, Tensor]:
    """A voice, and noise as loud whose spectrum falls much as the voice's does."""
    rng = np.random.default_rng(number)
    spoken = voice(5000 + number, 1.5 * samples / RATE)[-samples:]
    noise = lfilter([1], [1, -0.9], rng.standard_normal(samples + 100))[100:]
    sources = np.stack([spoken, noise * spoken.std() / noise.std()]).astype(np.float32)
    return torch.from_numpy(sources.sum(axis=0, keepdims=True)), torch.from_numpy(sources)


def two_voices(number: int, samples: int) -> tuple[Tensor, Tensor]:
    """Two voices from two directions, in the open, at a circle of four microphones; sources are those at the first."""
    rng = np.random.default_rng(number)
    azimuth_deg, apart_deg = rng.uniform(0, 360), rng.uniform(60, 300)
    voices = np.stack([voice(1000 + 2 * number + n, 1.5 * samples / RATE)[-samples:] for n in range(2)])
    heard = images(voices, CIRCLE_M, [azimuth_deg, azimuth_deg + apart_deg])
    return torch.from_numpy(heard.sum(axis=0)), torch.from_numpy(heard[:, 0])
