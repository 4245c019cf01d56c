"""The device's framing is the network's framing, however the samples arrive."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk.framing import FrameBuffer, OverlapAdd
from models import framing as torch_framing

# mics or sources, hops in a window, hops of context (in half hops), hop, frames per block
SIZES = [(1, 2, 14, 64, 1), (2, 1, 0, 16, 3), (3, 4, 5, 8, 2), (1, 2, 0, 1, 1), (2, 3, 1, 10, 8)]


def ragged(x: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    """The samples in pieces, empty ones too."""
    return np.split(x, sorted(cut % (x.shape[1] + 1) for cut in cuts), axis=1)


@pytest.mark.parametrize(("channels", "overlap", "context", "hop", "frames"), SIZES)
@given(cuts=st.lists(st.integers(0, 10_000)), blocks=st.integers(1, 40), rest=st.integers(0, 10_000))
@settings(deadline=None, max_examples=30)
def test_frames_are_those_of_the_network(
    channels: int, overlap: int, context: int, hop: int, frames: int, cuts: list[int], blocks: int, rest: int
) -> None:
    length, block = overlap * hop + context * hop // 2, hop * frames
    x = np.random.default_rng(0).standard_normal((channels, blocks * block + rest % block)).astype(np.float32)
    buffer = FrameBuffer(channels, length, hop, frames)
    got = [windows.copy() for piece in ragged(x, cuts) for windows in buffer.push(piece)]
    want = torch_framing.Frames(length, hop)(torch.from_numpy(x[:, : blocks * block].copy())).numpy()
    np.testing.assert_array_equal(np.concatenate(got, axis=1), want)
    assert buffer.pending == rest % block


@pytest.mark.parametrize(("channels", "overlap", "context", "hop", "frames"), SIZES)
def test_overlap_and_add_is_that_of_the_network(
    channels: int, overlap: int, context: int, hop: int, frames: int
) -> None:
    window = overlap * hop
    windows = np.random.default_rng(1).standard_normal((channels, 25 * frames, window)).astype(np.float32)
    twin, got = OverlapAdd(channels, window, hop, frames), np.empty((channels, 25 * frames * hop), np.float32)
    layer = torch_framing.OverlapAdd(window, hop)
    for _ in range(2):  # the second time after a reset
        state = layer.init_state(channels)
        for at in range(0, 25 * frames, frames):
            block = np.ascontiguousarray(windows[:, at : at + frames])
            twin.add(block, got[:, at * hop : (at + frames) * hop])
            want, state = layer.step(torch.from_numpy(block), state)
            np.testing.assert_array_equal(got[:, at * hop : (at + frames) * hop], want.numpy())
        twin.reset()


def test_a_reset_buffer_forgets() -> None:
    x = np.random.default_rng(2).standard_normal((2, 333)).astype(np.float32)
    used, fresh = FrameBuffer(2, 48, 16, 2), FrameBuffer(2, 48, 16, 2)
    list(used.push(x[:, :100]))
    used.reset()
    for a, b in zip(used.push(x), fresh.push(x), strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_block_allocates_samples() -> None:
    """Views of a hundred bytes come and go; a block of samples is 16 times as large as the bound."""
    mics, hop, frames = 4, 512, 4
    buffer, overlap_add = FrameBuffer(mics, 4 * hop, hop, frames), OverlapAdd(mics, 2 * hop, hop, frames)
    x, out = np.zeros((mics, 4 * hop * frames), np.float32), np.zeros((mics, hop * frames), np.float32)

    def run() -> None:
        for windows in buffer.push(x):
            frame[...] = windows
            overlap_add.add(sources, out)

    frame, sources = np.zeros((mics, frames, 4 * hop), np.float32), np.zeros((mics, frames, 2 * hop), np.float32)
    run()
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2048 == out.nbytes // 16
