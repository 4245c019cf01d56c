"""A serial line between two pseudo terminals that changes bits, loses bytes and says things twice."""

import contextlib
import os
import random
import select
import threading
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.transports.line import Answerer, Patience
from firmware_bridge.transports.port import Port
from firmware_bridge.transports.receiver import Receiver
from firmware_bridge.transports.serial_line import SerialTransport

BAUD = 4_000_000  # a pty has no rate; this one makes waiting for bytes short
PATIENCE = Patience(wait_s=0.1, silences=12)


@dataclass(frozen=True)
class Faults:
    """Shares: of bits that change, of pieces that lose their first bytes, that come twice. cut: after so many bytes
    nothing comes through any more."""

    bits: float = 0.0
    lost: float = 0.0
    doubled: float = 0.0
    cut: int | None = None


GOOD = Faults()


class LossyLine:
    """near, far: the ports. carried: bytes so far; lost, doubled: pieces; changed: bits.

    Seeded; what is spoiled depends on the order too in which the two ends speak.
    """

    def __init__(self, faults: Faults, seed: int = 1) -> None:
        self.faults, self._random, self.carried = faults, random.Random(seed), 0
        self.lost = self.doubled = self.changed = 0
        (self._a, slave_a), (self._b, slave_b) = os.openpty(), os.openpty()
        self._slaves = (slave_a, slave_b)
        for descriptor in (self._a, self._b, *self._slaves):
            tty.setraw(descriptor)
        self.near, self.far = Path(os.ttyname(slave_a)), Path(os.ttyname(slave_b))
        self._ended = False
        self._thread = threading.Thread(target=self._pump)
        self._thread.start()

    def close(self) -> None:
        self._ended = True
        self._thread.join()
        for descriptor in (self._a, self._b, *self._slaves):
            os.close(descriptor)

    def _pump(self) -> None:
        while not self._ended:
            for descriptor in select.select([self._a, self._b], (), (), 0.02)[0]:
                piece = self.spoiled(os.read(descriptor, 4096))
                os.write(self._b if descriptor == self._a else self._a, piece)

    def spoiled(self, piece: bytes) -> bytes:
        self.carried += len(piece)
        if self.faults.cut is not None and self.carried > self.faults.cut:
            return b""
        if self._random.random() < self.faults.lost:
            piece, self.lost = piece[self._random.randrange(1, 40) :], self.lost + 1
        if self._random.random() < self.faults.doubled:
            piece, self.doubled = piece + piece, self.doubled + 1
        data = bytearray(piece)
        for bit in range(8 * len(data)) if self.faults.bits else ():
            if self._random.random() < self.faults.bits:
                data[bit // 8] ^= 1 << bit % 8
                self.changed += 1
        return bytes(data)


@contextlib.contextmanager
def receiving(line: LossyLine, folder: Path) -> Iterator[None]:
    """`edge-sdk receive` at the far end, in a thread."""
    port, ended = Port(line.far, BAUD), threading.Event()
    answerer = Answerer(port, Receiver(folder).reply)

    def attend() -> None:
        while not ended.is_set():
            answerer.attend(0.02)

    thread = threading.Thread(target=attend)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        port.close()


@contextlib.contextmanager
def serial_board(folder: Path, faults: Faults, seed: int = 1) -> Iterator[tuple[SerialTransport, LossyLine]]:
    """A board behind such a line, whose files arrive in the folder."""
    with (
        contextlib.closing(LossyLine(faults, seed)) as line,
        receiving(line, folder),
        contextlib.closing(SerialTransport(Port(line.near, BAUD), "serial:test", PATIENCE)) as board,
    ):
        yield board, line
