"""The shipped models as a user runs them: hot and paced, their start and memory, and whether time changes any of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_sdk import Separator
from edge_sdk.backends import AUTO
from edge_sdk.bench import measure
from edge_sdk.bench_report import Row, rows_of
from edge_sdk.contract import read_bundle
from edge_sdk.library import find_model
from tools.benchmark.alternatives import noise
from tools.benchmark.turns import seconds_of

LONG = 100_000  # blocks


def rows(name: str, seconds: float = 5.0) -> list[Row]:
    """What `edge-sdk bench` says of a model, both ways."""
    path = find_model(name)
    bundle = read_bundle(path)
    return [row for paced in (False, True) for row in rows_of(measure(bundle, path, AUTO, 1, seconds, paced))]


def drift(name: str, blocks: int = LONG) -> list[Row]:
    """The last tenth of a long stream beside the first, and the memory that a block left behind."""
    separator = Separator.open(name)
    m = separator.manifest
    x, y = noise(m.mics, m.block), np.empty((m.sources, m.block), np.float32)
    for _ in range(blocks // 100):
        separator.process(x, y)
    before, tenths = resident_bytes(), []
    for _ in range(10):
        tenths.append(float(np.median([seconds_of(lambda: separator.process(x, y)) for _ in range(blocks // 10)])))
    return [
        Row("drift", name, f"{blocks} blocks", "last tenth to first", tenths[-1] / tenths[0]),
        Row("drift", name, f"{blocks} blocks", "memory per block", (resident_bytes() - before) / blocks, "bytes"),
    ]


def resident_bytes() -> int:
    """Of this process."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) * 1024
