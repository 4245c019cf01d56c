"""`edge-sdk` in a process of its own, with a bundle that it can read and nobody can change."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from edge_sdk.contract import Bundle
from firmware_bridge.bundle import pack

SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


@contextlib.contextmanager
def in_memory(data: bytes) -> Iterator[int]:
    """A descriptor of a file in memory that is read-only for good."""
    descriptor = os.memfd_create("bundle", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(os.dup(descriptor), "wb") as file:
            file.write(data)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
        yield descriptor
    finally:
        os.close(descriptor)


def start(
    command: Sequence[str], bundle: Bundle | None = None, keep: Sequence[int] = (), **about: Any
) -> subprocess.Popen[bytes]:
    """Start an `edge-sdk` command, with the option `--model` where there is a bundle. keep: descriptors that stay open
    there. about: for `subprocess.Popen`.

    The bytes that were verified are the bytes that run, whatever happens to a slot in the meantime.
    """
    words = [sys.executable, "-m", "edge_sdk.cli", *command]
    if bundle is None:
        return subprocess.Popen(words, pass_fds=keep, **about)
    with in_memory(pack(bundle.manifest, bundle.model)) as descriptor:
        words += ["--model", f"/proc/self/fd/{descriptor}"]
        return subprocess.Popen(words, pass_fds=(descriptor, *keep), **about)
