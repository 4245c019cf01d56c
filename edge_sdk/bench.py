"""How fast a model runs here: time per block, the host's share of it, memory, and what starting costs."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edge_sdk.accelerators.accelerator import CPU, Accelerator
from edge_sdk.contract import Bundle
from edge_sdk.errors import BackendError
from edge_sdk.separator import Separator

WARM_UP = 50  # blocks that fill caches and raise the clock before anything counts
STARTS = 3  # fresh processes; the quickest counts, because a busy machine only adds

# Run in a fresh process: what is loaded here already would hide the cost.
START = """
import json, sys, time
begin = time.perf_counter()
import edge_sdk
imported = time.perf_counter()
from edge_sdk.accelerators.accelerator import Accelerator
from edge_sdk.contract import from_plain
accelerator = from_plain(Accelerator, json.loads(sys.argv[4]))
separator = edge_sdk.Separator.open(sys.argv[1], sys.argv[2], int(sys.argv[3]), accelerator)
opened = time.perf_counter()
for _ in range(100):
    separator.process([[0.0] * separator.block] * separator.mics)
status = open("/proc/self/status").read()
resident_kib = int(status.split("VmRSS:")[1].split()[0])
print(json.dumps({"import_s": imported - begin, "open_s": opened - imported, "resident_mb": resident_kib * 1024 / 1e6}))
"""


@dataclass(frozen=True)
class Figures:
    """Measured on one machine; times of a block include everything between samples in and samples out."""

    model: str
    recipe: str
    backend: str
    accelerator: str  # what computed in the end
    threads: int
    machine: str
    cpu: str
    paced: bool
    blocks: int
    block_ms: float
    latency_ms: float
    p50_us: float
    p99_us: float
    p999_us: float
    worst_us: float
    host: str  # what computes outside the interpreter: NumPy, or the C extension
    host_share: float  # of the time of a block, what is spent outside the interpreter
    real_time_factor: float
    import_s: float  # of `import edge_sdk`
    open_s: float  # of `Separator.open`, with NumPy and the interpreter
    resident_mb: float  # of a process that runs this model and nothing else


class Stopwatch:
    """A function that adds up the time spent in it."""

    def __init__(self, function: Callable[[], None]) -> None:
        self.function, self.total_s = function, 0.0

    def __call__(self) -> None:
        begin = time.perf_counter()
        self.function()
        self.total_s += time.perf_counter() - begin


def measure(
    bundle: Bundle,
    path: Path,
    backend: str,
    threads: int,
    seconds: float,
    paced: bool,
    accelerator: Accelerator = CPU,
) -> Figures:
    """Run noise through the model. `path`: where the bundle came from, for the fresh processes; `seconds`: of audio.

    Block after block without rest, caches stay warm and the clock high, which flatters; `paced` waits until a block is
    due, as a sound card does.
    """
    separator = Separator(bundle, backend, threads, accelerator)
    m = separator.manifest
    blocks, block_s = max(1, round(seconds * m.sample_rate / m.block)), m.block / m.sample_rate
    noise = (0.1 * np.random.default_rng(0).standard_normal((m.mics, m.block))).astype(np.float32)
    out = np.empty((m.sources, m.block), np.float32)  # as a live stream has it
    for _ in range(WARM_UP):
        separator.process(noise, out)
    inside = Stopwatch(separator.interpreter.invoke)
    separator.interpreter.invoke = inside  # type: ignore[method-assign]
    times_s = np.zeros(blocks)
    due = time.perf_counter()
    for number in range(blocks):
        if paced:
            due += block_s
            time.sleep(max(0.0, due - time.perf_counter()))
        begin = time.perf_counter()
        separator.process(noise, out)
        times_s[number] = time.perf_counter() - begin
    p50, p99, p999 = np.percentile(times_s, [50, 99, 99.9])
    start = fresh_start(path, backend, threads, accelerator)
    return Figures(
        model=m.name,
        recipe=m.recipe,
        backend=separator.interpreter.backend,
        accelerator=str(separator.interpreter.accelerator),
        threads=threads,
        machine=platform.machine(),
        cpu=cpu_name(),
        paced=paced,
        blocks=blocks,
        block_ms=1e3 * block_s,
        latency_ms=1e3 * m.latency / m.sample_rate,
        p50_us=1e6 * float(p50),
        p99_us=1e6 * float(p99),
        p999_us=1e6 * float(p999),
        worst_us=1e6 * float(times_s.max()),
        host=separator.host,
        host_share=1 - inside.total_s / float(times_s.sum()),
        real_time_factor=float(times_s.mean()) / block_s,
        **start,
    )


def fresh_start(path: Path, backend: str, threads: int, accelerator: Accelerator) -> dict[str, float]:
    """What importing and opening cost, and how much memory is resident after some blocks, in a process of its own."""
    on = json.dumps(asdict(accelerator))
    command = [sys.executable, "-c", START, str(path.resolve()), backend, str(threads), on]
    found: list[dict[str, float]] = []
    for _ in range(STARTS):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise BackendError(f"a fresh process could not run the model ({last}); see what edge-sdk separate says")
        found.append(json.loads(done.stdout))
    return {name: min(start[name] for start in found) for name in found[0]}


def cpu_name(info: Path = Path("/proc/cpuinfo"), board: Path = Path("/proc/device-tree/model")) -> str:
    """The processor, or on boards the board, as the kernel names it."""
    for path, find in ((board, str), (info, model_name)):
        try:
            if name := find(path.read_text(encoding="utf-8", errors="replace")).strip("\0 \n"):
                return name
        except OSError:
            continue
    return platform.processor() or "unknown"


def model_name(info: str) -> str:
    names = [line.partition(":")[2] for line in info.splitlines() if line.startswith("model name")]
    return names[0].strip() if names else ""
