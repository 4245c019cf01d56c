"""Boards with a POSIX shell: files and commands through nothing but `sh`, `cat` and `sha256sum`.

BusyBox has them as well as Debian does, and no SFTP server is needed.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from firmware_bridge.transports.transport import Done, Sending, TransportError, sending

# A folder of the user's own where everybody may look, because the service that installs has another user. /var/tmp
# outlives a reboot; somebody else may have made a folder of that name there, or put a link in its place.
FOLDER = """umask 022
folder=${TMPDIR:-/var/tmp}/edge-sdk-$(id -u)
[ -d "$folder" ] || mkdir "$folder" || exit 1
if [ -L "$folder" ] || [ ! -O "$folder" ]; then echo "$folder belongs to somebody else" >&2; exit 1; fi
cd "$folder" || exit 1
part=$name.part
"""
# Where it is whole already, its path; else the size and hash of the part that is there, in a line each.
LOOK = """if [ -f "$name" ] && [ "$(sha256sum < "$name")" = "$sha256  -" ]; then echo "$folder/$name"; exit 0; fi
[ -f "$part" ] || : > "$part" || exit 1
wc -c < "$part" && sha256sum < "$part"
"""
RESTART = ': > "$part"\n'
APPEND = 'cat >> "$part"\n'
FINISH = """if [ "$(sha256sum < "$part")" != "$sha256  -" ]; then rm -f "$part"; exit 9; fi
sync "$part" && mv -f "$part" "$name" && sync . && echo "$folder/$name"
"""
DAMAGED = 9  # exit status of FINISH


class Shell(Protocol):
    """A place where `sh` runs. `TransportError` where it is lost."""

    place: str

    def execute(self, script: str, given: Iterable[bytes] = ()) -> Done:
        """Run a script with these bytes at its standard input."""
        ...

    def close(self) -> None: ...


class ShellTransport:
    """A board behind a shell."""

    def __init__(self, shell: Shell) -> None:
        self.place = shell.place
        self._shell = shell

    def put(self, source: Path, name: str) -> str:
        file = sending(source, name)
        said = self._script(LOOK, file).splitlines()
        if len(said) == 1:
            return said[0]
        size, sha256 = int(said[0]), said[1].split()[0]
        offset = size if file.starts_with(size, sha256) else 0
        if offset == 0:
            self._script(RESTART, file)
        if offset < file.size:
            self._script(APPEND, file, file.pieces(offset))
        return self._script(FINISH, file).rstrip("\n")

    def discard(self, path: str) -> None:
        self._shell.execute(f"rm -f {shlex.quote(path)}")

    def run(self, words: Sequence[str]) -> Done:
        return self._shell.execute(shlex.join(words))

    def fetch(self, path: str) -> bytes:
        done = self._shell.execute(f"cat {shlex.quote(path)}")
        if done.status:
            raise TransportError(f"{self.place}: {last_line(done.err)}; give a file that can be read there")
        return done.out

    def at(self, path: str) -> str:
        return path

    def close(self) -> None:
        self._shell.close()

    def _script(self, script: str, file: Sending, given: Iterable[bytes] = ()) -> str:
        """What a script says about a file; `TransportError` where it fails."""
        about = f"name={shlex.quote(file.name)} sha256={file.sha256}\n"
        done = self._shell.execute(about + FOLDER + script, given)
        if done.status == DAMAGED:
            raise TransportError(f"{self.place}: {file.name} did not arrive whole; give the same command again")
        if done.status:
            raise TransportError(f"{self.place}: {file.name} cannot be put there ({last_line(done.err)}); mend that")
        return done.out.decode()


class LocalShell:
    """This machine."""

    place = "local"

    def execute(self, script: str, given: Iterable[bytes] = ()) -> Done:
        process = subprocess.run(["sh", "-c", script], input=b"".join(given), capture_output=True)
        return Done(process.returncode, process.stdout, process.stderr)

    def close(self) -> None:
        pass


def last_line(said: bytes) -> str:
    """The last line of what a command complained of."""
    lines = said.decode(errors="backslashreplace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
