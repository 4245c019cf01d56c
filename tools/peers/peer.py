"""What there is to know about an enhancer before it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import numpy as np

# A recording [n], float32 between -1 and 1, to what a stream gives for it: as many samples or more, late by its delay.
Run = Callable[[np.ndarray], np.ndarray]
# A fresh stream; what loading takes is spent before, in `Peer.open`.
Start = Callable[[], Run]


@dataclass(frozen=True)
class Peer:
    """An enhancer of one channel.

    package: what pip installs it by. licence: of what runs, weights included. sample_rate: at which it works, in Hz.
    latency_ms: how long a sample waits at most until its output is complete, by its authors' own figures: window of
    analysis plus look-ahead. open: loads it; raises ImportError or OSError where it is not installed. note: what a
    reader of its scores should know.
    """

    name: str
    package: str
    licence: str
    sample_rate: int
    latency_ms: float
    open: Callable[[], Start]
    note: str = ""


def installed(package: str) -> Path:
    """The folder that a package's files lie in; `PackageNotFoundError`, an ImportError, where it is not installed.

    Some packages are wrappers for a framework that is not needed here, so they are not imported.
    """
    return Path(str(distribution(package).locate_file("")))


def blocks(x: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """The samples in pieces of one size, the last one filled with zeros."""
    padded = np.pad(x, (0, -len(x) % size))
    yield from padded.reshape(-1, size)
