"""Recordings that two folders have in common, or parts of them, whatever their names, levels and formats.

usage: python -m tools.common_recordings FIRST SECOND [--likeness 0.7] [--json]

Free sounds travel: a clip of one collection is in the next, cut or louder. Of what a network is to be scored on nothing
may be in its training, or the score says too much. One second out of every three of FIRST is looked for everywhere in
SECOND, at 4 kHz and by what linear prediction leaves of it, so that a common hum is no likeness. Found is what is the
same recording; played faster, from afar or under others it is not found. Exits with 1 where something is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import fft, linalg, signal

from edge_sdk.errors import EdgeError
from models.data.corpus import Corpus, load_corpus
from models.runs import default_cache

RATE = 4000
PIECE, EVERY = RATE, 3 * RATE  # samples that are looked for, and from one to the next
ORDER = 16  # of the prediction
BLOCK = 2**17  # samples of the second folder in one transform
QUIET = 1e-4  # of full scale, RMS of what is not foreseen: a piece below it is silence, which is like any other
Real = NDArray[np.float32]


@dataclass(frozen=True)
class Common:
    """A recording of the first folder that is in one of the second, where both have it, and the correlation there."""

    first: str
    first_s: float
    second: str
    second_s: float
    likeness: float


def whitened(corpus: Corpus, index: int) -> Real:
    """What linear prediction does not foresee in a recording, `[n]`: a hum is foreseen, a rustle is not."""
    samples = corpus.read(index, 0, corpus.recordings[index].samples)
    spectrum = np.abs(fft.rfft(samples, 2 * len(samples))) ** 2
    correlation = fft.irfft(spectrum)[: ORDER + 1].astype(np.float64)
    if len(samples) <= ORDER or correlation[0] <= 0:
        return samples
    correlation[0] *= 1 + 1e-5  # else a pure tone could not be solved for
    ahead = linalg.solve_toeplitz(correlation[:-1], correlation[1:])
    residual: Real = signal.lfilter(np.concatenate([[1], -ahead]), [1], samples).astype(np.float32)
    return residual


def pieces(corpus: Corpus) -> Iterator[tuple[int, int, Real]]:
    """What is looked for: recording, first sample, and one second of it at unit energy; the last second always."""
    for index, recording in enumerate(corpus.recordings):
        samples, last = whitened(corpus, index), recording.samples - PIECE
        for start in sorted({*range(0, last, EVERY), last} if last >= 0 else ()):
            piece = samples[start : start + PIECE]
            energy = float(np.square(piece).sum())
            if energy > QUIET**2 * PIECE:
                yield index, start, piece / np.sqrt(energy)


def blocks(corpus: Corpus) -> Iterator[tuple[int, int, Real]]:
    """Where it is looked for: recording, first sample, and a block of it, which overlaps the next, `[BLOCK]`."""
    for index, recording in enumerate(corpus.recordings):
        samples = whitened(corpus, index)
        for start in range(0, max(recording.samples - PIECE, 0) + 1, BLOCK - PIECE):
            part = samples[start : start + BLOCK]
            yield index, start, np.pad(part, (0, BLOCK - len(part)))


def common(first: Corpus, second: Corpus, likeness: float) -> list[Common]:
    """For each two recordings that share a piece, where they are most alike; the most alike come first."""
    wanted, best = list(pieces(first)), dict[tuple[int, int], Common]()
    spectra = [fft.rfft(piece, BLOCK).conj() for _, _, piece in wanted]
    for there, begin, block in blocks(second):
        energy = np.cumsum(np.square(block, dtype=np.float64))
        energy = energy[PIECE - 1 :] - np.pad(energy, (1, 0))[:-PIECE]  # of every second in it
        if energy.max() <= QUIET**2 * PIECE:
            continue
        scale = np.where(energy > QUIET**2 * PIECE, 1 / np.sqrt(np.maximum(energy, 1e-12)), 0)
        heard = fft.rfft(block)
        for (here, start, _), spectrum in zip(wanted, spectra, strict=True):
            alike = np.abs(fft.irfft(heard * spectrum, BLOCK)[: len(scale)] * scale)
            at = int(alike.argmax())
            if alike[at] >= likeness and ((here, there) not in best or alike[at] > best[here, there].likeness):
                names = first.recordings[here].path, second.recordings[there].path
                best[here, there] = Common(names[0], start / RATE, names[1], (begin + at) / RATE, float(alike[at]))
    return sorted(best.values(), key=lambda found: -found.likeness)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--likeness", type=float, default=0.7, help="correlation of one second that counts (0.7)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        folders = (folder.resolve() for folder in (args.first, args.second))
        first, second = (load_corpus(folder.parent, (folder.name,), RATE, default_cache()) for folder in folders)
        found = common(first, second, args.likeness)
    except EdgeError as error:
        print(error, file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps([asdict(item) for item in found]))
    for item in () if args.json else found:
        print(f"{item.likeness:.2f}  {item.first} at {item.first_s:.1f} s is {item.second} at {item.second_s:.1f} s")
    if not found:
        print(f"nothing in common: {len(first.recordings)} and {len(second.recordings)} recordings", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
