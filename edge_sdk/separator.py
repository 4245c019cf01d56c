"""A model as a stream: samples of a microphone array in, samples of every source out."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_sdk.accelerators.accelerator import CPU, Accelerator
from edge_sdk.audio.levels import implausible
from edge_sdk.backends import AUTO
from edge_sdk.blocks import NumpyBlocks, make_blocks
from edge_sdk.contract import Bundle, Manifest, read_bundle
from edge_sdk.interpreter import StepInterpreter
from edge_sdk.library import find_model

Samples = NDArray[np.float32]


class Separator:
    """Sources of a mixture, block by block.

    `process` takes samples as they come, float32 `[mics, n]` with any n, and gives every sample that is complete by
    then, `[sources, m]`. The output stream runs `delay` samples behind: its sample `i + delay` belongs to sample `i` of
    the input. `latency` is how long a sample waits at most, from its arrival until its output is complete.
    Keeps the memory of one stream; use one separator per stream, and from one thread at a time.
    """

    def __init__(self, bundle: Bundle, backend: str = AUTO, threads: int = 1, accelerator: Accelerator = CPU) -> None:
        m = bundle.manifest
        self.manifest: Manifest = m
        self.interpreter = StepInterpreter(m, bundle.model, backend, threads, accelerator)
        self._blocks = make_blocks(m, self.interpreter)

    @classmethod
    def open(
        cls,
        name_or_path: str | os.PathLike[str],
        backend: str = AUTO,
        threads: int = 1,
        accelerator: Accelerator = CPU,
    ) -> Separator:
        """A shipped model by name, or the model in a bundle file."""
        return cls(read_bundle(find_model(name_or_path)), backend, threads, accelerator)

    @property
    def sample_rate(self) -> int:
        """Samples per second and microphone that the model was trained on."""
        return self.manifest.sample_rate

    @property
    def mics(self) -> int:
        return self.manifest.mics

    @property
    def sources(self) -> int:
        return self.manifest.sources

    @property
    def latency(self) -> int:
        """The longest time, in samples, from a sample's arrival to the moment its output is complete."""
        return self.manifest.latency

    @property
    def delay(self) -> int:
        """Samples by which the output stream runs behind the input stream."""
        return self.manifest.delay

    @property
    def block(self) -> int:
        """New samples that a step takes. Other sizes work; multiples of it waste no waiting."""
        return self.manifest.block

    def process(self, x: ArrayLike, out: Samples | None = None) -> Samples:
        """All samples that are complete, `[sources, m]`, after taking `[mics, n]`, or `[n]` of a single microphone.

        out: where they go, if given; of just their shape. A live loop, which gives whole blocks, knows it.
        """
        return self._run(self._checked(x), out)

    def flush(self) -> Samples:
        """What is still inside, `[sources, m]`, as if silence followed; then the separator is reset.

        `process` and `flush` together give `delay` samples more than they took.
        """
        m = self.manifest
        pending, left = self._blocks.pending, self._blocks.pending + m.delay
        blocks = -(-left // m.block)
        y = self._run(np.zeros((m.mics, blocks * m.block - pending), np.float32))[:, :left]
        self.reset()
        return y

    @property
    def host(self) -> str:
        """What computes what is not the model's: NumPy, or the C extension."""
        return "NumPy" if isinstance(self._blocks, NumpyBlocks) else "C extension"

    def reset(self) -> None:
        """Be as newly opened."""
        self.interpreter.reset()
        self._blocks.reset()

    def separate(self, x: ArrayLike) -> Samples:
        """The sources of a whole recording, `[mics, n]` to `[sources, n]`, aligned with it. Resets before and after."""
        checked = self._checked(x)
        self.reset()
        return np.concatenate([self._run(checked), self.flush()], axis=1)[:, self.delay :]

    def _run(self, x: Samples, out: Samples | None = None) -> Samples:
        block = self.manifest.block
        complete = (self._blocks.pending + x.shape[1]) // block * block
        shape = (self.manifest.sources, complete)
        if out is not None and (out.shape != shape or out.dtype != np.float32):
            raise ValueError(f"out of shape {list(out.shape)}, {out.dtype}: expected float32 {list(shape)}")
        y = np.empty(shape, np.float32) if out is None else out
        self._blocks.run(x, y)
        return y

    def _checked(self, x: ArrayLike) -> Samples:
        """The samples as finite float32 `[mics, n]`: what is not finite would stay in the memory for ever."""
        if type(x) is np.ndarray and self._blocks.fits(x):
            return x
        given: NDArray[Any] = np.asarray(x)
        mics = self.manifest.mics
        if given.ndim == 1 and mics == 1:
            given = given[np.newaxis]
        if given.ndim != 2 or given.shape[0] != mics:
            raise ValueError(f"samples of shape {list(np.shape(x))}: expected [{mics}, n], one row per microphone")
        samples: Samples = given if given.dtype == np.float32 else as_float32(given)
        if fault := implausible(samples):
            raise ValueError(f"{fault}: expected finite ones between about -1 and 1; replace them by silence")
        return samples


def as_float32(samples: NDArray[Any]) -> Samples:
    """Floats of another precision; whole numbers are refused, because nothing says what full scale is."""
    if samples.dtype.kind in "iu":
        raise ValueError(
            f"samples of type {samples.dtype}: expected float32 between -1 and 1; divide 16-bit samples by 32768"
        )
    if samples.dtype.kind != "f":
        raise ValueError(f"samples of type {samples.dtype}: expected float32 between -1 and 1")
    with np.errstate(over="ignore"):  # what overflows is infinite then, and refused as such
        return samples.astype(np.float32)
