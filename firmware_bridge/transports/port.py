"""A serial port as the system has it: eight bits, no parity, no flow control, nothing changed on the way."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import termios
import time
from pathlib import Path

from firmware_bridge.transports.transport import TransportError

PIECE = 4096
WRITE_S = 10.0  # for a frame; only a line that somebody holds up takes so long
RATES = {
    int(name[1:]): getattr(termios, name)
    for name in dir(termios)
    if name[0] == "B" and name[1:].isdigit() and name != "B0"
}


class Port:
    """A port that is ours alone until it is closed. `TransportError` where it is not there, or is taken out."""

    def __init__(self, path: Path, baud: int) -> None:
        self.path, self.baud = path, baud
        if baud not in RATES:
            rates = ", ".join(str(rate) for rate in sorted(RATES) if rate >= 9600)
            raise TransportError(f"{path}: {baud} baud is no rate of a serial port; expected one of {rates}")
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise TransportError(
                f"{path}: cannot be opened ({error.strerror}); plug it in, or join its group"
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._set_up()
        except (OSError, termios.error) as error:
            os.close(self._descriptor)
            if isinstance(error, BlockingIOError):
                raise TransportError(f"{path}: another program has it; end that one") from None
            raise TransportError(f"{path}: no serial port ({error.args[-1]}); give one, as /dev/ttyUSB0") from error

    def read(self, seconds: float) -> bytes:
        """What came, as soon as something comes; nothing after that time without."""
        if not select.select([self._descriptor], (), (), max(0.0, seconds))[0]:
            return b""
        try:
            piece = os.read(self._descriptor, PIECE)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._gone(error.strerror) from error
        if not piece:
            raise self._gone("end of file")
        return piece

    def write(self, data: bytes) -> None:
        """Hand all of it to the port."""
        view, until_s = memoryview(data), time.monotonic() + WRITE_S
        while view:
            if not select.select((), [self._descriptor], (), max(0.0, until_s - time.monotonic()))[1]:
                raise self._gone(f"takes nothing for {WRITE_S:g} s")
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._gone(error.strerror) from error

    def close(self) -> None:
        os.close(self._descriptor)

    def _set_up(self) -> None:
        attributes = termios.tcgetattr(self._descriptor)
        cc = list(attributes[6])
        cc[termios.VMIN], cc[termios.VTIME] = 1, 0
        control = termios.CS8 | termios.CREAD | termios.CLOCAL
        speed = RATES[self.baud]
        termios.tcsetattr(self._descriptor, termios.TCSANOW, [0, 0, control, 0, speed, speed, cc])
        termios.tcflush(self._descriptor, termios.TCIOFLUSH)

    def _gone(self, why: str | None) -> TransportError:
        return TransportError(
            f"{self.path}: the port is gone ({why or os.strerror(errno.EIO)}); plug it in and do it again"
        )
