"""A board set up step by step: each is looked at first, done only where it is not so yet, and looked at again."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_sdk.errors import EdgeError
from firmware_bridge.transports import Done, Transport

OLDEST_PYTHON = (3, 10)
# Read-only, and plain enough for any shell; `arrivals` is where firmware_bridge.transports.shell puts files.
PROBE = """echo "cpu=$(uname -m)"
echo "bits=$(getconf LONG_BIT)"
echo "glibc=$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)"
echo "python=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)"
echo "user=$(id -un)"
echo "uid=$(id -u)"
echo "sudo=$(sudo -n true 2>/dev/null && echo yes)"
echo "arrivals=${TMPDIR:-/var/tmp}/edge-sdk-$(id -u)"
"""


class ProvisionError(EdgeError):
    """A board cannot be set up; the steps that were done stay done, and the same command goes on from there."""


@dataclass(frozen=True)
class Target:
    """A board as it describes itself. cpu: of its programs, not of its kernel. python, glibc: versions.
    arrivals: folder where files come to."""

    cpu: str
    python: tuple[int, int]
    glibc: tuple[int, int]
    user: str
    arrivals: str
    needs_sudo: bool = False


@dataclass(frozen=True)
class Step:
    """check: a script that ends with 0 where all is so already, and changes nothing. apply: one that makes it so, with
    files that are brought to the board for it. Both run as root."""

    description: str
    check: str
    apply: str
    brings: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of a step: `already so`, `done`, or in a dry run `to be done`."""

    step: Step
    outcome: str


def probe(board: Transport) -> Target:
    """What the board is. `ProvisionError` where it is none that can be set up."""
    done = board.run(["sh", "-c", PROBE])
    said = dict(line.split("=", 1) for line in done.out.decode(errors="replace").splitlines() if "=" in line)
    versions = {name: re.fullmatch(r"(\d+)\.(\d+).*", said.get(name, "")) for name in ("python", "glibc")}
    python, glibc = ((int(found[1]), int(found[2])) if found else (0, 0) for found in versions.values())
    if python < OLDEST_PYTHON:
        raise ProvisionError(
            f"{board.place}: /usr/bin/python3 is {said.get('python') or 'missing'}, 3.10 or later expected; "
            "set the board up with a newer system"
        )
    if glibc == (0, 0):
        raise ProvisionError(
            f"{board.place}: its C library is not glibc, for which wheels are made; take another system"
        )
    needs_sudo = said["uid"] != "0"
    if needs_sudo and said["sudo"] != "yes":
        raise ProvisionError(
            f"{board.place}: {said['user']} needs a password to become root; log in as root, or allow sudo without one"
        )
    # A 32-bit system on a 64-bit kernel, as Raspberry Pi OS once was.
    cpu = "armv7l" if said["cpu"] in ("aarch64", "armv7l") and said["bits"] == "32" else said["cpu"]
    return Target(cpu, python, glibc, said["user"], said["arrivals"], needs_sudo)


def provision(
    board: Transport,
    target: Target,
    steps: Sequence[Step],
    dry_run: bool = False,
    told: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Take the steps in their order; what became of each is told at once. A dry run only looks.

    `ProvisionError` at the first that cannot be done.
    """
    outcomes = []
    for step in steps:
        if as_root(board, target, step.check).status == 0:
            outcome = "already so"
        elif dry_run:
            outcome = "to be done"
        else:
            take(board, target, step)
            outcome = "done"
        outcomes.append(Outcome(step, outcome))
        told(outcomes[-1])
    return outcomes


def take(board: Transport, target: Target, step: Step) -> None:
    """Make it so."""
    brought = [board.put(path, path.name) for path in step.brings]
    done = as_root(board, target, step.apply)
    for path in brought:
        board.discard(path)
    if done.status:
        lines = (done.err or done.out).decode(errors="backslashreplace").strip().splitlines()
        why = lines[-1] if lines else f"exit status {done.status}"
        raise ProvisionError(f"{board.place}: {step.description}: {why}; mend that and give the same command again")
    if as_root(board, target, step.check).status:
        raise ProvisionError(
            f"{board.place}: {step.description}: done without an error, but it is not so; see it with --dry-run"
        )


def as_root(board: Transport, target: Target, script: str) -> Done:
    return board.run([*(["sudo", "-n"] if target.needs_sudo else []), "sh", "-c", script])
