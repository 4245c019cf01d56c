"""Step time and XNNPACK partitions of every preset on this machine, in float32 and dynamic int8.

    python tools/bench_presets.py [PRESET ...] [--frames-per-step N] [--seconds S]

The weights are random: the time of a step does not depend on them. What this prints is true of the machine it ran on.
"""

from __future__ import annotations

import argparse
import logging
import time

import numpy as np
import torch

from edge_sdk.bench import cpu_name
from edge_sdk.interpreter import StepInterpreter
from models.zoo import PRESETS, build, preset
from quantization.artifact import Artifact
from quantization.delegate import delegation
from quantization.export import export
from quantization.quantize import quantize

WARM = 50  # steps before the clock counts


def step_times(artifact: Artifact, seconds: float) -> np.ndarray:
    """Seconds of each step of a model on one thread, for about so long."""
    step = StepInterpreter(artifact.manifest, artifact.model)
    rng = np.random.default_rng(0)
    for given in step.inputs.values():
        given[...] = 0.1 * rng.standard_normal(given.shape)
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < 2 * WARM or time.perf_counter() < end:
        begin = time.perf_counter()
        step.step()
        taken.append(time.perf_counter() - begin)
    return np.array(taken[WARM:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", help="default: all")
    parser.add_argument("--frames-per-step", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0, help="of measuring per model (default: 2)")
    args = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    print(f"{cpu_name()}, one thread, {args.frames_per_step} frames per step")
    columns = f"{'MB':>7s}{'block ms':>10s}{'p50 us':>9s}{'p99 us':>9s}{'of real time':>14s}"
    print(f"{'preset':28s}{'recipe':14s}{columns}  XNNPACK")
    for name in args.presets or PRESETS:
        torch.manual_seed(0)
        network = build(preset(name)).eval()
        floating = export(network, name, args.frames_per_step)
        for artifact in (floating, quantize(floating, "dynamic_int8", name)):
            m, times, split = artifact.manifest, step_times(artifact, args.seconds), delegation(artifact.model)
            block_s, (p50, p99) = m.block / m.sample_rate, np.percentile(times, [50, 99])
            outside = ", ".join(f"{count} {op}" for op, count in split.outside.items()) or "nothing"
            print(
                f"{name:28s}{m.recipe:14s}{m.size / 1e6:7.2f}{1e3 * block_s:10.2f}{1e6 * p50:9.0f}{1e6 * p99:9.0f}"
                f"{p50 / block_s:14.3f}  {split.partitions} partition(s), outside: {outside}",
                flush=True,
            )


if __name__ == "__main__":
    main()
