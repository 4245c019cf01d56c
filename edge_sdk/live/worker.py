"""The process in which an isolated model runs: `python -m edge_sdk.live.worker ORDER INHERITED`.

It is started by `isolation`, may compute and nothing else (no files, no more memory than agreed, no new privileges),
and ends with the thread that started it.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from dataclasses import dataclass

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38  # linux/prctl.h
OPEN_FILES = 64
LAST_WORDS = 1000  # bytes


@dataclass(frozen=True)
class Order:
    """The engine to make and the limits to keep.

    memory_bytes: of address space; priority, cpus: as in `RealtimeConfig`, priority 0 for none.
    """

    mics: int
    sources: int
    block: int
    reference: int
    backend: str
    threads: int
    memory_bytes: int
    priority: int
    cpus: tuple[int, ...]


@dataclass(frozen=True)
class Inherited:
    """Descriptors that a worker finds open, and the process that opened them.

    model: memory that holds a manifest of `manifest_bytes` and behind it the model; blocks: that of an `Exchange`;
    todo, done: event counters; life: a pipe that hangs up when the worker ends, and takes its last words.
    """

    parent: int
    model: int
    manifest_bytes: int
    blocks: int
    todo: int
    done: int
    life: int


def confine(parent: int, memory_bytes: int) -> None:
    """Give up what a model does not need. The parent ends this process: signals that a terminal or a service manager
    sends to all must not, for the stream still fades out."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before
        sys.exit(1)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
    ):
        _, hard = resource.getrlimit(what)
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (limit, limit))


def serve(order: Order, inherited: Inherited) -> None:
    """Do block after block, for ever."""
    from edge_sdk.contract import Bundle, manifest_from_json
    from edge_sdk.live.exchange import SLOTS, Exchange
    from edge_sdk.live.local import model_engine
    from edge_sdk.live.realtime import RealtimeConfig, claim
    from edge_sdk.separator import Separator

    size = os.fstat(inherited.model).st_size
    manifest = manifest_from_json(os.pread(inherited.model, inherited.manifest_bytes, 0))
    bundle = Bundle(manifest, os.pread(inherited.model, size, inherited.manifest_bytes))
    separator = Separator(bundle, order.backend, order.threads)
    engine = model_engine(separator, order.mics, order.sources, order.block, order.reference)
    blocks = Exchange(inherited.blocks, order.mics, order.sources, order.block)
    engine.process(blocks.inputs[0], blocks.outputs[0], 0.0)  # the first step of all takes longer
    engine.reset()
    if order.priority:
        claim(
            RealtimeConfig(order.priority, order.cpus)
        )  # what is refused here is refused to the parent, which says so
    os.eventfd_write(inherited.done, 1)
    while True:
        os.eventfd_read(inherited.todo)
        while blocks.done < blocks.sent:
            slot = blocks.done % SLOTS
            if blocks.forget[slot]:
                engine.reset()
            blocks.finish(engine.process(blocks.inputs[slot], blocks.outputs[slot], 0.0))
            os.eventfd_write(inherited.done, 1)


def main() -> None:
    order, inherited = Order(**json.loads(sys.argv[1])), Inherited(**json.loads(sys.argv[2]))
    try:
        confine(inherited.parent, order.memory_bytes)
        serve(order, inherited)
    except Exception as error:
        os.write(inherited.life, f"{type(error).__name__}: {' '.join(str(error).split())}".encode()[:LAST_WORDS])
        sys.exit(1)


if __name__ == "__main__":
    main()
