"""A board at the other end of a serial line, where `edge-sdk receive` runs: slow, and for boards without a network."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from firmware_bridge.transports import questions
from firmware_bridge.transports.line import Asker, Line, Patience
from firmware_bridge.transports.transport import Done, TransportError, sending

POLL_S = 0.2
MAX_FETCH = 2**20


class SerialTransport:
    """A board behind a line. progress: is told how many bytes of how many have arrived."""

    def __init__(
        self,
        line: Line,
        place: str,
        patience: Patience | None = None,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        self.place, self._asker, self._progress = place, Asker(line, place, patience), progress
        try:
            self._check_protocol()
        except BaseException:
            line.close()
            raise

    def put(self, source: Path, name: str) -> str:
        file = sending(source, name)
        there = self._ask("open", name=name, size=file.size, sha256=file.sha256)
        if "path" in there:
            return str(there["path"])
        offset = int(there["size"]) if file.starts_with(int(there["size"]), str(there["sha256"])) else 0
        if offset == 0:
            self._ask("restart")
        for piece in file.pieces(offset, questions.PIECE):
            self._answer(questions.DATA, questions.OFFSET.pack(offset) + piece)
            offset += len(piece)
            self._progress(offset, file.size)
        return str(self._ask("finish")["path"])

    def discard(self, path: str) -> None:
        self._ask("discard", path=path)

    def run(self, words: Sequence[str]) -> Done:
        self._ask("run", words=list(words))
        while (status := self._ask("poll")["status"]) is None:
            time.sleep(POLL_S)
        return Done(int(status), self.fetch(questions.STDOUT), self.fetch(questions.STDERR))

    def fetch(self, path: str) -> bytes:
        data = b""
        while piece := self._answer(*self._question("read", path=path, offset=len(data))):
            if len(data := data + piece) > MAX_FETCH:
                raise TransportError(f"{self.place}: {path} is longer than {MAX_FETCH} bytes; fetch it another way")
        return data

    def at(self, path: str) -> str:
        return path

    def close(self) -> None:
        self._asker.close()

    def _check_protocol(self) -> None:
        if (spoken := self._ask("hello").get("protocol")) != questions.PROTOCOL:
            known = questions.PROTOCOL
            raise TransportError(
                f"{self.place}: speaks protocol {spoken}, expected {known}; install the same edge-sdk on both ends"
            )

    def _question(self, do: str, **about: Any) -> tuple[bytes, bytes]:
        return questions.ASK, questions.to_payload({"do": do, **about})

    def _ask(self, do: str, **about: Any) -> dict[str, Any]:
        try:
            return questions.from_payload(self._answer(*self._question(do, **about)))
        except ValueError as error:
            raise TransportError(
                f"{self.place}: answers in another way ({error}); install the same edge-sdk on both ends"
            ) from error

    def _answer(self, kind: bytes, payload: bytes) -> bytes:
        frame = self._asker.ask(kind, payload)
        if frame.kind == questions.REFUSED:
            raise TransportError(f"{self.place}: {frame.payload.decode(errors='backslashreplace')}")
        return frame.payload
