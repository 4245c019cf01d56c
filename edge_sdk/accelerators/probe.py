"""A trial of an accelerator in a process of its own, which may crash or hang without harm to who asks."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from typing import Any

from edge_sdk.accelerators.accelerator import Accelerator
from edge_sdk.accelerators.trial import Order
from edge_sdk.accelerators.verdict import Trial, Verdict, judged
from edge_sdk.contract import Bundle, from_plain

LIMIT_S = 60.0  # drivers compile their programs when they load a model; on small boards that takes a while
KILL_S = 5.0
ADAPTER = re.compile(r"Selected adapter: ([^,\n]+)")  # how LiteRT's log names the GPU
COMPLAINT = re.compile(r"^ERROR: \[[^]]*\] (.+)$", re.MULTILINE)  # and what it says of its troubles
OWN_FAULT = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP)


def probe(bundle: Bundle, accelerator: Accelerator, backend: str, threads: int, limit_s: float = LIMIT_S) -> Verdict:
    """Whether the model of the bundle gives there what it gives on the CPU, and how quickly. Raises nothing for what
    the accelerator does."""
    with tempfile.TemporaryFile() as request, tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as log:
        manifest = bundle.manifest.to_json()
        request.write(len(manifest).to_bytes(4, "big") + manifest + bundle.model)
        request.seek(0)
        order = Order(accelerator, backend, threads, answer.fileno())
        # Files instead of pipes: nobody waits for anybody. No modules from the folder that somebody stands in.
        process = subprocess.Popen(
            [sys.executable, "-m", "edge_sdk.accelerators.trial", json.dumps(asdict(order))],
            stdin=request,
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONSAFEPATH": "1"},
            pass_fds=[answer.fileno()],
            start_new_session=True,
        )
        try:
            status = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            end(process)
        answer.seek(0)
        said = [json.loads(line) for line in answer.read().rpartition(b"\n")[0].splitlines()]
        log.seek(0)
        return conclusion(status, said, log.read().decode(errors="replace"), limit_s, bundle.manifest.recipe)


def conclusion(status: int | None, said: list[dict[str, Any]], log: str, limit_s: float, recipe: str) -> Verdict:
    """What the end of the process, its answer and its log come to. status: none if it was ended after `limit_s`."""
    last = said[-1] if said else {"stage": "before anything was loaded"}
    if "found" in last:
        adapter = ADAPTER.search(log)
        trial = from_plain(Trial, last["found"])
        return judged(replace(trial, adapter=adapter.group(1).strip() if adapter else ""), recipe)
    if "refused" in last:
        complaints = COMPLAINT.findall(log)
        return Verdict(last["refused"] + (f" ({complaints[-1]})" if complaints else ""), lasting=False)
    if status is None:
        return Verdict(f"it was not ready within {limit_s:g} s, it hung {last['stage']}", lasting=False)
    if status < 0:
        return Verdict(f"it crashed {last['stage']} ({signal_name(-status)})", lasting=-status in OWN_FAULT)
    lines = [line for line in log.splitlines() if line.strip()] or ["no message"]
    return Verdict(f"its process ended {last['stage']} ({lines[-1].strip()[:200]})", lasting=False)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill it; one that a driver keeps inside the kernel dies later, and is not waited for."""
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(KILL_S)


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
