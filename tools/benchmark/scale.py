"""How the cost of a block grows with what a network is made of: int8, one frame per step, one thread unless it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from edge_sdk import Separator
from edge_sdk.bench_report import Row
from models.zoo import build, preset
from quantization.artifact import Artifact
from quantization.export import export
from quantization.quantize import quantize
from tools.benchmark.alternatives import noise, stream
from tools.benchmark.turns import Step, hot

CHANNELS, REPEATS, SOURCES, MICS, THREADS = (64, 128, 256, 512), (1, 2, 4), (1, 2, 4), (2, 4, 6, 8), (1, 2)


def rows() -> list[Row]:
    """Median block of networks that differ from one another in one number."""
    small, array = preset("conv-tasnet-edge"), preset("array4-2spk-edge")
    configs: dict[tuple[str, int], Any] = {}
    for hidden in CHANNELS:
        separator = replace(small.separator, bottleneck=hidden // 2, hidden=hidden, skip=hidden // 2)
        configs["hidden channels", hidden] = replace(small, separator=separator)
    for repeats in REPEATS:
        configs["blocks", small.separator.blocks * repeats] = replace(
            small, separator=replace(small.separator, repeats=repeats)
        )
    for sources in SOURCES:
        configs["sources", sources] = replace(small, sources=sources)
    for mics in MICS:
        configs["microphones", mics] = replace(array, spatial=replace(array.spatial, mics=mics))
    makers: dict[str, Callable[[], Step]] = {
        f"{number} {what}": partial(stream, quantized(config)) for (what, number), config in configs.items()
    }
    paper = quantized(preset("conv-tasnet-paper"), 8)
    makers |= {
        f"{threads} threads, conv-tasnet-paper, 8 frames": partial(threaded, paper, threads) for threads in THREADS
    }
    return [
        Row("scale", label, "dynamic_int8", "p50", 1e6 * float(np.median(seconds)), "us")
        for label, seconds in hot(makers, rounds=2).items()
    ]


def quantized(config: Any, frames: int = 1) -> Artifact:
    torch.manual_seed(0)
    return quantize(export(build(config).eval(), "scale", frames), "dynamic_int8", "scale")


def threaded(made: Artifact, threads: int) -> Step:
    separator, m = Separator(made.bundle, threads=threads), made.manifest
    return partial(separator.process, noise(m.mics, m.block), np.empty((m.sources, m.block), np.float32))
