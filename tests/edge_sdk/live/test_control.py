"""What a stream is asked for on the socket that it inherited, and whose bundles it takes."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_sdk.contract import Bundle
from edge_sdk.errors import EdgeError
from edge_sdk.live.control import LONGEST, Control, ControlError
from edge_sdk.live.swap import FailedError, Swap, SwapError
from firmware_bridge.launch import in_memory
from tests.edge_sdk.bundles import bundle_bytes
from tests.edge_sdk.signing import policy


class Noted(Swap):
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.loaded: list[Bundle] = []
        self.closed = False
        self.refuses: EdgeError | None = None
        self.breaks: Exception | None = None

    def load(self, bundle: Bundle) -> int:
        if error := self.breaks or self.refuses:
            raise error
        self.loaded.append(bundle)
        return len(self.loaded)

    def back(self) -> int:
        raise SwapError("no model was replaced before; there is none to go back to")

    def close(self) -> None:
        self.closed = True


class Asking:
    """The end of whoever started the stream."""

    def __init__(self, ours: socket.socket) -> None:
        self.socket = ours

    def __call__(self, request: bytes, *files: int) -> dict[str, object]:
        socket.send_fds(self.socket, [request], list(files))
        return dict(json.loads(self.socket.recv(LONGEST)))


@pytest.fixture
def swap() -> Noted:
    return Noted()


@pytest.fixture
def ask(swap: Noted) -> Iterator[Asking]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(60.0)
    with Control(theirs.detach(), swap):
        yield Asking(ours)
    assert swap.closed
    ours.close()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "small.edge").write_bytes(bundle_bytes())
    return tmp_path / "small.edge"


def test_a_bundle_is_named_by_its_path(ask: Asking, swap: Noted, bundle: Path) -> None:
    assert ask(json.dumps({"model": str(bundle)}).encode()) == {"swaps": 1}
    assert swap.loaded[0].manifest.name == "small"


def test_an_open_file_comes_before_any_name_and_is_not_kept_open(ask: Asking, swap: Noted) -> None:
    """So that nobody can put another in its place."""
    with in_memory(bundle_bytes(version="7")) as file:
        ask(b'{"model": "/nowhere"}', file)  # what Python opens once, it opens now
        before = len(os.listdir("/proc/self/fd"))
        assert ask(b'{"model": "/nowhere"}', file) == {"swaps": 2}
        assert len(os.listdir("/proc/self/fd")) == before
    assert swap.loaded[1].manifest.version == "7"


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (b"nonsense", "not a request (Expecting value"),
        (b"\xff", "not a request"),
        (b"[]", "expected {"),
        (b"{}", "expected {"),
        (b'{"back": false}', "expected {"),
        (b'{"model": 3}', "expected {"),
        (b'{"model": "a", "back": true}', "expected {"),
        (b'{"model": "a", "model": "b"}', "appears twice"),
        (b'{"model": "/nowhere"}', "/nowhere: no such file"),
        (b'{"back": true}', "there is none to go back to"),
        (b"[" * 5000, "nested too deeply"),
    ],
)
def test_what_cannot_be_done_is_answered_in_one_line_and_the_next_request_is_heard(
    ask: Asking, swap: Noted, bundle: Path, request_: bytes, said: str
) -> None:
    error = ask(request_)["error"]
    assert isinstance(error, str) and said in error and "\n" not in error
    assert ask(json.dumps({"model": str(bundle)}).encode()) == {"swaps": 1}


def test_a_refusal_reaches_whoever_asked(ask: Asking, swap: Noted, bundle: Path) -> None:
    swap.refuses = SwapError("small takes other blocks; start the stream anew")
    assert ask(json.dumps({"model": str(bundle)}).encode()) == {"error": str(swap.refuses), "failed": False}
    swap.refuses = FailedError("small: not taken in")
    assert ask(json.dumps({"model": str(bundle)}).encode()) == {"error": str(swap.refuses), "failed": True}
    swap.breaks = MemoryError("no more\nof it")
    assert ask(json.dumps({"model": str(bundle)}).encode())["error"] == "MemoryError: no more of it"


def test_with_trust_nothing_comes_that_nobody_signed(swap: Noted, bundle: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, Control(theirs.detach(), swap, policy()):
        error = Asking(ours)(json.dumps({"model": str(bundle)}).encode())["error"]
    assert "0 of 0 signature(s) by keys that are trusted to release" in str(error) and not swap.loaded


def test_whoever_asked_may_go(swap: Noted, bundle: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with Control(theirs.detach(), swap) as control:
        ours.close()
        control._thread.join(60.0)
        assert not control._thread.is_alive()


def test_a_descriptor_that_is_no_socket_is_refused_in_one_line(swap: Noted, tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file, pytest.raises(ControlError, match="not a socket"):
        Control(file.fileno(), swap)
    with pytest.raises(ControlError, match="--control 987: not a socket"):
        Control(987, swap)
