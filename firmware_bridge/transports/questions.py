"""What is asked over a serial line, for both ends: JSON questions with JSON answers, and bytes.

open     name, size, sha256   path, where it is there whole; else size and sha256 of the part that is there
restart                       empty the part of the file that is open
(DATA)   offset, bytes        bytes of the open file
finish                        path of the open file, read back and found right
discard  path
run      words                start a command of `edge-sdk`
poll                          status of that command, None while it runs
read     path, offset         BYTES of a file in the folder, `stdout` and `stderr` being those of the command
"""

from __future__ import annotations

import json
import struct
from typing import Any

from edge_sdk.contract import parse_json
from firmware_bridge.transports.frames import Frame

PROTOCOL = 1
ASK, DATA = b"q", b"d"
ANSWER, BYTES, REFUSED = b"a", b"b", b"e"
PIECE = 256  # bytes: at a bit error rate of 1e-4 four frames in five arrive, of 1 KiB four in nine
OFFSET = struct.Struct(">Q")
STDOUT, STDERR = "stdout", "stderr"


def to_payload(plain: dict[str, Any]) -> bytes:
    return json.dumps(plain).encode()


def from_payload(payload: bytes) -> dict[str, Any]:
    """The object in a payload; `ValueError` where there is none."""
    plain = parse_json(payload)
    if not isinstance(plain, dict):
        raise ValueError("expected a JSON object")
    return plain


def answer(question: Frame, kind: bytes, payload: bytes) -> Frame:
    """The frame that answers a question."""
    return Frame(question.session, question.number, kind, payload)
