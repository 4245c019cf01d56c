"""A stream cut into the blocks of a model: samples in, samples of the sources out, in NumPy."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_sdk import native
from edge_sdk.audio.levels import implausible
from edge_sdk.contract import Manifest
from edge_sdk.framing import FrameBuffer, OverlapAdd
from edge_sdk.interpreter import StepInterpreter
from edge_sdk.windows import Windows, make_windows

Samples = NDArray[np.float32]


class Blocks(Protocol):
    """Everything between samples of the microphones and samples of the sources, with the memory of one stream.

    pending: samples of the block that is not complete yet.
    """

    @property
    def pending(self) -> int: ...

    def fits(self, x: Samples) -> bool:
        """Whether `x` is float32 `[mics, n]` and plausible; where it is not, somebody has to look closer."""
        ...

    def run(self, x: Samples, out: Samples) -> None:
        """Take `[mics, n]`; all blocks that are complete then go to `out`, `[sources, m]`."""
        ...

    def reset(self) -> None:
        """Forget all samples; the interpreter forgets its own memory."""
        ...


class NumpyBlocks:
    """The reference: what an extension does is what this does, to the last bit."""

    def __init__(self, m: Manifest, windows: Windows) -> None:
        self._windows, self._mics, self._block = windows, m.mics, m.block
        self._buffer = FrameBuffer(m.mics, m.context + m.window, m.hop, m.frames_per_step)
        self._overlap_add = OverlapAdd(m.sources, m.window, m.hop, m.frames_per_step)

    @property
    def pending(self) -> int:
        return self._buffer.pending

    def fits(self, x: Samples) -> bool:
        return x.ndim == 2 and x.shape[0] == self._mics and x.dtype == np.float32 and not implausible(x)

    def run(self, x: Samples, out: Samples) -> None:
        for number, frames in enumerate(self._buffer.push(x)):
            self._overlap_add.add(self._windows.make(frames), out[:, number * self._block : (number + 1) * self._block])

    def reset(self) -> None:
        self._buffer.reset()
        self._overlap_add.reset()


def make_blocks(m: Manifest, interpreter: StepInterpreter) -> Blocks:
    """In C where the extension is installed and wanted, else in NumPy."""
    windows = make_windows(m, interpreter)
    extension = native.found().module
    if extension is None:
        return NumpyBlocks(m, windows)
    blocks: Blocks = native.blocks_for(extension, m, interpreter, windows)
    return blocks
