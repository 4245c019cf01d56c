"""What one core of this machine can do, as far as NumPy reaches it: the scale on which all other figures stand."""

from __future__ import annotations

from functools import partial

import numpy as np

from edge_sdk.bench_report import Row
from tools.benchmark.turns import hot

SIZE = 768  # of square matrices: large enough for the peak of a core, small enough for its second cache
READ = {"1 MiB": 1 << 20, "8 MiB": 8 << 20, "64 MiB": 64 << 20}


def rows() -> list[Row]:
    """Products of float32 matrices, and reading from arrays of several sizes, on one thread."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((SIZE, SIZE)).astype(np.float32) for _ in range(2))
    steps = {"product": lambda: partial(np.matmul, a, b, out=np.empty_like(a))}
    for name, size in READ.items():
        array = np.ones(size // 4, np.float32)
        steps[name] = lambda array=array: partial(np.dot, array, array)  # a sum of products: every byte once
    times = hot(steps, rounds=1)
    fastest = {name: float(np.percentile(seconds, 10)) for name, seconds in times.items()}
    found = [Row("core", "float32 matrix product", "NumPy", "rate", SIZE**3 / fastest["product"] / 1e9, "GMAC/s")]
    return found + [
        Row("core", f"reading {name}", "NumPy", "rate", size / fastest[name] / 1e9, "GB/s")
        for name, size in READ.items()
    ]
