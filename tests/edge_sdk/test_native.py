"""The C extension gives what NumPy gives to the last bit, and raises where it is given something else."""

import gc
import os
import subprocess
import sys
import tracemalloc
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk import Separator, native
from edge_sdk.audio.levels import LOUDEST
from edge_sdk.blocks import NumpyBlocks
from edge_sdk.contract import Bundle, DelayLine, DelayLines, read_bundle
from edge_sdk.errors import BackendError
from edge_sdk.framing import FrameBuffer, OverlapAdd
from edge_sdk.library import find_model
from edge_sdk.rings import Rings, whole_rows
from tests.edge_sdk.native_extension import SOURCES

WIDTH = 3


def noise(samples: int, seed: int = 0, mics: int = 1) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((mics, samples))).astype(np.float32)


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


@dataclass
class Shape:
    """Of a stream, with a model that remembers what it was given and gives noise."""

    mics: int = 1
    sources: int = 2
    steps: int = 2
    hop: int = 4
    overlap: int = 2
    context: int = 3
    lines: tuple[DelayLine, ...] = (DelayLine(3, 1), DelayLine(2, 5))
    carried: tuple[int, ...] = (2, 5)
    taken: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        window = self.overlap * self.hop
        # The model's own order, as networks of several microphones have it: views of both are not in one piece.
        self.frames = np.zeros((self.steps, self.mics, self.context + window), np.float32).transpose(1, 0, 2)
        self.windows = np.zeros((self.steps, self.sources, window), np.float32).transpose(1, 0, 2)
        self.rings = Rings(DelayLines("taps", "rows", WIDTH, self.lines), self.steps)
        self.taps = np.zeros((self.rings.taps, WIDTH), np.float32)
        self.rows = np.zeros((self.rings.new_rows, WIDTH), np.float32)
        self.before, self.after = (np.zeros(self.carried, np.float32) for _ in range(2))
        self.rng = np.random.default_rng(0)

    def arguments(self) -> dict[str, Any]:
        rings = ((self.rings.memory, self.taps, self.rows, self.rings.reads, self.rings.writes),)
        carries = ((self.before, self.after),)
        given = {"model": self, "frames": self.frames, "windows": self.windows, "hop": self.hop}
        return {**given, "rings": rings, "carries": carries, "loudest": LOUDEST}

    def invoke(self) -> None:
        self.taken += [array.tobytes() for array in (self.frames, self.taps, self.before)]
        for array in (self.windows, self.rows, self.after):
            array[...] = self.rng.standard_normal(array.shape) * self.rng.integers(0, 2)  # often -0.0

    def run_numpy(self, pieces: list[np.ndarray]) -> list[bytes]:
        """What each piece gives, by the parts of `NumpyBlocks` and `StepInterpreter`."""
        window, out = self.overlap * self.hop, []
        buffer = FrameBuffer(self.mics, self.context + window, self.hop, self.steps)
        overlap_add = OverlapAdd(self.sources, window, self.hop, self.steps)
        for piece in pieces:
            blocks = []
            for frames in buffer.push(piece):
                self.frames[...] = frames
                self.rings.read(whole_rows(self.taps))
                self.invoke()
                self.rings.write(whole_rows(self.rows))
                self.before[...] = self.after
                blocks.append(np.empty((self.sources, self.hop * self.steps), np.float32))
                overlap_add.add(np.ascontiguousarray(self.windows), blocks[-1])
            out.append(np.concatenate([np.empty((self.sources, 0), np.float32), *blocks], axis=1).tobytes())
        return out

    def run_native(self, extension: Any, pieces: list[np.ndarray]) -> list[bytes]:
        blocks, out, block = extension.Blocks(**self.arguments()), [], self.hop * self.steps
        for piece in pieces:
            n = (blocks.pending + piece.shape[1]) // block * block
            y = np.full((2 * n + 1, self.sources), np.nan, np.float32).T[:, : 2 * n : 2]  # anywhere, in any order
            blocks.run(piece, y)
            out.append(y.tobytes())
        return out


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


@pytest.mark.parametrize(
    ("x", "fits"),
    [
        (noise(20, mics=2), True),
        (noise(20, mics=4)[::-2, ::3], True),
        (noise(0, mics=2), True),
        (np.frombuffer(bytes(161), np.float32, 40, 1).reshape(2, 20), True),  # not aligned
        (np.full((2, 20), 158.0, np.float32), True),  # an energy of just below 1e6
        (np.full((2, 20), 159.0, np.float32), False),
        (np.full((2, 20), 3e38, np.float32), False),
        (np.array([[0, np.nan], [0, 0]], np.float32), False),
        (np.array([[0, 0], [0, -np.inf]], np.float32), False),
        (noise(20, mics=3), False),
        (noise(20)[0], False),
        (noise(20, mics=2).astype(">f4"), False),
        (noise(20, mics=2).astype(np.float64), False),
        (np.zeros((2, 20), np.int32), False),
        (np.zeros((2, 20), object), False),
        ([[0.0], [0.0]], False),
        (None, False),
        (bytes(40), False),
    ],
)
def test_what_fits_is_plausible_float32_of_all_microphones(extension: Any, x: Any, fits: bool) -> None:
    assert extension.Blocks(**Shape(mics=2).arguments()).fits(x) is fits


def with_run(shape: Shape, *run: Any) -> dict[str, Any]:
    memory, taps, rows, reads, writes = shape.arguments()["rings"][0]
    return {"rings": ((memory, taps, rows, (run, *reads[1:]), writes),)}


def with_ring(shape: Shape, **changes: Any) -> dict[str, Any]:
    names = ("memory", "taps", "rows", "reads", "writes")
    ring = dict(zip(names, shape.arguments()["rings"][0], strict=True))
    return {"rings": (tuple({**ring, **changes}.values()),)}


HUGE, READONLY = sys.maxsize, np.zeros((1, 2, 11), np.float32)
READONLY.flags.writeable = False


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: {"frames": None}, "a bytes-like object is required"),
        (lambda s: {"frames": np.zeros((1, 2, 11))}, "frames of 3 dimensions and format 'd': expected float32"),
        (lambda s: {"frames": np.zeros((2, 11), np.float32)}, "frames of 2 dimensions"),
        (lambda s: {"frames": READONLY}, "read-only|not writ"),
        (
            lambda s: {"frames": np.zeros((1, 2, 22), np.float32)[..., ::2]},
            "frames: expected aligned rows without gaps",
        ),
        (lambda s: {"frames": np.zeros((1, 2, 0), np.float32)}, "at least one number"),
        (lambda s: {"frames": np.zeros((1, 3, 11), np.float32)}, r"frames \[1, 3, 11\], windows \[2, 2, 8\], hop 4"),
        (lambda s: {"frames": np.zeros((1, 2, 7), np.float32)}, "windows no longer than frames"),
        (lambda s: {"windows": np.zeros((2, 2, 8), "<i4")}, "windows of 3 dimensions and format 'i'"),
        (lambda s: {"windows": np.frombuffer(bytes(129), np.float32, 32, 1).reshape(2, 2, 8)}, "aligned"),
        *((lambda s, hop=hop: {"hop": hop}, "whole hops in a window") for hop in (0, -4, 3, HUGE, -HUGE - 1)),
        (lambda s: {"hop": 2 * HUGE}, "too large"),
        (lambda s: {"hop": 4.0}, "integer"),
        (lambda s: {"rings": [1]}, "must be tuple"),
        (lambda s: {"rings": (1,)}, "rings: expected tuples"),
        (lambda s: {"rings": ((1, 2),)}, "exactly 5 arguments"),
        (lambda s: with_ring(s, memory=np.zeros((7, 4), np.float32)), "expected 4, that of the memory"),
        (lambda s: with_ring(s, memory=s.rings.memory[:, ::-1]), "contiguous"),
        (lambda s: with_ring(s, memory=s.rings.memory[:5]), "expected a ring of at least 2 rows among 5"),
        (lambda s: with_ring(s, taps=s.taps[:-1]), "run 2, .* at most 1 rows of it"),
        (lambda s: with_ring(s, taps=np.zeros((99, WIDTH), np.float32)), "runs of 5 rows: expected 99"),
        (lambda s: with_ring(s, rows=s.rows[:3]), "run 1, "),
        (lambda s: with_ring(s, reads=[]), "must be tuple"),
        (lambda s: with_ring(s, writes=(None,)), "runs: expected tuples"),
        (lambda s: with_run(s, 0, 2, 0), "exactly 4 arguments"),
        *(
            (lambda s, run=run: with_run(s, *run), "expected a ring of at least 2 rows among 7")
            for run in (
                *((-1, 2, 0, 2), (6, 2, 0, 2), (HUGE, 2, 0, 2), (0, 1, 0, 1), (0, 8, 0, 2), (0, HUGE, 0, 2)),
                *((0, 2, -1, 2), (0, 2, 2, 2), (0, 2, 0, 0), (0, 2, 0, 3), (0, 2, 0, -HUGE), (0, 7, 0, 6)),
            )
        ),
        (lambda s: {"carries": ((s.before,),)}, "exactly 2 arguments"),
        (lambda s: {"carries": ((s.before, s.after[:1]),)}, "a carry of 40 bytes before and 20 after"),
        (lambda s: {"carries": ((s.before, s.after.astype(np.float64)),)}, "after of 2 dimensions and format 'd'"),
        (lambda s: {"carries": ((np.float32(0), np.float32(0)),)}, "readonly"),
        (lambda s: {"loudest": "loud"}, "real number"),
    ],
)
def test_buffers_that_do_not_fit_each_other_are_refused(extension: Any, change: Callable, said: str) -> None:
    shape = Shape()
    with pytest.raises((TypeError, ValueError, BufferError, OverflowError), match=said):
        extension.Blocks(**{**shape.arguments(), **change(shape)})


@pytest.mark.parametrize(
    ("x", "out", "said"),
    [
        (noise(20), noise(16, mics=1), r"out of shape \[1, 16\]: expected \[2, 16\]"),
        (noise(20), noise(20, mics=2), r"out of shape \[2, 20\]: expected \[2, 16\]"),
        (noise(20), noise(8, mics=2), r"out of shape \[2, 8\]"),
        (noise(20, mics=2), noise(16, mics=2), r"x of shape \[2, 20\]: expected \[1, n\]"),
        (noise(20)[0], noise(16, mics=2), "x of 1 dimensions"),
        (noise(20).astype(np.float64), noise(16, mics=2), "x of 2 dimensions and format 'd'"),
        (noise(20), noise(16, mics=2).astype(np.int32), "out of 2 dimensions and format 'i'"),
        (noise(20), bytes(128), "not writable"),
        (noise(20), None, "bytes-like"),
        ([[0.0] * 20], noise(16, mics=2), "bytes-like"),
    ],
)
def test_samples_that_do_not_fit_are_refused_and_leave_the_stream_as_it_was(
    extension: Any, x: Any, out: Any, said: str
) -> None:
    shape = Shape()
    blocks = extension.Blocks(**shape.arguments())
    with pytest.raises((TypeError, ValueError, BufferError), match=said):
        blocks.run(x, out)
    with pytest.raises(TypeError, match="not 1 arguments"):
        blocks.run(noise(20))
    assert blocks.pending == 0 and not shape.taken


def test_nobody_runs_a_stream_from_within_its_own_step(extension: Any) -> None:
    shape = Shape()
    blocks, x, y = extension.Blocks(**shape.arguments()), noise(24), np.zeros((2, 24), np.float32)
    refused = []

    def invoke() -> None:
        blocks.reset()  # does no harm
        with pytest.raises(RuntimeError, match="one thread at a time"):
            blocks.run(x, y)
        refused.append(True)

    shape.invoke = invoke  # type: ignore[method-assign]
    blocks.run(x, y)
    assert len(refused) == 3
    shape.invoke = Shape.invoke.__get__(shape)  # type: ignore[method-assign]
    blocks.run(x, y)


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


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Any:
    """As in a process that has not looked for the extension yet."""
    native.installed.cache_clear()
    monkeypatch.delenv(native.SWITCH, raising=False)
    monkeypatch.delitem(sys.modules, native.MODULE, raising=False)
    yield
    native.installed.cache_clear()
    sys.modules.pop(native.MODULE, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("INTERFACE = 2", "it has interface 2, expected 1"),
        ("", "it has interface None, expected 1"),
        ("raise ImportError('undefined symbol:\\n_Py_NoOne')", "it does not load (undefined symbol: _Py_NoOne)"),
    ],
)
def test_an_extension_that_does_not_fit_is_refused_in_one_line(
    fresh: Any, tmp_path: Path, text: str, said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / f"{native.MODULE}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(2):
        assert native.found() == native.Found(why=said, refused=True)
    (record,) = caplog.records
    assert said in record.message and "NumPy goes on without it" in record.message and "\n" not in record.message


def test_a_file_that_is_no_extension_is_refused(
    fresh: Any, extension: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / Path(extension.__file__).name).write_bytes(b"\x7fELF" + bytes(100))
    monkeypatch.syspath_prepend(tmp_path)
    assert native.found().refused


def test_the_extension_is_used_where_it_is_installed_unless_it_is_switched_off(extension: Any) -> None:
    """In a process of its own, which finds it as an installed one is found."""
    script = "from edge_sdk import Separator; print(type(Separator.open('enhance-mono')._blocks).__module__)"
    for switch, expected in (("", "edge_sdk_native"), ("0", "edge_sdk.blocks")):
        environment = {**os.environ, "PYTHONPATH": str(Path(extension.__file__).parent), native.SWITCH: switch}
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
        assert done.stdout.strip() == expected, done.stderr


def test_the_interface_that_is_asked_for_is_that_of_the_sources(extension: Any) -> None:
    assert extension.INTERFACE == native.INTERFACE


def test_the_package_holds_all_sources() -> None:
    about = (SOURCES / "pyproject.toml").read_text() + (SOURCES / "MANIFEST.in").read_text()
    for path in (*SOURCES.glob("*.c"), *SOURCES.glob("*.h")):
        assert path.name in about
