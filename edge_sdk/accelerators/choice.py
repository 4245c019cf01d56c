"""What a model is going to run on here: as asked for, where a trial has shown that it is any good."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from edge_sdk.accelerators.accelerator import CPU, Accelerator
from edge_sdk.accelerators.kept import cache_folder, driven_by, keep, recall, runs_on
from edge_sdk.accelerators.probe import probe
from edge_sdk.accelerators.threads import Threads, quickest
from edge_sdk.accelerators.verdict import Verdict
from edge_sdk.backends import AUTO, choose_backend
from edge_sdk.contract import Bundle

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """if_faster: take the accelerator only where it is faster than the CPU, not wherever it computes the same.

    threads: of the interpreter; none for as many as are quickest.
    """

    accelerator: Accelerator = CPU
    if_faster: bool = False
    threads: int | None = 1


@dataclass(frozen=True)
class Choice:
    """reason: why this is the CPU although something else was wanted, or what there is to know of it; may be empty."""

    accelerator: Accelerator
    threads: int
    reason: str = ""
    verdict: Verdict | None = None


def choose(bundle: Bundle, wanted: Wanted, backend: str = AUTO, folder: Path | None = None) -> Choice:
    """Measure what has to be measured. There is always the CPU, so this raises nothing for what an accelerator does.

    folder: where what was measured is kept for the next start (default: `cache_folder()`).
    """
    backend, folder = choose_backend(backend), folder or cache_folder()
    threads = wanted.threads or measured_threads(bundle, backend, folder)
    if wanted.accelerator == CPU:
        return Choice(CPU, threads)
    verdict = measured(bundle, wanted.accelerator, backend, threads, folder)
    trial, name = verdict.trial, wanted.accelerator
    if verdict.reason or trial is None:
        return Choice(CPU, threads, f"the CPU computes, not {name}: {verdict.reason}", verdict)
    if wanted.if_faster and not trial.faster:
        return Choice(CPU, threads, f"the CPU computes, not {name}: it takes {trial.times}", verdict)
    if trial.p99_us > trial.block_us:
        reason = f"{name} is too slow for a live stream: blocks of {trial.block_us:.0f} us take {trial.times}"
        return Choice(name, threads, reason, verdict)
    return Choice(name, threads, "", verdict)


def measured(bundle: Bundle, accelerator: Accelerator, backend: str, threads: int, folder: Path) -> Verdict:
    """From a trial now, or from one on this machine before."""
    about = {**runs_on(bundle.manifest, backend, threads), "accelerator": str(accelerator), **driven_by(accelerator)}
    if verdict := recall(Verdict, about, folder):
        return verdict
    log.info("%s: trying %s against the CPU", bundle.manifest.name, accelerator)
    verdict = probe(bundle, accelerator, backend, threads)
    if verdict.lasting:
        keep(verdict, about, folder)
    return verdict


def measured_threads(bundle: Bundle, backend: str, folder: Path) -> int:
    """Likewise."""
    about = runs_on(bundle.manifest, backend, 0)
    threads = recall(Threads, about, folder)
    if threads is None:
        threads = quickest(bundle, backend)
        keep(threads, about, folder)
    return threads.count
