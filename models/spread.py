"""The same function over many items, on the cores of this machine or on a Ray cluster.

Results come in the order of the items and depend on nothing but them: how the work was spread never shows.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from edge_sdk.errors import EdgeError
from models.data.corpus import WORKERS

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

TRIES = 3  # times an item is given to another worker after its own was lost
AHEAD = 4  # items per worker that wait their turn: enough to keep all busy, few enough for memory


def spread(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    title: str = "",
    workers: int | None = None,
    cluster: str | None = None,
) -> Iterator[Result]:
    """`function(item)` for every item, in order, with a progress bar on terminals.

    workers: processes on this machine, one per core by default; 0 works in this process. cluster: address of a Ray
    cluster (`auto`, `ray://host:10001`, or `local` to start one here), which needs the extra `cluster`; the package
    must be installed on its nodes and the files named in the items must be reachable there. `function` is a function
    of a module, and it and the items can be pickled. An item whose worker is lost is tried again elsewhere; an error
    that the function raises is raised here.
    """
    if cluster is not None:
        results = on_cluster(function, items, cluster)
    elif workers == 0 or len(items) < 2:
        results = map(function, items)
    else:
        results = in_processes(function, items, min(workers or os.cpu_count() or 1, len(items)))
    yield from tracked(results, title, len(items))


def in_processes(function: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """A process pool; one that breaks (a worker killed, out of memory) is replaced, and its items are tried again."""
    done = lost = 0
    while done < len(items):
        with ProcessPoolExecutor(workers, mp_context=WORKERS) as pool:
            try:
                for result in ordered(lambda item: pool.submit(function, item), items[done:], AHEAD * workers):
                    yield result
                    done, lost = done + 1, 0
            except BrokenProcessPool as error:
                lost += 1
                if lost >= TRIES:
                    raise EdgeError(f"{TRIES} workers in a row were lost; give them more memory or use fewer") from error
                log.warning("a worker was lost; its work is done again")
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


def ordered(
    submit: Callable[[Item], Future[Result]], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """Results in order, with at most `ahead` items handed out beyond the one that is waited for."""
    waiting: list[Future[Result]] = []
    for item in items:
        waiting.append(submit(item))
        if len(waiting) > ahead:
            yield waiting.pop(0).result()
    while waiting:
        yield waiting.pop(0).result()


def on_cluster(function: Callable[[Item], Result], items: Sequence[Item], address: str) -> Iterator[Result]:
    """Ray tasks, one per item, one core each; Ray gives an item to another node when its own is lost."""
    ray = connect(address)
    task = ray.remote(num_cpus=1, max_retries=TRIES)(function)
    ahead = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
    waiting: list[Any] = []
    for item in items:
        waiting.append(task.remote(item))
        if len(waiting) > ahead:
            yield fetched(ray, waiting.pop(0))
    while waiting:
        yield fetched(ray, waiting.pop(0))


def fetched(ray: Any, reference: Any) -> Any:
    """The result of a task; what it raised, as it raised it."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, Exception) else error from None
    except ray.exceptions.RayError as error:
        raise EdgeError(f"the cluster lost a task {TRIES + 1} times ({type(error).__name__}); look at its log") from error


def connect(address: str) -> Any:
    """Ray, connected to a cluster."""
    try:
        import ray
    except ImportError as error:
        raise EdgeError("--cluster needs Ray, which is not installed: pip install 'edge-sdk[cluster]'") from error
    if not ray.is_initialized():
        try:
            ray.init(address=None if address == "local" else address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            raise EdgeError(f"--cluster {address}: no Ray cluster answers there ({str(error).splitlines()[0]})") from error
    return ray


def tracked(results: Iterable[Result], title: str, total: int) -> Iterator[Result]:
    """A progress bar where standard error is a terminal; standard output is for results."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    show = bool(title) and console.is_terminal
    yield from track(results, title, total=total, console=console, transient=True, disable=not show)
