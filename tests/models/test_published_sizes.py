"""Networks at the settings of their papers have the published number of parameters, and the work that these imply."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from models.fasnet import FaSNetTACConfig
from models.layers.dual_path import DualPathConfig
from models.layers.filter_and_sum import FilterAndSumConfig
from models.layers.filterbanks import FilterbankConfig
from models.layers.tcn import CausalDepthwise, TCNConfig
from models.network import Network
from models.tasnet import TasNetConfig
from models.zoo import PRESETS, NetworkConfig, build


@dataclass(frozen=True)
class Reference:
    """A network as published.

    millions: of parameters, from the paper. asteroid: their number in Asteroid 0.7, as `make test-import` prints it.
    folded: parameters of theirs that ours does without, less those the other way around: a norm's gain and bias are in
    the linear layer after it. macs: multiply-accumulates of the layers for so many frames of so many microphones, by
    the letters of the paper. giga_per_s: the same for a second of one mixture, in 1e9.
    """

    config: NetworkConfig
    millions: float
    asteroid: int
    folded: int
    macs: Callable[[int, int], int]
    giga_per_s: float
    mics: int = 1


def conv_tasnet(frames: int, mics: int) -> int:
    n, l, b, h, sc, p, x, r, c = 512, 16, 128, 512, 128, 3, 8, 3, 2  # noqa: E741 - the paper's letters
    return frames * (n * l + n * b + x * r * (b * h + p * h + h * (b + sc)) + sc * c * n + c * n * l)


def lstm_tasnet(frames: int, mics: int) -> int:
    n, l, h, c = 500, 40, 1000, 2  # noqa: E741
    return frames * (2 * n * l + 4 * h * (n + h) + 3 * 4 * h * (h + h) + h * c * n + c * n * l)


def dual_path(n: int, h: int, blocks: int) -> int:
    """For a frame in a chunk: LSTMs of both directions and a linear layer, within chunks and across them."""
    return blocks * 2 * (2 * 4 * h * (n + h) + 2 * h * n)


def in_chunks(frames: int, k: int) -> int:
    """Frames of all chunks. They overlap by half, from one chunk before the signal to one after it."""
    return ((frames + k) // (k // 2) + 1) * k


def dprnn_tasnet(frames: int, mics: int) -> int:
    n, l, h, b, k, c = 64, 16, 128, 6, 100, 2  # noqa: E741
    once = n * l + n * n + c * (2 * n * n + n * n) + c * n * l
    return frames * once + in_chunks(frames, k) * (dual_path(n, h, b) + n * c * n)


def fasnet_tac(frames: int, mics: int) -> int:
    n, window, context, h, b, tac, k, c = 64, 64, 256, 128, 4, 384, 50, 2
    taps = 2 * context + 1
    once = n * (window + 2 * context) + (n + taps) * n + c * 2 * n * taps
    exchanges, common = b * (n * tac + 2 * tac * n), b * tac * tac
    in_one = mics * (dual_path(n, h, b) + exchanges + n * c * n) + common
    return mics * frames * once + in_chunks(frames, k) * in_one


CHUNKED = {"causal": False, "norm": "global"}
REFERENCES = {
    # Luo & Mesgarani (2019), table II, its causal form. Gains and biases of the first norm and of two in each block.
    "Conv-TasNet": Reference(
        PRESETS["conv-tasnet-paper"], 5.1, 5_050_545, 2 * 512 + 24 * 2 * 2 * 512, conv_tasnet, 4.98
    ),
    "Conv-TasNet, not causal": Reference(
        TasNetConfig(sample_rate=8_000, separator=TCNConfig(norm="global", causal=False, shift=True)),
        5.1,
        5_050_545,
        2 * 512 + 24 * 3 * 512,  # the bias of one norm of each block stays: it is the shift
        conv_tasnet,
        4.98,
    ),
    # Luo & Mesgarani (2018); its size stands in the 2019 paper, table IV.
    "LSTM-TasNet": Reference(PRESETS["lstm-tasnet-paper"], 32.0, 31_094_000, 2 * 500, lstm_tasnet, 6.22),
    # Luo, Chen & Yoshioka (2020), at windows of 2 ms.
    "DPRNN-TasNet": Reference(
        TasNetConfig(
            sample_rate=8_000,
            filterbank=FilterbankConfig(filters=64, activation="linear"),
            separator=DualPathConfig(bottleneck=64, hidden=128, chunk=100, blocks=6, **CHUNKED),
        ),
        2.6,
        2_609_857,
        2 * 64,
        dprnn_tasnet,
        5.93,
    ),
    # Luo et al. (2020). The bottleneck has no bias there; here it holds that of the encoder's norm.
    "FaSNet-TAC": Reference(
        FaSNetTACConfig(
            mics=6,
            tac=384,
            beamformer=FilterAndSumConfig(window=64, hop=32, context=512, alignment=256),
            separator=DualPathConfig(bottleneck=64, hidden=128, chunk=50, blocks=4, **CHUNKED),
        ),
        2.8,
        2_759_375,
        2 * 64 - 64,
        fasnet_tac,
        15.14,
        mics=6,
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_parameters_are_those_published(name: str) -> None:
    reference = REFERENCES[name]
    parameters = sum(p.numel() for p in build(reference.config).parameters())
    assert parameters + reference.folded == reference.asteroid
    # Papers give two or three figures. The layers that LSTM-TasNet's names sum up to 31.1 M, 3 % less than it says.
    assert parameters / 1e6 == pytest.approx(reference.millions, rel=0.03)


@pytest.mark.parametrize("name", REFERENCES)
def test_multiply_accumulates_are_those_of_the_published_layers(name: str) -> None:
    reference, frames = REFERENCES[name], 60
    network = build(reference.config).eval()
    assert layer_macs(network, torch.randn(1, reference.mics, frames * network.hop)) == reference.macs(
        frames, reference.mics
    )
    second = reference.config.sample_rate // network.hop
    assert reference.macs(second, reference.mics) / 1e9 == pytest.approx(reference.giga_per_s, abs=0.005)


@torch.no_grad()
def layer_macs(network: Network, x: Tensor) -> int:
    """Multiply-accumulates of all linear, recurrent and depthwise layers while a network works on `x`."""
    total = 0

    def count(layer: nn.Module, given: tuple[Tensor, ...], y: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Linear):
            total += y.numel() * layer.in_features
        elif isinstance(layer, nn.LSTM):
            gates = 4 * layer.hidden_size * (layer.input_size + layer.hidden_size) * (2 if layer.bidirectional else 1)
            total += given[0].shape[:2].numel() * gates

    for layer in network.modules():
        layer.register_forward_hook(count)
        if isinstance(layer, CausalDepthwise):  # stepped, not called
            total += layer.weight.numel() * x.shape[-1] // network.hop
    network(x)
    return total
