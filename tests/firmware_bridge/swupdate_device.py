"""A device that SWUpdate updates, on plain files: two copies in the folder of slots, and the owner's program."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from firmware_bridge.boards import FOLDER
from firmware_bridge.fleet import PROGRAM
from firmware_bridge.slots import Slots
from tests.firmware_bridge.rauc_device import Authority

PATIENCE_S = 120.0
BOARD = "lab-speaker"
# SWUpdate 2022.12 may take an image that fits into the buffer of its socket for done before it begins, and ends with 1.
WEIGHTS = 2**20

UPDATE = """#!/bin/sh -e
echo "$@" > {folder}/updated
{edge_sdk} install --no-trial --slots {slots} "$1"
{edge_sdk} confirm --watch 10 --slots {slots} < {folder}/reports.jsonl
"""


def needs_swupdate() -> None:
    """Skip where the program is missing."""
    if shutil.which("swupdate") is None:
        pytest.skip("needs swupdate (apt install swupdate)")


def board_file(folder: Path, slots: Slots) -> Path:
    """A board whose slots are in a folder of the test."""
    text = (FOLDER / "generic-aarch64.toml").read_text()
    path = folder / f"{BOARD}.toml"
    path.write_text(f'slots = "{slots.folder}"\n' + text.replace('"generic-aarch64"', f'"{BOARD}"'))
    return path


@dataclass(frozen=True)
class Update:
    """What SWUpdate said of an image."""

    succeeded: bool
    said: str


class SwupdateDevice:
    """slots: those of edge-sdk. reports: lines of `edge-sdk run --json` that the health gate will hear."""

    def __init__(self, folder: Path, known: Authority, slots: Slots, reports: str) -> None:
        folder.mkdir()
        self.folder, self.known, self.slots = folder, known, slots
        places = {
            "folder": shlex.quote(str(folder)),
            "slots": shlex.quote(str(slots.folder)),
            "edge_sdk": f"{shlex.quote(sys.executable)} -m edge_sdk.cli",
        }
        (folder / PROGRAM).write_text(UPDATE.format(**places))
        (folder / PROGRAM).chmod(0o755)
        (folder / "reports.jsonl").write_text(reports)

    def update(self, image: Path, copy: str, *options: str, board: str = BOARD) -> Update:
        """Let SWUpdate install an image into a copy."""
        words = ["swupdate", "-i", str(image), "-k", str(self.known.root), "-H", f"edge-sdk:{board}"]
        # Sockets are made there, whose paths must be short. What it says goes to a file: where it fails it may leave a
        # process behind, which would hold a pipe open for ever.
        with tempfile.TemporaryDirectory(prefix="swu") as short, tempfile.TemporaryFile() as said:
            program = subprocess.Popen(
                [*words, "-e", f"model,{copy}", *options],
                stdout=said,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "TMPDIR": short, "PATH": f"{self.folder}:{os.environ['PATH']}"},
                start_new_session=True,
            )
            try:
                succeeded = program.wait(PATIENCE_S) == 0
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(program.pid, signal.SIGKILL)
                program.wait()
            said.seek(0)
            return Update(succeeded, said.read().decode(errors="backslashreplace"))

    def copies(self) -> dict[str, bytes]:
        """What SWUpdate has written, by the names of the files."""
        return {path.name: path.read_bytes() for path in (self.slots.folder / "incoming").glob("*")}
