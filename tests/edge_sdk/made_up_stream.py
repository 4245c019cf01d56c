"""A model made up for a stream of blocks: any shape, remembering what it was given, by NumPy and in C."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_sdk.audio.levels import LOUDEST
from edge_sdk.contract import DelayLine, DelayLines
from edge_sdk.framing import FrameBuffer, OverlapAdd
from edge_sdk.rings import Rings, whole_rows

WIDTH = 3


def noise(samples: int, seed: int = 0, mics: int = 1) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((mics, samples))).astype(np.float32)


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
