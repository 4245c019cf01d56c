"""A TCP connection that dies in the middle."""

import contextlib
import socket
import threading
import time


class CutLine:
    """A port of the loopback that leads to another. after: bytes from the one who calls, until the connection is cut;
    carried: how many came."""

    def __init__(self, to: int, after: int | None = None) -> None:
        self.after, self.carried, self._to = after, 0, to
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                for ends in ((near, far, True), (far, near, False)):
                    self._threads.append(threading.Thread(target=self._carry, args=ends))
                    self._threads[-1].start()

    def _carry(self, source: socket.socket, to: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(2**16):
                self.carried += len(piece) * counted
                time.sleep(0.01)  # a slow line, on which the far end keeps up
                if self.after is not None and self.carried > self.after:
                    break
                to.sendall(piece)
        for end in (source, to):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
