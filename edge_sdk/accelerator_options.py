"""`--accelerator`, `--delegate` and `--threads`: what the model of a command runs on."""

from __future__ import annotations

import argparse
import logging
import os
from typing import TYPE_CHECKING

from edge_sdk.errors import EdgeError

if TYPE_CHECKING:
    from edge_sdk.accelerators.choice import Choice, Wanted
    from edge_sdk.contract import Bundle

log = logging.getLogger(__name__)


def add_accelerator(command: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = command.add_argument_group("accelerator", "tried beforehand, apart, against the CPU, which is always there")
    group.add_argument(
        "--accelerator",
        choices=("cpu", "gpu", "auto"),
        help="gpu: if it computes the same; auto: if it is faster, too (default: cpu, or the delegate)",
    )
    group.add_argument(
        "--delegate", metavar="PATH", help="a library with an external TFLite delegate, instead of a GPU"
    )
    group.add_argument(
        "--delegate-option", type=pair, action="append", default=[], metavar="K=V", help="for it (several times)"
    )
    group.add_argument(
        "--threads", type=thread_count, default=1, metavar="N", help="of the CPU, or auto: measured (default: 1)"
    )


def add_cpu(command: argparse.ArgumentParser) -> None:
    """Add `--cpu`, for commands that have none of their own."""
    command.add_argument(
        "--cpu", type=int, action="append", default=[], metavar="N", help="core to run on (default: all)"
    )


def pin(args: argparse.Namespace) -> None:
    """Keep this thread, and the threads and processes that it starts, on the cores of `--cpu`."""
    if not args.cpu:
        return
    allowed = sorted(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(0, args.cpu)
    except (OSError, ValueError, OverflowError) as error:
        raise EdgeError(f"--cpu {', '.join(map(str, args.cpu))}: expected some of {allowed}") from error


def wanted(args: argparse.Namespace) -> Wanted:
    """What the options ask for; `EdgeError` where they do not go together."""
    from edge_sdk.accelerators.accelerator import CPU, GPU, Accelerator
    from edge_sdk.accelerators.choice import Wanted

    threads, if_faster = args.threads or None, args.accelerator == "auto"
    if args.delegate is None:
        if args.delegate_option:
            raise EdgeError("--delegate-option is for a library; give --delegate PATH")
        return Wanted(CPU if args.accelerator in (None, "cpu") else GPU, if_faster, threads)
    if args.accelerator in ("cpu", "gpu"):
        raise EdgeError(f"--delegate and --accelerator {args.accelerator}: give one of them, or --accelerator auto")
    try:
        return Wanted(Accelerator("delegate", args.delegate, tuple(args.delegate_option)), if_faster, threads)
    except ValueError as error:
        raise EdgeError(f"--delegate {args.delegate!r} ({error})") from error


def chosen(args: argparse.Namespace, bundle: Bundle) -> Choice:
    """What the model is going to run on; says once why, if it is not what was asked for."""
    from edge_sdk.accelerators.choice import choose

    choice = choose(bundle, wanted(args), args.backend)
    if choice.reason:
        log.warning("%s", choice.reason)
    return choice


def pair(text: str) -> tuple[str, str]:
    """A name and a value."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text}: expected NAME=VALUE")
    return name, value


def thread_count(text: str) -> int:
    """A whole number that an interpreter can make sense of; 0 for auto."""
    from edge_sdk.interpreter import MAX_THREADS

    if text == "auto":
        return 0
    if not 1 <= (value := int(text)) <= MAX_THREADS:
        raise argparse.ArgumentTypeError(f"{text}: expected auto or 1 to {MAX_THREADS}")
    return value
