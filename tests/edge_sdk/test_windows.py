"""What a model leaves to the host is done in memory that is there already, and for every microphone alike."""

import tracemalloc

import numpy as np

from edge_sdk import Separator
from edge_sdk.contract import Bundle
from edge_sdk.interpreter import StepInterpreter
from edge_sdk.windows import make_windows


def test_no_block_allocates_samples(array: Bundle) -> None:
    """Views of a hundred bytes come and go; the frames of a block are twice as large as the bound."""
    m = array.manifest
    windows = make_windows(m, StepInterpreter(m, array.model))
    frames = np.random.default_rng(0).standard_normal((m.mics, m.frames_per_step, m.context + m.window))
    frames = frames.astype(np.float32)
    windows.make(frames)
    tracemalloc.start()
    for _ in range(10):
        windows.make(frames)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2048 < frames.nbytes / 2


def test_the_order_of_the_other_microphones_does_not_matter(array: Bundle) -> None:
    """The reference is microphone 1 here."""
    separator = Separator(array)
    x = (0.1 * np.random.default_rng(0).standard_normal((4, 5000))).astype(np.float32)
    y = separator.separate(x)
    np.testing.assert_allclose(separator.separate(x[[3, 1, 0, 2]]), y, rtol=0, atol=1e-5 * np.abs(y).max())
    assert not np.allclose(separator.separate(x[[1, 0, 2, 3]]), y, rtol=0, atol=1e-3 * np.abs(y).max())


def test_what_is_made_holds_until_the_next_block(array: Bundle) -> None:
    m = array.manifest
    windows = make_windows(m, StepInterpreter(m, array.model))
    frames = np.random.default_rng(1).standard_normal((2, m.mics, m.frames_per_step, m.context + m.window))
    first = windows.make(frames[0].astype(np.float32))
    kept = first.copy()
    assert kept.shape == (m.sources, m.frames_per_step, m.window) and kept.any()
    assert windows.make(frames[1].astype(np.float32)) is first
    assert not np.array_equal(first, kept)
