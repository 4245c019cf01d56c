"""The C extension raises where it is given something else than it was made for, and never reads or writes beyond it."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.edge_sdk.made_up_stream import WIDTH, Shape, noise


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
