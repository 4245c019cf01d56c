"""Requests of whoever started a stream, on a socket that the stream inherited; nobody else can reach it.

A packet is a request in JSON, and its answer another one:

    {"model": PATH}     play this bundle, or the one whose open file came with the packet    {"swaps": 1}
    {"back": true}      play what was replaced again                                         {"swaps": 2}

or, where it cannot, {"error": "one line", "failed": false}: failed, where the model itself is broken.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from types import TracebackType

from edge_sdk.contract import TrustPolicy, canonical_json, parse_json, read_bundle
from edge_sdk.errors import EdgeError
from edge_sdk.live.swap import FailedError, Swap

log = logging.getLogger(__name__)
LONGEST = 8192  # bytes of a request


class ControlError(EdgeError):
    """A request that cannot be understood, or a socket that is none."""


class Control:
    """A thread that does what is asked, while this lasts. trust: whose bundles may come."""

    def __init__(self, descriptor: int, swap: Swap, trust: TrustPolicy | None = None) -> None:
        try:
            self._socket = socket.socket(fileno=descriptor)
        except OSError as error:
            raise ControlError(
                f"--control {descriptor}: not a socket ({error.strerror}); edge-sdk serve gives one"
            ) from error
        self._swap, self._trust = swap, trust
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def __enter__(self) -> Control:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._swap.close()
        with contextlib.suppress(OSError):  # whoever asked is gone
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        try:
            while True:
                request, files, _, _ = socket.recv_fds(self._socket, LONGEST, 1, socket.MSG_CMSG_CLOEXEC)
                if not request:
                    return
                self._socket.send(canonical_json(self._answer(request, files)))
        except OSError as error:  # whoever asked is gone, and the stream goes on
            log.info("nobody asks any more (%s)", error.strerror)

    def _answer(self, request: bytes, files: list[int]) -> dict[str, object]:
        try:
            return {"swaps": self._do(request, files)}
        except EdgeError as error:
            return {"error": str(error), "failed": isinstance(error, FailedError)}
        except Exception as error:  # whoever asks waits for an answer
            log.debug("", exc_info=error)
            return {"error": f"{type(error).__name__}: {' '.join(str(error).split())}", "failed": False}
        finally:
            for descriptor in files:
                os.close(descriptor)

    def _do(self, request: bytes, files: list[int]) -> int:
        try:
            plain = parse_json(request)
        except ValueError as error:
            raise ControlError(f"not a request ({error}); expected JSON") from error
        if plain == {"back": True}:
            return self._swap.back()
        if not (isinstance(plain, dict) and list(plain) == ["model"] and isinstance(plain["model"], str)):
            raise ControlError('not a request; expected {"model": PATH} or {"back": true}')
        path = f"/proc/self/fd/{files[0]}" if files else plain["model"]
        return self._swap.load(read_bundle(path, self._trust))
