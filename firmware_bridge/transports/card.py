"""A board's card or USB drive, mounted on this machine. It is written to as any folder is, and never formatted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from firmware_bridge.transports.transport import Done, TransportError


class CardTransport:
    """The file system at a mount point: `edge-sdk` runs here, on folders below that point."""

    def __init__(self, mount: Path) -> None:
        self.place, self._mount = str(mount), mount
        self._folders: set[Path] = set()  # that commands were given
        if not os.path.ismount(mount):
            raise TransportError(f"{mount}: nothing is mounted there; mount the card, or give its mount point")
        if os.statvfs(mount).f_flag & os.ST_RDONLY or not os.access(mount, os.W_OK):
            raise TransportError(f"{mount}: cannot be written; mind its lock switch, and mount it to be written by you")

    def put(self, source: Path, name: str) -> str:
        """Nothing to bring: `edge-sdk install` reads the file where it is."""
        return str(source.absolute())

    def discard(self, path: str) -> None:
        pass

    def run(self, words: Sequence[str]) -> Done:
        """Run an `edge-sdk` command; the card may be taken out when this returns."""
        if words[0] != "edge-sdk":
            raise TransportError(f"{self.place}: a card cannot run {words[0]}; start the board and use SSH")
        command = [sys.executable, "-m", "edge_sdk.cli", *words[1:]]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
        try:
            self._keep_owners()
        except OSError as error:
            raise self._lost(error.strerror) from error
        # Not os.sync, which tells of no errors.
        if subprocess.run(["sync", "-f", str(self._mount)], capture_output=True).returncode:
            raise self._lost("not all could be written")
        if not os.path.ismount(self._mount):
            raise self._lost("it is no longer mounted")
        return Done(done.returncode, done.stdout, done.stderr)

    def fetch(self, path: str) -> bytes:
        try:
            return self._below(path).read_bytes()
        except OSError as error:
            raise TransportError(f"{path}: cannot be read ({error.strerror}); give a file of the card") from error

    def at(self, path: str) -> str:
        self._folders.add(folder := self._below(path))
        return str(folder)

    def close(self) -> None:
        pass

    def _below(self, path: str) -> Path:
        """A path of the board; links on the card lead nowhere else."""
        there = self._mount / path.lstrip("/")
        if not there.resolve().is_relative_to(self._mount.resolve()):
            raise TransportError(f"{there}: leads off the card; give another folder")
        return there

    def _keep_owners(self) -> None:
        """What root has written into a folder of the board's service belongs to the service, or it could not go on."""
        for folder in filter(Path.is_dir, self._folders if os.geteuid() == 0 else ()):
            owner = folder.stat()
            for path in folder.iterdir():
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)

    def _lost(self, why: str | None) -> TransportError:
        return TransportError(f"{self.place}: the card was taken out, or fails ({why}); put it in and do it again")
