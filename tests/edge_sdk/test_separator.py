"""However the samples arrive, the same sources come out, as late as declared and no later: with NumPy and in C."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_sdk import Separator
from edge_sdk.contract import Bundle
from tests.conftest import small_network

pytestmark = pytest.mark.usefixtures("either_way")


@pytest.fixture(params=["tiny", "carry", "array"])
def separator(request: pytest.FixtureRequest, either_way: None) -> Separator:
    return Separator(request.getfixturevalue(request.param))


def noise(samples: int, seed: int = 0, mics: int = 1) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((mics, samples))).astype(np.float32)


def in_blocks(separator: Separator, x: np.ndarray, sizes: list[int]) -> np.ndarray:
    """Everything that comes out when blocks of these sizes go in, over and over."""
    parts, at, number = [], 0, 0
    while at < x.shape[1]:
        parts.append(separator.process(x[:, at : at + sizes[number % len(sizes)]]))
        at += sizes[number % len(sizes)]
        number += 1
    return np.concatenate([*parts, separator.flush()], axis=1)


@pytest.mark.parametrize("seed", range(4))
def test_random_blocks_give_what_the_whole_gives(separator: Separator, seed: int) -> None:
    x, rng = noise(40_000, seed, separator.mics), np.random.default_rng(seed)
    whole = in_blocks(separator, x, [40_000])
    sizes = [0, *(int(size) for size in rng.integers(1, 5001, 50))]
    np.testing.assert_array_equal(in_blocks(separator, x, sizes), whole)  # the steps are the same, to the last bit


def test_single_samples_give_what_the_whole_gives(separator: Separator) -> None:
    x = noise(500, mics=separator.mics)
    np.testing.assert_array_equal(in_blocks(separator, x, [1]), in_blocks(separator, x, [500]))


@pytest.mark.parametrize("name", ["tiny", "carry", "array"])
def test_the_stream_is_the_networks(name: str, exported_bundle: Callable[[str], Path]) -> None:
    separator, network = Separator.open(exported_bundle(name)), small_network(name)
    x = noise(16_000, mics=separator.mics)
    with torch.no_grad():
        want = network(torch.from_numpy(x)[None])[0].numpy()
    got = in_blocks(separator, x, [997])[:, : x.shape[1]]
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())  # float32 summation order


def test_no_sample_waits_longer_than_the_latency_and_one_waits_that_long(separator: Separator) -> None:
    x, came_out, waits = noise(40 * separator.block, mics=separator.mics), 0, []
    for arrived in range(1, x.shape[1] + 1):
        complete = separator.process(x[:, arrived - 1 : arrived]).shape[1]
        waits += [
            arrived - (at - separator.delay) for at in range(came_out, came_out + complete) if at >= separator.delay
        ]
        came_out += complete
    assert max(waits) == separator.latency


def test_the_past_does_not_hear_the_future(separator: Separator) -> None:
    """Changing input sample k changes nothing in the output before sample k, delay removed."""
    x, k, m = noise(3000, mics=separator.mics), 1700, separator.manifest
    y = separator.separate(x)
    other = x.copy()
    other[:, k:] = noise(3000 - k, 9, separator.mics)
    z = separator.separate(other)
    before = k - m.window - m.alignment
    np.testing.assert_array_equal(z[:, :before], y[:, :before])
    assert not np.array_equal(z[:, k:], y[:, k:])


def test_output_is_aligned_with_input(tiny: Bundle) -> None:
    """Nothing comes out before the frames that touch an impulse, and what comes out begins with them."""
    separator, at = Separator(tiny), 1003
    x = noise(2000)
    click = x.copy()
    click[0, at] += 1
    changed = np.flatnonzero((separator.separate(click) != separator.separate(x))[0])
    hop, window = separator.manifest.hop, separator.manifest.window
    assert changed[0] == at // hop * hop + hop - window


@pytest.mark.parametrize("samples", [0, 1, 15, 16, 17, 47, 48, 49, 1000])
def test_flush_gives_everything_that_went_in(separator: Separator, samples: int) -> None:
    x = noise(samples, mics=separator.mics)
    y = in_blocks(separator, x, [7])
    assert y.shape == (separator.sources, samples + separator.delay)
    assert separator.separate(x).shape == (separator.sources, samples)


def test_flush_and_reset_leave_a_new_separator(separator: Separator) -> None:
    x = noise(2000, mics=separator.mics)
    first = separator.separate(x)
    separator.process(noise(777, 3, separator.mics))
    separator.reset()
    np.testing.assert_array_equal(separator.process(x), first_out(separator, first, 2000))
    separator.flush()
    np.testing.assert_array_equal(separator.separate(x), first)


def first_out(separator: Separator, aligned: np.ndarray, samples: int) -> np.ndarray:
    """What `process` gave of an aligned output, the stretch before the stream included."""
    separator.reset()
    y = separator.process(noise(samples, mics=separator.mics))
    np.testing.assert_array_equal(y[:, separator.delay :], aligned[:, : y.shape[1] - separator.delay])
    separator.reset()
    return y


def test_what_comes_out_is_the_callers(separator: Separator) -> None:
    x = noise(4 * separator.block, mics=separator.mics)
    first = separator.process(x)
    kept = first.copy()
    separator.process(x)
    np.testing.assert_array_equal(first, kept)
    assert first.dtype == np.float32 and first.flags.writeable


def test_one_microphone_needs_no_axis(tiny: Bundle) -> None:
    separator, x = Separator(tiny), noise(1000)
    np.testing.assert_array_equal(separator.separate(x[0]), separator.separate(x))


def test_float64_is_converted(separator: Separator) -> None:
    x = noise(1000, mics=separator.mics)
    np.testing.assert_array_equal(separator.separate(x.astype(np.float64)), separator.separate(x))


@pytest.mark.parametrize("level", [0.0, 1.0, 30.0])
def test_silent_clipped_and_loud_input_stays_finite(separator: Separator, level: float) -> None:
    x = np.clip(1e3 * noise(5000, mics=separator.mics), -1, 1) * np.float32(level)
    assert np.isfinite(separator.separate(x)).all()


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros((2, 100), np.float32), r"shape \[2, 100\]: expected \[1, n\]"),
        (np.zeros((100, 1), np.float32), r"shape \[100, 1\]: expected \[1, n\]"),
        (np.zeros((1, 1, 100), np.float32), r"shape \[1, 1, 100\]"),
        (np.float32(0), r"shape \[\]"),
        (np.zeros((1, 100), np.int16), "int16: expected float32 between -1 and 1; divide 16-bit samples by 32768"),
        (np.zeros((1, 100), np.complex64), "complex64: expected float32"),
        (np.zeros((1, 100), bool), "bool: expected float32"),
        (np.array([["a"]]), "expected float32"),
        (np.array([[0, np.nan]], np.float32), "NaN or infinite"),
        (np.array([[np.inf]], np.float32), "NaN or infinite"),
        (np.array([[1e300]]), "NaN or infinite"),
        (np.array([[1e30]], np.float32), "1e\\+30 times full scale"),
    ],
)
def test_wrong_input_is_refused_and_leaves_the_stream_as_it_was(carry: Bundle, x: np.ndarray, said: str) -> None:
    separator, good = Separator(carry), noise(2000)
    want = separator.separate(good)
    begun = [separator.process(good[:, :1001])]
    for call in (separator.process, separator.separate):
        with pytest.raises(ValueError, match=said):
            call(x)
    y = np.concatenate([*begun, separator.process(good[:, 1001:]), separator.flush()], axis=1)
    np.testing.assert_array_equal(y[:, separator.delay :], want)


def test_a_simulated_day_leaves_a_bounded_state(carry: Bundle) -> None:
    """Rings only turn (see test_rings); the count of frames stops at its horizon, from wherever."""
    separator, x, horizon = Separator(carry), noise(4000), 100
    separator.process(noise(20_000, seed=1))
    count = next(before for before, _ in separator.interpreter.carries if before.shape == (1, 1))
    assert count.item() == horizon
    count[...] = 24 * 3600 * separator.sample_rate / separator.manifest.hop
    y = separator.process(x)
    assert count.item() == horizon
    assert np.isfinite(y).all() and y.any()


def test_as_many_channels_as_microphones_are_taken(array: Bundle) -> None:
    for channels in (1, 3, 5):
        with pytest.raises(ValueError, match=rf"shape \[{channels}, 100\]: expected \[4, n\]"):
            Separator(array).process(noise(100, mics=channels))


def test_attributes_are_the_manifests(carry: Bundle, array: Bundle) -> None:
    separator, m = Separator(carry), carry.manifest
    assert (separator.sample_rate, separator.mics, separator.sources) == (16_000, 1, 2)
    assert (separator.latency, separator.delay, separator.block) == (m.window + 2 * m.hop, m.window - m.hop, 3 * m.hop)
    separator, m = Separator(array), array.manifest
    assert (separator.mics, separator.latency) == (4, m.window + 7 + m.hop)
    assert (separator.delay, separator.block) == (m.window - m.hop + 7, 2 * m.hop)


def test_blocks_can_be_written_where_the_caller_wants_them(separator: Separator) -> None:
    """Into a part of a larger array, as a live loop has it."""
    x = noise(4 * separator.block, mics=separator.mics)
    whole = separator.process(x)
    separator.reset()
    place = np.full((separator.sources, 6 * separator.block), np.nan, np.float32)
    out = place[:, separator.block : 5 * separator.block]
    assert separator.process(x, out) is out
    np.testing.assert_array_equal(out, whole)
    assert np.isnan(place[:, : separator.block]).all() and np.isnan(place[:, 5 * separator.block :]).all()


def test_a_place_of_another_size_is_refused_and_leaves_the_stream_as_it_was(separator: Separator) -> None:
    x = noise(2 * separator.block, mics=separator.mics)
    whole = separator.process(x)
    separator.reset()
    with pytest.raises(ValueError, match="out of shape"):
        separator.process(x, np.empty((separator.sources, separator.block), np.float32))
    with pytest.raises(ValueError, match="float64: expected float32"):
        separator.process(x, np.empty((separator.sources, 2 * separator.block)))
    np.testing.assert_array_equal(separator.process(x), whole)


def test_whole_blocks_allocate_nothing_that_stays(separator: Separator) -> None:
    x = noise(separator.block, mics=separator.mics)
    out = np.empty((separator.sources, separator.block), np.float32)
    for _ in range(50):
        separator.process(x, out)

    def kept() -> int:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(500):
            separator.process(x, out)
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return after - before

    # What a block keeps is there every time; what other threads of the test runner keep is not.
    assert min(kept() for _ in range(3)) < 1000, "bytes after 500 blocks"
