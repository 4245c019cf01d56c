"""Between a stream and the service manager: what the stream says is passed on, but not that it ends.

For systemd, STOPPING=1 is the end of the service; here it is one stream that makes room for the next.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Mapping

NOTIFY = "NOTIFY_SOCKET"
LARGEST = 2**16  # bytes of a message


class Relay:
    """The address that streams talk to, for their environment; a thread passes on what arrives there."""

    def __init__(self, address: str) -> None:
        self._to = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.bind("")  # Linux chooses an abstract name that nobody else has
        self.address = "@" + self._socket.getsockname()[1:].decode()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hear no more."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while message := self._socket.recv(LARGEST):
            if kept := [line for line in message.split(b"\n") if line != b"STOPPING=1"]:
                with contextlib.suppress(OSError):  # nobody there, or too busy: the next one may arrive
                    self._socket.sendto(b"\n".join(kept), socket.MSG_DONTWAIT, self._to)


def relay_for(environ: Mapping[str, str] = os.environ) -> Relay | None:
    """Where a service manager wants to be told."""
    address = environ.get(NOTIFY, "")
    return Relay(address) if address.startswith(("/", "@")) else None


def environment(relay: Relay | None, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a stream finds: the relay's address, and a watchdog that waits for whoever pings."""
    kept = {name: value for name, value in environ.items() if name not in (NOTIFY, "WATCHDOG_PID")}
    return kept if relay is None else {**kept, NOTIFY: relay.address}
