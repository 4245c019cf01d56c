"""The C extension gives what NumPy gives to the last bit, without allocating."""

import gc
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk import Separator, native
from edge_sdk.blocks import NumpyBlocks
from edge_sdk.contract import Bundle, DelayLine, read_bundle
from edge_sdk.errors import BackendError
from edge_sdk.library import find_model
from tests.edge_sdk.made_up_stream import Shape, noise


@pytest.fixture
def both(extension: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[Bundle], tuple[Separator, Separator]]:
    """A model with NumPy, and with the extension."""

    def opened(bundle: Bundle) -> tuple[Separator, Separator]:
        made = []
        for module in (None, extension):
            monkeypatch.setattr(native, "found", lambda module=module: native.Found(module))
            made.append(Separator(bundle))
        assert isinstance(made[0]._blocks, NumpyBlocks) and isinstance(made[1]._blocks, extension.Blocks)
        return made[0], made[1]

    return opened


def bundle_of(name: str, request: pytest.FixtureRequest) -> Bundle:
    return read_bundle(find_model(name)) if "-" in name else request.getfixturevalue(name)


def assert_same_stream(numpy: Separator, native: Separator, seed: int, seconds: float = 1.0) -> None:
    """Blocks of any sizes, empty ones too, with resets and flushes between them."""
    rng = np.random.default_rng(seed)
    x, at = noise(int(seconds * numpy.sample_rate), seed, numpy.mics), 0
    while at < x.shape[1]:
        size = int(rng.choice([0, 1, numpy.block, rng.integers(2, 4 * numpy.block), 9 * numpy.block + 1]))
        ours, theirs = (separator.process(x[:, at : at + size]) for separator in (native, numpy))
        assert ours.shape == theirs.shape and ours.tobytes() == theirs.tobytes(), f"samples {at} to {at + size}"
        at += size
        if (dice := rng.integers(200)) == 0:
            assert native.flush().tobytes() == numpy.flush().tobytes()
        elif dice == 1:
            native.reset()
            numpy.reset()
    assert native.flush().tobytes() == numpy.flush().tobytes()


@pytest.mark.parametrize("name", ["enhance-mono", "enhance-hearing-aid-float32", "tiny", "carry", "array"])
@pytest.mark.parametrize("seed", [0, 1])
def test_streams_are_the_same_to_the_last_bit(
    name: str, seed: int, both: Callable[..., tuple[Separator, Separator]], request: pytest.FixtureRequest
) -> None:
    assert_same_stream(*both(bundle_of(name, request)), seed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "frames"),
    [
        ("lstm-tasnet-edge", 1),
        ("dprnn-tasnet-edge", 2),
        ("array4-2spk-edge", 3),
        ("fasnet-tac-edge", 1),
        ("fasnet-tac-edge", 4),
        ("conv-tasnet-edge", 8),
    ],
)
def test_streams_of_presets_are_the_same_to_the_last_bit(
    name: str, frames: int, both: Callable[..., tuple[Separator, Separator]]
) -> None:
    import torch

    from models.zoo import build, preset
    from quantization.export import export
    from quantization.quantize import quantize

    torch.manual_seed(0)
    artifact = quantize(export(build(preset(name)).eval(), name, frames), "dynamic_int8", name)
    assert_same_stream(*both(artifact.bundle), seed=2, seconds=3.0)


def test_a_step_that_fails_leaves_the_same_stream(
    carry: Bundle, both: Callable[..., tuple[Separator, Separator]]
) -> None:
    pair, x = both(carry), noise(5000)
    for separator in pair:
        separator.process(x[:, :1000])
        invoke, steps = separator.interpreter.invoke, iter(range(3))

        def fail(invoke: Any = invoke, steps: Any = steps) -> None:
            if next(steps) == 2:
                raise BackendError("a step failed")
            invoke()

        separator.interpreter.invoke = fail  # type: ignore[method-assign]
        with pytest.raises(BackendError, match="a step failed"):
            separator.process(x[:, 1000:2000])
        separator.interpreter.invoke = invoke  # type: ignore[method-assign]
    numpy, native = (np.concatenate([s.process(x[:, 2000:]), s.flush()], axis=1) for s in pair)
    assert native.tobytes() == numpy.tobytes()


@given(
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(1, 4)),
    context=st.integers(0, 20),
    lines=st.lists(st.builds(DelayLine, st.integers(2, 4), st.integers(1, 9)), min_size=1, max_size=4).map(tuple),
    cuts=st.lists(st.integers(0, 500), max_size=8),
)
@settings(deadline=None, max_examples=60)
def test_any_shape_moves_the_same_bytes(
    extension: Any, sizes: tuple[int, ...], context: int, lines: tuple[DelayLine, ...], cuts: list[int]
) -> None:
    """Frames, taps and carries that the model is given, and the samples that come out."""
    numpy, native = Shape(*sizes, context, lines), Shape(*sizes, context, lines)
    pieces = np.split(noise(500, mics=numpy.mics)[:, ::-1], sorted(cuts), axis=1)
    assert native.run_native(extension, pieces) == numpy.run_numpy(pieces)
    assert native.taken == numpy.taken


def test_a_reset_stream_begins_anew(extension: Any) -> None:
    x = noise(50, mics=2)
    shape = Shape(mics=2)
    blocks, first = extension.Blocks(**shape.arguments()), np.zeros((2, 48), np.float32)
    blocks.run(x, first)
    taken, shape.taken, shape.rng = shape.taken, [], np.random.default_rng(0)
    assert blocks.pending == 2
    blocks.reset()
    shape.rings.reset()
    shape.before[...] = shape.taps[...] = 0
    again = np.zeros_like(first)
    blocks.run(x, again)
    assert shape.taken == taken and again.tobytes() == first.tobytes()


def test_a_stream_that_nobody_holds_is_given_back(
    carry: Bundle, both: Callable[..., tuple[Separator, Separator]]
) -> None:
    """Also where it holds itself, through the model that it calls."""
    _, separator = both(carry)
    interpreter, memory = weakref.ref(separator.interpreter), weakref.ref(separator.interpreter.delays[0][0].memory)
    separator.interpreter.owner = separator  # type: ignore[attr-defined]
    del separator, _
    gc.collect()
    assert interpreter() is None and memory() is None


def test_a_block_allocates_nothing(extension: Any) -> None:
    """The loop's own counter is less than 200 bytes; a block of samples is ten times as large."""

    class Model(Shape):
        def invoke(self) -> None:
            pass

    model = Model(mics=2, steps=4, hop=64)
    blocks, x, y = extension.Blocks(**model.arguments()), noise(256, mics=2), np.zeros((2, 256), np.float32)
    blocks.run(x, y)
    tracemalloc.start()
    for _ in range(100):
        blocks.run(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 < y.nbytes / 10
