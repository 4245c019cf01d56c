"""The board's end of a serial line: files into one folder, and four commands.

Whoever holds the line can bring files into that folder, install, confirm, roll back and ask for the status; no more.
What a bundle is worth is for `edge-sdk install` to say, as for any other.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

from firmware_bridge.transports import questions
from firmware_bridge.transports.frames import Frame
from firmware_bridge.transports.transport import FILE_NAME, TransportError, digest

COMMANDS = ("install", "status", "confirm", "rollback")
SPARE = 2**20  # bytes of the disk that stay free


class Receiver:
    """Answers to what is asked; each question comes once. folder: the user's own, made where there is none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name, self._size, self._sha256 = "", 0, ""  # of the file that is open
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(mode=0o755, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            raise TransportError(f"{folder}: belongs to somebody else; give a folder of your own with --folder")

    def reply(self, question: Frame) -> Frame:
        """The answer: what was asked for, or the line that refuses it."""
        try:
            if question.kind == questions.DATA:
                self._data(question.payload)
                return questions.answer(question, questions.ANSWER, b"")
            asked = questions.from_payload(question.payload)
            if asked.get("do") == "read":
                return questions.answer(question, questions.BYTES, self._read(asked))
            return questions.answer(question, questions.ANSWER, questions.to_payload(self._done(asked)))
        except OSError as error:
            refusal = f"{error.filename or self._folder}: {error.strerror}; free space or mend the disk there"
        except (TransportError, ValueError, KeyError, TypeError, struct.error) as error:
            refusal = f"{error}"
        return questions.answer(question, questions.REFUSED, refusal.encode()[: questions.PIECE])

    def _done(self, asked: dict[str, Any]) -> dict[str, Any]:
        do = asked.get("do")
        if do == "hello":
            return {"protocol": questions.PROTOCOL}
        if do == "open":
            return self._open(str(asked["name"]), int(asked["size"]), str(asked["sha256"]))
        if do == "restart":
            self._part.write_bytes(b"")
        elif do == "finish":
            return {"path": str(self._finish())}
        elif do == "discard":
            self._inside(str(asked["path"])).unlink(missing_ok=True)
        elif do == "run":
            self._run([str(word) for word in asked["words"]])
        elif do == "poll":
            if self._process is None:  # it was another receiver that has started one
                raise TransportError("no command was started; look at its status, and give it again")
            return {"status": self._process.poll()}
        else:
            raise TransportError(f"{do!r} is not known here; install the same edge-sdk on both ends")
        return {}

    @property
    def _part(self) -> Path:
        if not self._name:
            raise TransportError("no file is open; give the same command again")
        return self._folder / f"{self._name}.part"

    def _open(self, name: str, size: int, sha256: str) -> dict[str, Any]:
        if not FILE_NAME.fullmatch(name):
            raise TransportError(f"{name!r} is no plain name of a file")
        self._name, self._size, self._sha256 = name, size, sha256
        path = self._folder / name
        if path.is_file() and hash_of(path) == sha256:
            return {"path": str(path)}
        self._part.touch()
        there = self._part.stat().st_size
        if shutil.disk_usage(self._folder).free < size - there + SPARE:
            raise TransportError(f"{self._folder}: {size - there} bytes do not fit on the disk; free space there")
        return {"size": there, "sha256": hash_of(self._part)}

    def _data(self, payload: bytes) -> None:
        (offset,), data, part = questions.OFFSET.unpack_from(payload), payload[questions.OFFSET.size :], self._part
        if (there := part.stat().st_size) != offset or there + len(data) > self._size:
            raise TransportError(f"{there} bytes of {self._size} are here, not {offset}; give the same command again")
        with part.open("ab") as file:
            file.write(data)

    def _finish(self) -> Path:
        part, path = self._part, self._folder / self._name
        with part.open("rb") as file:
            os.fsync(file.fileno())
            if digest(file) != self._sha256:
                part.unlink()
                raise TransportError(f"{self._name} did not arrive whole; give the same command again")
        part.replace(path)
        return path

    def _inside(self, path: str) -> Path:
        """A file in the folder."""
        found = self._folder / path
        if found.parent != self._folder or not FILE_NAME.fullmatch(found.name):
            raise TransportError(f"{path}: not in {self._folder}, where the line ends")
        return found

    def _run(self, words: list[str]) -> None:
        if words[:1] != ["edge-sdk"] or not set(words[1:2]) & set(COMMANDS) or any(map(leads_on, words)):
            raise TransportError(f"{' '.join(words)}: over this line only edge-sdk {', '.join(COMMANDS)}")
        if self._process is not None and self._process.poll() is None:
            raise TransportError("a command is still running there; wait for its end")
        command = [sys.executable, "-m", "edge_sdk.cli", *words[1:]]
        with self._inside(questions.STDOUT).open("wb") as out, self._inside(questions.STDERR).open("wb") as err:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def _read(self, asked: dict[str, Any]) -> bytes:
        with self._inside(str(asked["path"])).open("rb") as file:
            file.seek(int(asked["offset"]))
            return file.read(questions.PIECE)


def leads_on(word: str) -> bool:
    """Whether a word would start a stream of somebody's choice, or lead from this board to another."""
    return word in ("--", "--board") or word.startswith("--board=")


def hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return digest(file)
