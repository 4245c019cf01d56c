"""A stream that runs for long keeps its memory: nothing allocated stays, no page is touched for the first time."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

RATE = 16_000
SCRIPT = """
import gc, json, resource, sys, tracemalloc
from edge_sdk.live.stream import LiveStream
from edge_sdk.live.stream_config import StreamConfig

source, target, seconds, traced = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4] == "traced"
stream = LiveStream(StreamConfig(("enhance-mono",), source, target, period=128))
marks = [0.3 * seconds * 16_000, 0.9 * seconds * 16_000]
found = []

def look():
    if marks and stream.metrics.processed >= marks[0]:
        marks.pop(0)
        status = open("/proc/self/status").read()
        found.append({
            "traced": tracemalloc.get_traced_memory()[0] if traced else 0,
            "faults": resource.getrusage(resource.RUSAGE_SELF).ru_minflt,
            "resident_kib": int(status.split("VmRSS:")[1].split()[0]),
        })
    return False

gc.collect()
gc.freeze()
gc.disable()
if traced:
    tracemalloc.start()
stream.run(look)
stream.close()
print(json.dumps(found))
"""


def grown(tmp_path: Path, seconds: float, mode: str) -> dict[str, int]:
    """By how much each reading is higher at nine tenths of a recording than at three."""
    source, target = tmp_path / "in.raw", tmp_path / "out.raw"
    noise = np.random.default_rng(0).integers(-3000, 3000, RATE * 10).astype("<i2").tobytes()
    with source.open("wb") as file:
        for _ in range(round(seconds / 10)):
            file.write(noise)
    target.symlink_to("/dev/null")
    command = [sys.executable, "-c", SCRIPT, str(source), str(target), str(seconds), mode]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    before, after = json.loads(done.stdout)
    return {name: after[name] - before[name] for name in before}


def test_blocks_leave_nothing_allocated(tmp_path: Path) -> None:
    """12 seconds are 3,000 blocks: a single number kept of each would be 84 kB."""
    assert grown(tmp_path, 20, "traced")["traced"] < 20_000


def test_blocks_touch_no_new_memory(tmp_path: Path) -> None:
    """Page faults of 4,500 blocks; what the allocator of C gives back and takes again would be one a block."""
    found = grown(tmp_path, 30, "plain")
    assert found["faults"] < 200 and found["resident_kib"] < 512


@pytest.mark.slow
def test_an_hour_of_sound_takes_less_than_a_megabyte(tmp_path: Path) -> None:
    assert grown(tmp_path, 3600, "plain")["resident_kib"] < 600, "KiB in 0.6 hours"
