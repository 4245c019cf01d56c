"""The device's filter-and-sum is the network's, and a network run with it gives the network's sources."""

import tracemalloc

import numpy as np
import pytest
import torch

from edge_sdk.filter_and_sum import FilterAndSum, Similarity, Strips, shares
from edge_sdk.framing import FrameBuffer, OverlapAdd
from models.fasnet import FaSNet, FaSNetConfig, FaSNetTAC, FaSNetTACConfig
from models.layers import filter_and_sum as twin
from models.layers.filter_and_sum import FilterAndSumConfig
from models.layers.tcn import TCNConfig

# mics, references or sources, frames in a block, window, taps: whole strips and not, fewer taps than a strip
SIZES = [(4, 2, 4, 64, 129), (2, 1, 1, 16, 32), (1, 3, 2, 5, 3), (3, 2, 3, 24, 33)]
BEAMFORMER = FilterAndSumConfig(window=16, hop=8, context=36, alignment=5)
FRAMES = 3  # in a block


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("mics", "references", "frames", "window", "taps"), SIZES)
def test_similarity_is_that_of_the_network(mics: int, references: int, frames: int, window: int, taps: int) -> None:
    strips = Strips(mics, frames, window, taps)
    layer, out = Similarity(strips, references), np.empty((references, mics, frames, taps), np.float32)
    for block in range(3):  # work space that is used again, and silence
        x, wanted = noise(mics, frames, window + taps - 1) + block, noise(references, frames, window) - block
        x[0, 0], wanted[-1, -1, : window // 2] = 0, 0
        strips.take(x)
        layer.measure(wanted, out)
        expected = twin.similarity(torch.from_numpy(x)[None], torch.from_numpy(wanted)[None])[0]
        np.testing.assert_allclose(out, expected, rtol=0, atol=1e-5)  # float32 summation order


@pytest.mark.parametrize(("mics", "sources", "frames", "window", "taps"), SIZES)
def test_filter_and_sum_is_that_of_the_network(mics: int, sources: int, frames: int, window: int, taps: int) -> None:
    strips = Strips(mics, frames, window, taps)
    layer, out = FilterAndSum(strips, sources), np.empty((sources, frames, window), np.float32)
    for block in range(3):
        x, filters = noise(mics, frames, window + taps - 1) + block, noise(mics, frames, sources, taps)
        strips.take(x)
        layer.add(filters, out)
        expected = twin.filter_and_sum(torch.from_numpy(x)[None], torch.from_numpy(filters)[None])[0]
        # Float32 sums of up to 516 products in another order, the sums being of the order of 50.
        np.testing.assert_allclose(out, expected, rtol=0, atol=1e-4)


def test_shares_are_those_of_the_network() -> None:
    x, out = noise(4, 5, 24), np.empty((4, 5), np.float32)
    x[1, 2:], x[:, 4], x[3, 0, 5:] = 0, 0, 0
    shares(x, out)
    np.testing.assert_array_equal(out, twin.shares(torch.from_numpy(x)[None])[0].numpy())


def test_no_block_allocates_samples() -> None:
    """Views of a hundred bytes come and go; one window of the block is larger than the bound."""
    mics, sources, frames, window, taps = 4, 2, 4, 1024, 257
    strips = Strips(mics, frames, window, taps)
    likeness, filters = Similarity(strips, 1), FilterAndSum(strips, sources)
    x, wanted = noise(mics, frames, window + taps - 1), noise(1, frames, window)
    measured, tap = np.empty((1, mics, frames, taps), np.float32), noise(mics, frames, sources, taps)
    out, part = np.empty((sources, frames, window), np.float32), np.empty((mics, frames), np.float32)

    def run() -> None:
        strips.take(x)
        likeness.measure(wanted, measured)
        filters.add(tap, out)
        shares(x, part)

    run()
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4096 == out[0, 0].nbytes


def test_a_network_with_its_samples_on_the_device_gives_the_same_sources() -> None:
    torch.manual_seed(0)
    separator = TCNConfig(bottleneck=6, hidden=8, skip=0, blocks=2, repeats=2)
    config = FaSNetTACConfig(mics=3, reference=1, beamformer=BEAMFORMER, encoder=5, tac=7, separator=separator)
    network = FaSNetTAC(config).eval()
    strips = Strips(3, FRAMES, BEAMFORMER.window, BEAMFORMER.taps)
    layer, filters = Similarity(strips, 1), FilterAndSum(strips, 2)
    likeness, share = np.empty((1, 3, FRAMES, BEAMFORMER.taps), np.float32), np.empty((3, FRAMES), np.float32)
    memory = network.init_memory(1, 3)

    def separate(frames: np.ndarray, out: np.ndarray) -> None:
        nonlocal memory
        strips.take(frames)
        layer.measure(frames[1:2, :, BEAMFORMER.wanted], likeness)
        shares(frames, share)
        with torch.no_grad():
            taps, memory = network.frame_step(
                *(torch.from_numpy(a.copy())[None] for a in (frames, likeness[0], share)), memory
            )
        filters.add(taps[0].numpy(), out)

    check_stream(network, separate)


def test_a_two_stage_network_with_its_samples_on_the_device_gives_the_same_sources() -> None:
    torch.manual_seed(0)
    separator = TCNConfig(bottleneck=6, hidden=8, skip=4, blocks=2, repeats=1)
    network = FaSNet(FaSNetConfig(mics=3, beamformer=BEAMFORMER, encoder=5, separator=separator)).eval()
    reference, others = (Strips(mics, FRAMES, BEAMFORMER.window, BEAMFORMER.taps) for mics in (1, 2))
    first, second = Similarity(others, 1), Similarity(others, 2)
    filters = FilterAndSum(reference, 2), FilterAndSum(others, 2)
    likeness = [np.empty((n, 2, FRAMES, BEAMFORMER.taps), np.float32) for n in (1, 2)]
    share, added = np.empty((2, FRAMES), np.float32), np.empty((2, FRAMES, BEAMFORMER.window), np.float32)
    memories = list(network.init_memory(1, 3))

    def separate(frames: np.ndarray, out: np.ndarray) -> None:
        reference.take(frames[:1])
        others.take(frames[1:])
        first.measure(frames[:1, :, BEAMFORMER.wanted], likeness[0])
        shares(frames[1:], share)
        pooled = np.einsum("mt,mtk->tk", share, likeness[0][0])
        with torch.no_grad():
            x, y = torch.from_numpy(frames[:1].copy()), torch.from_numpy(pooled)[None]
            taps, memories[0] = network.reference_step(x, y, memories[0])
            filters[0].add(taps.numpy(), out)
            second.measure(out, likeness[1])
            x, y = torch.from_numpy(frames[1:].copy())[None], torch.from_numpy(likeness[1])[None]
            taps, memories[1] = network.others_step(x, y, memories[1])
        filters[1].add(taps[0].numpy(), added)
        out += added

    check_stream(network, separate)


def check_stream(network: FaSNet | FaSNetTAC, separate: object) -> None:
    """Frames, blocks and overlap-add of the device around `separate` give what the network gives."""
    x = noise(3, BEAMFORMER.hop * FRAMES * 9)
    buffer = FrameBuffer(3, BEAMFORMER.frame, BEAMFORMER.hop, FRAMES)
    overlap_add = OverlapAdd(2, BEAMFORMER.window, BEAMFORMER.hop, FRAMES)
    windows, got = np.empty((2, FRAMES, BEAMFORMER.window), np.float32), []
    for frames in buffer.push(x):
        separate(frames, windows)
        got.append(np.empty((2, BEAMFORMER.hop * FRAMES), np.float32))
        overlap_add.add(windows, got[-1])
    with torch.no_grad():
        expected = network(torch.from_numpy(x)[None])[0].numpy()
    np.testing.assert_allclose(np.concatenate(got, axis=1), expected, rtol=0, atol=1e-5)
