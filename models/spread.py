"""The same function over many items, on the cores of this machine or on a Ray cluster.

Results come in the order of the items and depend on nothing but them: how the work was spread never shows.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from edge_sdk.errors import EdgeError
from models.data.corpus import WORKERS

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")
Handle = TypeVar("Handle")  # of work that somebody else does: a future, an object reference

TRIES = 3  # workers that an item may cost before it is given up
AHEAD = 4  # items per worker that wait their turn: enough to keep all busy, few enough for memory
ANSWER_S = 5.0  # within which a cluster takes a connection; Ray itself asks for minutes, then ends the process


def spread(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    title: str = "",
    workers: int | None = None,
    cluster: str | None = None,
) -> Iterator[Result]:
    """`function(item)` for every item, in order, with a progress bar on terminals.

    workers: processes on this machine, one per core by default; 0 works in this process. cluster: address of a Ray
    cluster (`auto`, `ray://host:10001`, or `local` to start one here of `workers` cores), which needs the extra
    `cluster`; the package must be installed on its nodes and the files named in the items must be reachable there.
    `function` is a function of a module, and it and the items can be pickled. An item whose worker is lost is tried
    again elsewhere; an error that the function raises is raised here.
    """
    if workers is not None and workers < 0:
        raise ValueError(f"workers = {workers}: expected a number of processes, or 0 for none besides this one")
    if cluster is not None:
        results = on_cluster(function, items, cluster, workers)
    elif workers == 0 or len(items) < 2:
        results = map(function, items)
    else:
        results = in_processes(function, items, min(workers or os.cpu_count() or 1, len(items)))
    yield from tracked(results, title, len(items))


def in_processes(function: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """A process pool; one that breaks (a worker killed, out of memory) is replaced, and its items are tried again."""
    done = lost = 0
    while done < len(items):
        # An interrupt is the parent's to answer: it ends the pool.
        pool = ProcessPoolExecutor(workers, WORKERS, signal.signal, (signal.SIGINT, signal.SIG_IGN))
        try:
            for result in in_order(pool_submit(pool, function), lambda f: f.result(), items[done:], AHEAD * workers):
                yield result
                done, lost = done + 1, 0
        except BrokenProcessPool as error:
            lost += 1
            if lost == TRIES:
                raise EdgeError(
                    f"{TRIES} worker processes in a row died (killed, or out of memory); use fewer --workers, "
                    "or --workers 0, which shows what ends them"
                ) from error
            log.warning("a worker process died; its work is done again")
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def pool_submit(pool: ProcessPoolExecutor, function: Callable[[Item], Result]) -> Callable[[Item], Any]:
    """What hands an item to a pool."""
    return lambda item: pool.submit(function, item)


def in_order(
    submit: Callable[[Item], Handle], fetch: Callable[[Handle], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """Results in the order of the items, with at most `ahead` items handed out beyond the one that is waited for."""
    waiting: deque[Handle] = deque()
    for item in items:
        waiting.append(submit(item))
        if len(waiting) > ahead:
            yield fetch(waiting.popleft())
    while waiting:
        yield fetch(waiting.popleft())


def on_cluster(
    function: Callable[[Item], Result], items: Sequence[Item], address: str, cores: int | None = None
) -> Iterator[Result]:
    """Ray tasks, one per item, one core each; Ray gives an item to another worker when its own is lost."""
    with connected(address, cores) as ray:
        task = ray.remote(num_cpus=1, max_retries=TRIES - 1)(function)
        ahead = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        yield from in_order(task.remote, lambda reference: fetched(ray, reference), items, ahead)


def fetched(ray: Any, reference: Any) -> Any:
    """The result of a task; what it raised, as it raised it."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, Exception) else error from None
    except ray.exceptions.RayError as error:
        raise EdgeError(
            f"the cluster lost {TRIES} workers over one item ({type(error).__name__}); its log says why"
        ) from error


@contextlib.contextmanager
def connected(address: str, cores: int | None) -> Iterator[Any]:
    """Ray, connected to a cluster for as long as this lasts, or as the caller has connected it."""
    try:
        import ray
    except ImportError as error:
        raise EdgeError("--cluster needs Ray, which is not installed: pip install 'edge-sdk[cluster]'") from error
    if ray.is_initialized():
        yield ray
        return
    check_answers(address)
    here = {"num_cpus": cores, "include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **here)
    except (ConnectionError, ValueError, RuntimeError, OSError, SystemExit) as error:
        raise EdgeError(f"--cluster {address}: {first_line(error)}; expected {ADDRESSES}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


ADDRESSES = "the address of a running Ray cluster (auto, ray://HOST:10001, HOST:6379), or local to start one here"


def check_answers(address: str) -> None:
    """`EdgeError` where `HOST:PORT` or `ray://HOST:PORT` takes no connection; other addresses are for Ray to judge."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return
    try:
        with socket.create_connection((host, int(port)), timeout=ANSWER_S):
            return
    except (OSError, ValueError, OverflowError) as error:
        raise EdgeError(f"--cluster {address}: nothing answers there ({error}); expected {ADDRESSES}") from error


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def tracked(results: Iterable[Result], title: str, total: int) -> Iterator[Result]:
    """A progress bar where standard error is a terminal; standard output is for results."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    show = bool(title) and console.is_terminal
    yield from track(results, title, total=total, console=console, transient=True, disable=not show)
