"""The web server beside a stream answers what it must, to whom it must, and nothing else."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from edge_sdk.errors import EdgeError
from edge_sdk.live.server import LOCALHOST, MOST_CONNECTIONS, Handler, LocalServer, own_name

HELLO = b"hello\n"


def endless(handler: Handler) -> None:
    def pieces() -> Iterator[bytes]:
        while True:
            time.sleep(0.01)
            yield b"piece\n"
            yield b""

    handler.stream("text/plain", pieces())


@pytest.fixture
def server() -> Iterator[LocalServer]:
    def hello(handler: Handler) -> None:
        handler.answer("text/plain", HELLO)

    with LocalServer(LOCALHOST, 0, {"/": hello, "/endless": endless}) as server:
        yield server


def port(server: LocalServer) -> int:
    return int(server.server_address[1])


def raw(server: LocalServer, request: bytes) -> bytes:
    """Everything that comes back for bytes sent, until the server closes."""
    with socket.create_connection((LOCALHOST, port(server)), timeout=20) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(1 << 16):
            answer += part
        return answer


def get(server: LocalServer, path: str, host: str = "localhost", method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(LOCALHOST, port(server), timeout=20)
    connection.request(method, path, headers={"Host": host})
    response = connection.getresponse()
    try:
        return response.status, response.read()
    finally:
        connection.close()


def test_known_addresses_are_answered_whatever_the_query(server: LocalServer) -> None:
    assert get(server, "/") == get(server, "/?a=b") == (200, HELLO)
    assert get(server, "/", method="HEAD") == (200, b"")
    assert server.url == f"http://127.0.0.1:{port(server)}/"


@pytest.mark.parametrize(
    "path",
    [
        "/x",
        "/../",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/%2e%2e/",
        "//[",
        "/./",
        "/endless/",
        "/%00",
    ],
)
def test_no_other_address_leads_anywhere(server: LocalServer, path: str) -> None:
    assert get(server, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE"])
def test_nothing_can_be_written(server: LocalServer, method: str) -> None:
    assert get(server, "/", method=method)[0] == 501


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "", "[", "a b"]
)
def test_a_page_elsewhere_whose_name_points_here_is_refused(server: LocalServer, host: str) -> None:
    assert get(server, "/", host=host)[0] in (400, 403)


def test_a_request_without_a_host_or_with_two_is_refused(server: LocalServer) -> None:
    assert b" 403 " in raw(server, b"GET / HTTP/1.1\r\n\r\n")
    assert b" 403 " in raw(server, b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")


@pytest.mark.parametrize(
    ("host", "own"),
    [
        *(
            (f"{name}{port}", True)
            for name in ("localhost", "LOCALHOST", "127.0.0.1", "[::1]", "192.168.1.7")
            for port in ("", ":80")
        ),
        (socket.gethostname(), True),
        (f"{socket.gethostname()}.local:8080", True),
        ("example.org", False),
        ("localhost.example.org", False),
        ("", False),
        ("[::1", False),
    ],
)
def test_numbers_and_own_names_are_this_computers(host: str, own: bool) -> None:
    assert own_name(host) is own


def test_a_body_is_not_taken_for_the_next_request(server: LocalServer) -> None:
    inner = b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n"
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(inner), inner)
    answer = raw(server, request)
    assert answer.count(b"HTTP/1.1") == 1 and answer.endswith(HELLO)


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_request_does_no_harm(server: LocalServer, request_: bytes) -> None:
    raw(server, request_)
    assert get(server, "/") == (200, HELLO)


def test_answers_forbid_a_browser_what_the_page_does_not_need(server: LocalServer) -> None:
    answer = raw(server, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    head = answer.partition(b"\r\n\r\n")[0].decode()
    for header in (
        "default-src 'none'",
        "frame-ancestors 'none'",
        "Resource-Policy: same-origin",
        "nosniff",
        "no-store",
    ):
        assert header in head
    assert "Access-Control" not in head and "Python" not in head


def test_a_stream_lasts_until_the_client_goes(server: LocalServer) -> None:
    with socket.create_connection((LOCALHOST, port(server)), timeout=20) as connection:
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
        heard = b""
        while heard.count(b"6\r\npiece\n\r\n") < 5:
            heard += connection.recv(1 << 16)
    assert b"Transfer-Encoding: chunked" in heard and b"\r\n0\r\n" not in heard
    wait_until(lambda: answering(server) == 0)


def test_a_stream_ends_when_the_server_closes(server: LocalServer) -> None:
    with socket.create_connection((LOCALHOST, port(server)), timeout=20) as connection:
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200" in connection.recv(1 << 16)
        server.close()
        heard = b""
        while part := connection.recv(1 << 16):
            heard += part
        assert heard.endswith(b"0\r\n\r\n")


def test_an_old_client_gets_a_stream_without_chunks(server: LocalServer) -> None:
    with socket.create_connection((LOCALHOST, port(server)), timeout=20) as connection:
        connection.sendall(b"GET /endless HTTP/1.0\r\nHost: localhost\r\n\r\n")
        heard = b""
        while heard.count(b"piece\n") < 3:
            heard += connection.recv(1 << 16)
    assert b"chunked" not in heard and b"piece\npiece\n" in heard


def test_too_many_connections_are_closed_and_the_others_live(server: LocalServer) -> None:
    open_ones = [socket.create_connection((LOCALHOST, port(server)), timeout=20) for _ in range(MOST_CONNECTIONS)]
    try:
        for connection in open_ones:
            connection.sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"
        with socket.create_connection((LOCALHOST, port(server)), timeout=20) as more:
            assert more.recv(10) == b""
    finally:
        for connection in open_ones:
            connection.close()
    wait_until(lambda: answering(server) == 0)
    assert get(server, "/") == (200, HELLO)


def test_a_port_that_is_taken_is_one_line(server: LocalServer) -> None:
    with pytest.raises(EdgeError) as refused:
        LocalServer(LOCALHOST, port(server), {})
    assert str(refused.value) == f"127.0.0.1:{port(server)}: another program listens there; give another port"


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    with LocalServer(LOCALHOST, 0, {}) as server:
        get(server, "/")
    wait_until(lambda: threading.active_count() <= before)


def answering(server: LocalServer) -> int:
    return MOST_CONNECTIONS - server._free._value


def wait_until(true: object) -> None:
    deadline = time.monotonic() + 20
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)
