"""A small web server beside a stream: fixed addresses, reading only, this computer only unless told otherwise."""

from __future__ import annotations

import argparse
import errno
import ipaddress
import logging
import os
import select
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import urlsplit

from edge_sdk.errors import EdgeError

log = logging.getLogger(__name__)

LOCALHOST = "127.0.0.1"
MOST_CONNECTIONS = 16
PATIENCE_S = 10.0  # with a client that neither asks nor takes what is sent
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",  # or another page could play the microphones
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class AddressError(EdgeError):
    """A server cannot listen where it was told to."""


class Handler(BaseHTTPRequestHandler):
    """One connection. Addresses are looked up in `LocalServer.routes` and nowhere else."""

    server: LocalServer
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_S

    def do_GET(self) -> None:
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # what follows is not read, and is no request
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or not own_name(hosts[0]):
            self.answer("text/plain", b"403: this server answers to its address and to localhost\n", 403)
        elif (route := self.server.routes.get(self.path.partition("?")[0])) is None:
            self.answer("text/plain", b"404: nothing here\n", 404)
        else:
            route(self)

    do_HEAD = do_GET

    def answer(self, kind: str, body: bytes, status: int = 200) -> None:
        """Send all of it."""
        self._begin(kind, status, {"Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)

    def stream(self, kind: str, pieces: Iterable[bytes]) -> None:
        """Send pieces as they come, until they end, the client goes or the server closes; an empty one only looks."""
        chunked = self.request_version == "HTTP/1.1"
        self._begin(kind, 200, {"Transfer-Encoding": "chunked"} if chunked else {"Connection": "close"})
        if self.command == "HEAD":
            return
        for piece in pieces:
            if self.server.closing.is_set() or select.select([self.connection], [], [], 0)[0]:
                break  # a client that is listening has nothing to say but that it goes
            if piece:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def _begin(self, kind: str, status: int, more: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **HEADERS, **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def version_string(self) -> str:
        return "edge-sdk"

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("%s %s", self.address_string(), format % args)


Route = Callable[[Handler], None]


class LocalServer(ThreadingHTTPServer):
    """Answers GET for its routes, in threads of its own, until `close`; `AddressError` where it cannot listen."""

    daemon_threads = True
    request_queue_size = MOST_CONNECTIONS

    def __init__(self, host: str, port: int, routes: Mapping[str, Route]) -> None:
        self.routes, self.closing = dict(routes), threading.Event()
        self._free = threading.Semaphore(MOST_CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), Handler)
        except (OSError, OverflowError) as error:
            raise AddressError(f"{shown(host, port)}: {reason(error)}") from error
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()
        if not ipaddress.ip_address(str(self.server_address[0])).is_loopback:
            log.warning("%s: whoever reaches this address sees and hears what the microphones do", self.url)

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        host, port = self.server_address[:2]
        return f"http://{shown(str(host), int(port))}/"

    def close(self) -> None:
        """Answer no more; streams that still run end with their next piece."""
        self.closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def __enter__(self) -> LocalServer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's also asks DNS for a name, which may take half a minute

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("connection from %s ended", client_address, exc_info=True)  # mostly a client that went away


def own_name(host: str) -> bool:
    """Whether a `Host` header can be meant for this computer.

    A page elsewhere whose name suddenly points here (DNS rebinding) says that name, and is refused; with a number for
    an address there is no name that could have been rebound.
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        own = socket.gethostname().lower()
        return name in ("localhost", own, f"{own}.local")
    return True


def listen_address(text: str) -> tuple[str, int]:
    """Host and port of PORT, HOST:PORT or [IPV6]:PORT, for a command line; without a host this computer alone."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or LOCALHOST
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise argparse.ArgumentTypeError(f"{text}: expected PORT, HOST:PORT or [IPV6]:PORT, ports up to 65535")
    return host, int(port)


def shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reason(error: OSError | OverflowError) -> str:
    """Why a server cannot listen, and what to do."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return "another program listens there; give another port"
    if number == errno.EACCES:
        return "not permitted; give a port from 1024 on"
    text = os.strerror(number) if number is not None and number > 0 else str(error)
    return f"cannot listen there ({text}); give an address of this computer"
