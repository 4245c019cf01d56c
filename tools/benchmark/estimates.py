"""What a step costs at least on boards that nobody has measured: estimates from published figures, not measurements.

A step takes no less than its multiply-accumulates at the peak of a core, and no less than its weights at the peak of
the memory, where caches do not hold them. The widths are those of the instruction sets: a NEON register holds four
float32 or sixteen int8; a Cortex-A76 or A78AE is counted with two multiply-adds a cycle and the older cores with one,
which a Cortex-A53 does not reach; four int8 products per lane came with `SDOT` of Armv8.2, before it there are two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from edge_sdk.bench_report import Row
from models.zoo import build, preset
from quantization.step_graph import step_graph


@dataclass(frozen=True)
class Core:
    """One core by its data sheet: clock, multiply-accumulates per cycle in both precisions, peak of the memory."""

    name: str
    clock_ghz: float
    float32: int
    int8: int
    memory_gb_s: float


CORES = (
    Core("Raspberry Pi 3 B+ (Cortex-A53, LPDDR2-900)", 1.4, 4, 8, 3.6),
    Core("Raspberry Pi 4 (Cortex-A72, LPDDR4-3200)", 1.8, 4, 8, 12.8),
    Core("Raspberry Pi 5 (Cortex-A76, LPDDR4X-4267)", 2.4, 8, 32, 17.1),
    Core("Jetson Orin Nano (Cortex-A78AE, LPDDR5, 68 GB/s)", 1.5, 8, 32, 68.0),
)


def rows(names: list[str]) -> Iterator[Row]:
    """Arithmetic, weights and memory of each preset, and the least part of real time on each core in int8."""
    for name in names:
        torch.manual_seed(0)
        network = build(preset(name)).eval()
        graph = step_graph(network, 1)
        macs, weights = graph.macs_per_frame(), sum(p.numel() for p in graph.parameters())
        memory = sum(line.depth * group.width for group in graph.delays for line in group.lines)
        memory += sum(torch.Size(carry.shape).numel() for carry in graph.carries)
        hop_s = network.hop / network.config.sample_rate
        yield Row("estimates", name, "per second of sound", "arithmetic", macs / hop_s / 1e6, "MMAC")
        yield Row("estimates", name, "float32", "weights", 4e-6 * weights, "MB")
        yield Row("estimates", name, "float32", "memory of the stream", 4e-3 * memory, "kB")
        for core in CORES:
            bound_s = max(macs / (1e9 * core.clock_ghz * core.int8), weights / (1e9 * core.memory_gb_s))
            yield Row("estimates", name, f"int8, 1 frame, {core.name}", "of real time, at least", bound_s / hop_s)
