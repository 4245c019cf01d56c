"""What systemd is told: that sound flows, how it goes, that it goes on, that it ends (the protocol of sd_notify).

A ping of the watchdog is a promise that blocks went through since the last one. A thread that pings because it is
alive itself would keep a stream that hangs from ever being started anew.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

from edge_sdk.live.reports import Report
from edge_sdk.live.view import line

log = logging.getLogger(__name__)

STATUS_S = 1.0
PINGS = 4  # within the time after which the service manager would lose patience


class ServiceManager:
    """A listener for reports that passes them on. From the reporting thread: the audio thread talks to nobody."""

    def __init__(self, address: str, watchdog_s: float | None = None) -> None:
        self.watchdog_s = watchdog_s
        self.interval_s = STATUS_S if watchdog_s is None else min(STATUS_S, watchdog_s / PINGS)
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._ready, self._processed = False, 0

    def __call__(self, report: Report) -> None:
        lines = [f"STATUS={line(report)}"]
        if report.stream.processed > self._processed:
            self._processed = report.stream.processed
            if not self._ready:
                lines.append("READY=1")
                self._ready = True
            if self.watchdog_s is not None:
                lines.append("WATCHDOG=1")
        self._send("\n".join(lines))

    def stopping(self) -> None:
        """Say that the stream fades out now."""
        self._send("STOPPING=1")

    def close(self) -> None:
        self._socket.close()

    def _send(self, text: str) -> None:
        try:
            self._socket.sendto(text.encode(), self._address)
        except OSError as error:  # a full queue, a service manager that starts anew: the next one may arrive
            log.warning("the service manager cannot be told (%s)", error.strerror)


def service_manager(environ: Mapping[str, str] = os.environ) -> ServiceManager | None:
    """Whoever started this process and wants to be told; None where nobody does."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return None
    watchdog_us = environ.get("WATCHDOG_USEC", "")
    meant = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    wanted = meant and watchdog_us.isdigit() and int(watchdog_us) > 0
    return ServiceManager(address, int(watchdog_us) / 1e6 if wanted else None)
