"""A trial run of a model in a process of its own, which may crash, hang or eat memory without harm to who asks."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import BinaryIO

from edge_sdk.contract import Bundle, from_plain, parse_json
from edge_sdk.verifier.errors import ModelError

MAX_SAID = 64 * 1024  # bytes that the process may write


@dataclass(frozen=True)
class Limits:
    """memory: bytes of address space, of which the interpreter's libraries take most. seconds: of processor time;
    three times as many on the clock, and it is killed."""

    memory: int = 2 * 2**30
    seconds: int = 30

    def __post_init__(self) -> None:
        if not 1 <= self.seconds <= 3600 or self.memory < 2**26:
            raise ValueError(f"{self.seconds} s and {self.memory} bytes: expected 1 to 3600 s and 64 MiB or more")


@dataclass(frozen=True)
class Admission:
    """What a model did with silence, noise and a sweep.

    peak: largest sample that came out. real_time_factor: of the slowest tenth of the blocks on this machine.
    no_network: whether the process was cut off from the network. sealed: whether the kernel refused it sockets, other
    programs and changes of files (edge_sdk.verifier.seccomp), which takes a kernel and a processor that can.
    """

    blocks: int
    peak: float
    real_time_factor: float
    no_network: bool
    sealed: bool


def admit(bundle: Bundle, limits: Limits | None = None) -> Admission:
    """Run the model of a bundle; `ModelError` where it crashes, hangs, gives NaN, or takes more than the limits."""
    limits = limits or Limits()
    command = [sys.executable, "-m", "edge_sdk.verifier.trial", str(limits.memory), str(limits.seconds), str(MAX_SAID)]
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complaints:
        manifest = bundle.manifest.to_json()
        asked.write(len(manifest).to_bytes(4, "big") + manifest + bundle.model)
        asked.seek(0)
        # Files instead of pipes: nobody waits for anybody, and the limit on their size holds what it can say.
        with subprocess.Popen(command, stdin=asked, stdout=said, stderr=complaints, start_new_session=True) as process:
            try:
                status = process.wait(3 * limits.seconds)  # its own limit, on processor time, comes first
            except subprocess.TimeoutExpired:
                process.kill()
                raise ModelError("trial", f"it took more than {3 * limits.seconds} s") from None
            except BaseException:
                process.kill()
                raise
        if status:
            raise ModelError("trial", reason(status, last_line(complaints)))
        said.seek(0)
        try:
            return from_plain(Admission, parse_json(said.read(MAX_SAID)))
        except ValueError as error:
            raise ModelError("trial", f"it answered nonsense ({error})") from error


def reason(status: int, complaint: str) -> str:
    """Why a process ended, in words."""
    if status == -signal.SIGXCPU:
        return "it took more processor time than it may"
    if status < 0:
        return f"the interpreter crashed ({signal.Signals(-status).name})"
    return complaint or f"the process ended with status {status}"


def last_line(file: BinaryIO) -> str:
    """The last line of what a process complained, without what could confuse a terminal."""
    file.seek(0)
    lines = file.read(MAX_SAID).decode("ascii", "replace").split("\n")
    line = next((line for line in reversed(lines) if line.strip()), "")
    return "".join(c for c in line if c.isprintable())[:200]
