"""Sample operations of filter-and-sum networks, one block at a time: the NumPy twin of
`models/layers/filter_and_sum.py`, which says what they compute.

A block is `frames` frames of every microphone. All windows of a frame would take `window` times its memory and are no
matrices to a BLAS, so everything is a product with strips, rows of a frame that start STRIP samples apart. Nothing here
allocates samples per block: work space and the views of it are made once.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from numpy.typing import NDArray

Samples = NDArray[np.float32]
STRIP = 16  # of 8, 16 and 32 the fastest on an x86-64 core for the windows and contexts of a small array
ENERGY_FLOOR = np.float32(1e-8)  # that of the twin


class Strips:
    """Frames of one block, cut up for the other two.

    mics, frames: in a block; window: samples of a wanted window; taps: of a filter. A frame has window + taps - 1
    samples.
    """

    def __init__(self, mics: int, frames: int, window: int, taps: int) -> None:
        self.mics, self.frames, self.window, self.taps = mics, frames, window, taps
        self.count = -(-taps // STRIP)  # strips of a frame
        self.length = window + STRIP - 1  # samples of a strip
        padded = np.zeros((mics, frames, window - 1 + self.count * STRIP), np.float32)
        self._frames = padded[..., : window - 1 + taps]
        strips = sliding_window_view(padded, self.length, axis=-1)[:, :, ::STRIP]  # [mics, frames, strips, length]
        self._source = strips.transpose(1, 0, 2, 3)
        self._strips = np.empty(self._source.shape, np.float32)
        self.rows: Samples = self._strips.reshape(frames, -1, self.length)

    @property
    def windows(self) -> Samples:
        """All windows of the frames, a view that stays: `[mics, frames, taps, window]`."""
        return sliding_window_view(self._frames, self.window, axis=-1)

    def take(self, frames: Samples) -> None:
        """The frames `[mics, frames, taps - 1 + window]` of the next block."""
        self._frames[...] = frames
        self._strips[...] = self._source


class Similarity:
    """Cosine similarity of reference windows with all windows of the frames in the strips; 0 where one is silent."""

    def __init__(self, strips: Strips, references: int) -> None:
        self._strips, s = strips, strips
        padded = np.zeros((references, s.frames, s.window + 2 * (STRIP - 1)), np.float32)
        self._reference = padded[:, :, np.newaxis, STRIP - 1 : STRIP - 1 + s.window]
        self._source = sliding_window_view(padded, STRIP, axis=-1)[..., ::-1]
        self._shifted = np.empty(self._source.shape, np.float32)  # [references, frames, length, STRIP]
        self._reference_squares = np.empty((references, s.frames, s.window), np.float32)
        self._reference_scale = np.empty((references, s.frames, 1, 1), np.float32)
        self._squares = np.empty_like(s.rows)
        self._band = sum((np.eye(s.length, STRIP, -n, np.float32) for n in range(s.window)), np.float32(0))
        self._scale = np.empty((s.frames, s.mics * s.count, STRIP), np.float32)
        self._products = np.empty((references, *self._scale.shape), np.float32)
        lags = self._products.reshape(references, s.frames, s.mics, -1)[..., : s.taps]
        self._out = lags.transpose(0, 2, 1, 3)  # [references, mics, frames, taps]

    def measure(self, references: Samples, out: Samples) -> None:
        """For windows `[references, frames, window]`, into `out`, `[references, mics, frames, taps]`."""
        np.multiply(references, references, out=self._reference_squares)
        np.add.reduce(self._reference_squares, axis=-1, out=self._reference_scale[..., 0, 0])
        invert_norm(self._reference_scale)
        # As a matrix product: for one that is broadcast NumPy allocates buffers.
        np.matmul(self._reference_scale, references[:, :, np.newaxis], out=self._reference)
        self._shifted[...] = self._source
        np.matmul(self._strips.rows, self._shifted, out=self._products)
        np.multiply(self._strips.rows, self._strips.rows, out=self._squares)
        np.matmul(self._squares, self._band, out=self._scale)
        invert_norm(self._scale)
        for products in self._products:  # each on its own, not broadcast
            np.multiply(products, self._scale, out=products)
        out[...] = self._out


class FilterAndSum:
    """The sum over microphones of the frames in the strips, filtered for every source.

    Tap `c * STRIP + d` multiplies strip c and its product counts d samples earlier: one matrix product for all
    microphones and strips, then a sum along diagonals.
    """

    def __init__(self, strips: Strips, sources: int) -> None:
        s = strips
        self._rows, self._whole = s.rows, s.taps // STRIP  # strips all of whose taps there are
        self._split = s.mics, s.frames, sources, self._whole, STRIP
        filters = np.zeros((s.frames, s.mics, s.count, sources, STRIP), np.float32)
        rows = s.mics * s.count
        self._filters = filters.reshape(s.frames, rows, sources * STRIP).transpose(0, 2, 1)
        by_mic = filters.transpose(1, 0, 3, 2, 4)  # [mics, frames, sources, strips, STRIP]
        self._filled, self._rest = by_mic[..., : self._whole, :], by_mic[..., self._whole :, : s.taps % STRIP]
        self._partial = np.empty((s.frames, sources * STRIP, s.length), np.float32)
        frame, row, sample = self._partial.strides
        diagonals = (STRIP * row, frame, row + sample, sample)
        self._diagonals = as_strided(self._partial, (sources, s.frames, STRIP, s.window), diagonals)

    def add(self, taps: Samples, out: Samples) -> None:
        """Windows `[sources, frames, window]` into `out` with filters `[mics, frames, sources, taps]`."""
        end = self._whole * STRIP
        self._filled[...] = taps[..., :end].reshape(self._split)
        self._rest[...] = taps[..., np.newaxis, end:]
        np.matmul(self._filters, self._rows, out=self._partial)
        np.add.reduce(self._diagonals, axis=2, out=out)


def shares(frames: Samples, out: Samples) -> None:
    """The part each microphone has in a mean over those that are heard, `[mics, frames, n]` to `[mics, frames]`.

    A microphone is not heard while its whole frame is digital silence: an absent one, padded with zeros, or a dead one.
    """
    heard = (np.maximum.reduce(frames, axis=-1) > 0) | (np.minimum.reduce(frames, axis=-1) < 0)
    np.divide(heard, np.maximum(heard.sum(axis=0), 1), out=out)


def invert_norm(energy: Samples) -> None:
    """Energies to one over their roots, in place; those of silence stay finite."""
    np.add(energy, ENERGY_FLOOR, out=energy)
    np.sqrt(energy, out=energy)
    np.reciprocal(energy, out=energy)
