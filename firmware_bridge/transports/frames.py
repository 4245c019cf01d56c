"""Frames on a line that loses, doubles and changes bytes: what comes out of `Frames` is what went into `encoded`.

The octet stuffing of HDLC (RFC 1662): frames end with a flag that is nowhere inside them, so one that is damaged costs
no other. XON and XOFF are stuffed too, so a line with software flow control carries them; it needs all eight bits. A
frame holds the session, a sequence number, a kind, the payload and a CRC-32 of all that.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

FLAG, ESCAPE, FLIP = 0x7E, 0x7D, 0x20
STUFFED = re.compile(rb"[\x7e\x7d\x11\x13]")
UNSTUFFED = re.compile(rb"\x7d(.)", re.DOTALL)
HEAD, CRC = struct.Struct(">IIc"), struct.Struct(">I")
MAX_PAYLOAD = 4096
MAX_STUFFED = 2 * (HEAD.size + MAX_PAYLOAD + CRC.size)
LEAST_DAMAGED = 4  # bytes between flags; fewer are noise, more may have been a frame


@dataclass(frozen=True)
class Frame:
    """session: chosen by who asks; number: of the question in it, and of its answer; kind: a letter."""

    session: int
    number: int
    kind: bytes
    payload: bytes = b""


def encoded(frame: Frame) -> bytes:
    """The bytes of a frame. The flag in front ends whatever noise was before."""
    if len(frame.payload) > MAX_PAYLOAD:
        raise ValueError(f"a payload of {len(frame.payload)} bytes: at most {MAX_PAYLOAD} expected")
    body = HEAD.pack(frame.session, frame.number, frame.kind) + frame.payload
    body += CRC.pack(zlib.crc32(body))
    stuffed = STUFFED.sub(lambda found: bytes([ESCAPE, found[0][0] ^ FLIP]), body)
    return b"%c%b%c" % (FLAG, stuffed, FLAG)


def decoded(stuffed: bytes) -> Frame | None:
    """The frame between two flags; None where it is damaged."""
    body = UNSTUFFED.sub(lambda found: bytes([found[1][0] ^ FLIP]), stuffed)
    if len(body) < HEAD.size + CRC.size or zlib.crc32(body[: -CRC.size]) != CRC.unpack(body[-CRC.size :])[0]:
        return None
    session, number, kind = HEAD.unpack_from(body)
    return Frame(session, number, kind, body[HEAD.size : -CRC.size])


class Frames:
    """Frames from the pieces that a line gives."""

    def __init__(self) -> None:
        self._rest = b""

    def of(self, piece: bytes) -> Iterator[Frame | None]:
        """The frames that end in this piece, None for each that is damaged."""
        *ended, self._rest = (self._rest + piece).split(bytes([FLAG]))
        self._rest = self._rest[-MAX_STUFFED:]  # a line that never shows a flag fills no memory
        for stuffed in ended:
            if len(stuffed) >= LEAST_DAMAGED:
                yield decoded(stuffed)
