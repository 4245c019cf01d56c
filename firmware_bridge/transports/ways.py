"""Which way leads to a board, by what the user calls it."""

from __future__ import annotations

import sys
from pathlib import Path

from firmware_bridge.transports.transport import Transport, TransportError

SERIAL = "serial:"
BAUD = 115_200


def open_board(place: str) -> Transport:
    """The board at a place: `[user@]host[:port]`, `serial:PORT[@BAUD]`, the mount point of its card, or `local`.

    `TransportError` where it is not there.
    """
    if place == "local":
        from firmware_bridge.transports.shell import LocalShell, ShellTransport

        return ShellTransport(LocalShell())
    if place.startswith(SERIAL):
        from firmware_bridge.transports.port import Port
        from firmware_bridge.transports.serial_line import SerialTransport

        return SerialTransport(Port(*port_from(place.removeprefix(SERIAL))), place, progress=show_progress)
    if place.startswith((".", "/")):
        from firmware_bridge.transports.card import CardTransport

        return CardTransport(Path(place))
    from firmware_bridge.transports.shell import ShellTransport
    from firmware_bridge.transports.ssh import SshShell, address_from

    return ShellTransport(SshShell(address_from(place)))


def port_from(text: str) -> tuple[Path, int]:
    """Path and rate of `PORT[@BAUD]`."""
    path, _, baud = text.partition("@")
    if not path or (baud and not (baud.isascii() and baud.isdigit())):
        raise TransportError(f"{text!r}: no serial port; expected one as /dev/ttyUSB0@115200")
    return Path(path), int(baud or BAUD)


def show_progress(done: int, of: int) -> None:
    """A line that is written over, where a terminal is: a megabyte takes a minute and a half."""
    if sys.stderr.isatty():
        print(f"\r{done} of {of} bytes", end="\n" if done == of else "", file=sys.stderr, flush=True)
