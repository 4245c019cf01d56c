"""From frames of the microphones to windows of the sources: what of it a model does, and what is left to the host."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_sdk.contract import FilterAndSum, Manifest
from edge_sdk.filter_and_sum import FilterAndSum as Filters
from edge_sdk.filter_and_sum import Similarity, Strips, shares
from edge_sdk.interpreter import StepInterpreter

Samples = NDArray[np.float32]


class Windows(Protocol):
    """From the frames of a block to the sources' windows.

    frames: where the model takes them, `[mics, T, context + window]`; windows: `[sources, T, window]`, which the next
    block overwrites. model: its `invoke()` goes from the one to the other, and leaves the model's memory to the caller.
    """

    frames: Samples
    windows: Samples
    model: Any

    def make(self, frames: Samples) -> Samples:
        """The windows of the next frames, with everything that the model has to remember of them."""
        ...


class ModelWindows:
    """The model gives the windows."""

    def __init__(self, m: Manifest, interpreter: StepInterpreter) -> None:
        self.model, self.frames, self.windows = interpreter, interpreter.inputs[m.frames], interpreter.output

    def make(self, frames: Samples) -> Samples:
        self.frames[...] = frames
        self.model.step()
        return self.windows


class FilteredWindows:
    """The model gives filters: the host measures similarities before its step, and filters and sums after it.

    The model has frames on the first axis and microphones on the second, the host the other way round.
    """

    def __init__(self, m: Manifest, about: FilterAndSum, interpreter: StepInterpreter) -> None:
        inputs, taps = interpreter.inputs, m.context + 1
        self.model, self._interpreter = self, interpreter
        self._strips = Strips(m.mics, m.frames_per_step, m.window, taps)
        self._similarity, self._filters = Similarity(self._strips, 1), Filters(self._strips, m.sources)
        self.frames = inputs[m.frames].transpose(1, 0, 2)
        start = m.context - about.alignment
        self._wanted = self.frames[about.reference, np.newaxis, :, start : start + m.window]
        self._likeness = inputs[about.likeness].transpose(1, 0, 2)[np.newaxis]
        self._shares = inputs[about.shares].T
        self._hankel = None if about.windows is None else inputs[about.windows].transpose(1, 0, 2, 3)
        self._all_windows = self._strips.windows
        self._taps = interpreter.output.transpose(1, 0, 2, 3)
        self.windows = np.empty((m.sources, m.frames_per_step, m.window), np.float32)

    def make(self, frames: Samples) -> Samples:
        self.frames[...] = frames
        self._compare()
        self._interpreter.step()
        self._filters.add(self._taps, self.windows)
        return self.windows

    def invoke(self) -> None:
        """The model, and what it leaves to the host."""
        self._compare()
        self._interpreter.invoke()
        self._filters.add(self._taps, self.windows)

    def _compare(self) -> None:
        """What the model is given besides the frames."""
        self._strips.take(self.frames)
        self._similarity.measure(self._wanted, self._likeness)
        shares(self.frames, self._shares)
        if self._hankel is not None:
            self._hankel[...] = self._all_windows


def make_windows(m: Manifest, interpreter: StepInterpreter) -> Windows:
    """What this model leaves to the host."""
    if m.filter_and_sum is None:
        return ModelWindows(m, interpreter)
    return FilteredWindows(m, m.filter_and_sum, interpreter)
