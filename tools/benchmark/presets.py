"""Every preset, freshly initialized, as the stream that runs on a board: times do not depend on the weights."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from edge_sdk.bench_report import Row
from models.zoo import build, preset
from quantization.delegate import delegation
from quantization.export import export
from quantization.quantize import quantize
from tools.benchmark.alternatives import RECIPES, stream
from tools.benchmark.turns import cold, hot


def rows(name: str, frames: int) -> Iterator[Row]:
    """Times of a block in both recipes, hot and with cold caches, beside real time; sizes, arithmetic, partitions."""
    torch.manual_seed(0)
    floating = export(build(preset(name)).eval(), name, frames)
    made = {recipe: floating if recipe == "float32" else quantize(floating, recipe, name) for recipe in RECIPES}
    makers = {recipe: partial(stream, artifact) for recipe, artifact in made.items()}
    times, colder = hot(makers, rounds=2), cold(makers, rounds=1)
    for recipe, artifact in made.items():
        m, split = artifact.manifest, delegation(artifact.model)
        row = partial(Row, "presets", name, f"{recipe}, {frames} frame{'s' if frames > 1 else ''}")
        p50, p99 = np.percentile(times[recipe], [50, 99])
        yield row("block", 1e3 * m.block / m.sample_rate, "ms")
        yield row("latency", 1e3 * m.latency / m.sample_rate, "ms")
        yield row("p50", 1e6 * p50, "us")
        yield row("p99", 1e6 * p99, "us")
        yield row("p50 cold", 1e6 * float(np.median(colder[recipe])), "us")
        yield row("real-time factor", p50 * m.sample_rate / m.block)
        yield row("size", m.size / 1e6, "MB")
        yield row("arithmetic", m.macs / 1e6, "MMAC/s")
        yield row("partitions", split.partitions)
