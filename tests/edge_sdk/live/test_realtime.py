"""What the audio thread claims, measured from inside a process of its own."""

import json
import os
import subprocess
import sys

import pytest

from edge_sdk.live.realtime import RealtimeConfig

CLAIM = """
import gc, json, os, resource, signal, sys, time, logging
from edge_sdk.live.realtime import RealtimeConfig, claim, RLIMIT_RTTIME
"""
REPORT = """
status = open("/proc/self/status").read()
print(json.dumps({
    "refused": refused, "scheduler": os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK, "collector": gc.isenabled(),
    "frozen": gc.get_freeze_count(), "locked_kib": int(status.split("VmLck:")[1].split()[0]),
    "cpus": sorted(os.sched_getaffinity(0)), "limit_us": resource.getrlimit(RLIMIT_RTTIME)[0],
}))
"""


def claimed(script: str) -> tuple[dict[str, object], str]:
    done = subprocess.run([sys.executable, "-c", CLAIM + script + REPORT], capture_output=True, text=True, check=True)
    return json.loads(done.stdout), done.stderr


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may claim all of it; CI is root")


@needs_root
def test_everything_is_claimed_where_it_is_allowed() -> None:
    found, _ = claimed("refused = claim(RealtimeConfig(priority=5, cpus=(0,)))")
    assert found["refused"] == []
    assert found["scheduler"] == os.SCHED_FIFO and found["cpus"] == [0] and found["limit_us"] == 500_000
    assert found["locked_kib"] > 1000 and found["frozen"] > 1000 and not found["collector"]


@needs_root
def test_cycles_made_after_the_claim_are_freed_on_request_and_what_was_there_stays_frozen() -> None:
    found, _ = claimed(
        "refused = claim(RealtimeConfig(priority=0))\n"
        "class Node: pass\n"
        "for _ in range(1000): node = Node(); node.me = node\n"
        "import weakref; last = weakref.ref(node); del node\n"
        "from edge_sdk.live.realtime import tidy\n"
        "assert last() is not None; tidy(); assert last() is None\n"
    )
    assert not found["collector"] and found["frozen"] > 1000


@needs_root
def test_without_permission_each_part_is_refused_in_one_line_and_the_rest_is_claimed() -> None:
    """As an ordinary user whose limits are zero."""
    found, _ = claimed(
        "resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0)); resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))\n"
        "os.setgid(65534); os.setuid(65534)\nrefused = claim(RealtimeConfig(cpus=(0,)))"
    )
    assert [line.split(":")[0] for line in found["refused"]] == [
        "memory stays in RAM (mlockall)",
        "before others (SCHED_FIFO 60)",
    ]
    assert found["scheduler"] == os.SCHED_OTHER and found["cpus"] == [0] and not found["collector"]


@needs_root
def test_a_thread_that_runs_away_becomes_an_ordinary_one_and_says_so() -> None:
    found, said = claimed(
        "refused = claim(RealtimeConfig(priority=1))\nfirst = os.sched_getscheduler(0)\n"
        "end = time.monotonic() + 5\nwhile os.sched_getscheduler(0) == first and time.monotonic() < end: pass"
    )
    assert found["scheduler"] == os.SCHED_OTHER
    assert "goes on without real-time priority" in said


def test_no_priority_leaves_the_scheduler_alone() -> None:
    found, _ = claimed("refused = claim(RealtimeConfig(priority=0))")
    assert found["scheduler"] == os.SCHED_OTHER and not any("SCHED_FIFO" in line for line in found["refused"])


@pytest.mark.parametrize(("field", "value"), [("priority", 100), ("priority", -1), ("cpus", (-1,))])
def test_what_no_kernel_takes_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{field} = .*: expected"):
        RealtimeConfig(**{field: value})
