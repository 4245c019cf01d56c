"""A shell on a board over SSH (through `asyncssh`, which is loaded only here).

Keys alone are used to log in, those of ~/.ssh or of an agent, as ~/.ssh/config says. The board has to be in a file of
KNOWN_HOSTS, whatever that says, and is never added there.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import re
import shlex
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from firmware_bridge.transports.transport import Done, TransportError

if TYPE_CHECKING:
    import asyncssh

KNOWN_HOSTS = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")
CONNECT_S, LOGIN_S = 15, 30
ALIVE_S, ALIVE_COUNT = 10, 3  # a line that says nothing to so many questions is lost
NAME = re.compile(r"[A-Za-z0-9_][\w.-]*", re.ASCII)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Address:
    """Where a board's SSH server is. user, port: None where ~/.ssh/config or custom says it."""

    host: str
    user: str | None = None
    port: int | None = None

    @property
    def known_as(self) -> str:
        """As known_hosts names it."""
        return self.host if self.port in (None, 22) else f"[{self.host}]:{self.port}"


def address_from(text: str) -> Address:
    """`[user@]host[:port]`, with brackets around an IPv6 address that has a port. `TransportError` for other text."""
    user, at, rest = text.rpartition("@")
    host, port = (rest, None) if is_ipv6(rest.strip("[]")) or ":" not in rest else rest.rsplit(":", 1)
    host = host.strip("[]") if is_ipv6(host.strip("[]")) else host
    named = (NAME.fullmatch(host) or is_ipv6(host)) and (not at or NAME.fullmatch(user))
    if not named or (port is not None and not (re.fullmatch(r"\d{1,5}", port, re.ASCII) and 0 < int(port) < 2**16)):
        raise TransportError(
            f"{text!r}: no board; expected [user@]host[:port], serial:PORT[@BAUD], or the mount point of a card "
            "as /media/card"
        )
    return Address(host, user or None, int(port) if port else None)


def is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


class SshShell:
    """A shell on a board. The connection is made at once; `TransportError` where the board or its key is not right."""

    def __init__(self, address: Address) -> None:
        try:
            import asyncssh
        except ImportError as error:
            raise TransportError("asyncssh is not installed; pip install 'edge-sdk[bridge]'") from error
        self.place, self._address, self._ssh = address.known_as, address, asyncssh
        self._loop = asyncio.new_event_loop()
        try:
            self._connection = self._loop.run_until_complete(self._connect())
        except BaseException:
            self._loop.close()
            raise

    def execute(self, script: str, given: Iterable[bytes] = ()) -> Done:
        return self._loop.run_until_complete(self._guarded(self._execute(script, given)))

    def close(self) -> None:
        self._connection.close()
        with contextlib.suppress(OSError, self._ssh.Error):
            self._loop.run_until_complete(asyncio.wait_for(self._connection.wait_closed(), 5))
        self._loop.close()

    async def _connect(self) -> asyncssh.SSHClientConnection:
        shown: list[asyncssh.SSHKey] = []

        class Strict(self._ssh.SSHClient):  # type: ignore[name-defined,misc]
            def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
                """Asked only about keys that are not in known_hosts."""
                shown.append(key)
                return False

        a, chosen = self._address, dict[str, Any]()
        if a.user is not None:
            chosen["username"] = a.user
        if a.port is not None:
            chosen["port"] = a.port
        try:
            return await self._ssh.connect(
                a.host,
                client_factory=Strict,
                known_hosts=known_hosts(),  # or asyncssh would trust everybody for `UserKnownHostsFile none`
                preferred_auth="publickey",
                password=None,
                connect_timeout=CONNECT_S,
                login_timeout=LOGIN_S,
                keepalive_interval=ALIVE_S,
                keepalive_count_max=ALIVE_COUNT,
                **chosen,
            )
        except self._ssh.HostKeyNotVerifiable as error:
            raise self._stranger(shown) from error
        except self._ssh.PermissionDenied as error:
            raise TransportError(
                f"{self.place}: takes none of your keys; put one there (ssh-copy-id), or load it into your ssh-agent"
            ) from error
        except self._ssh.KeyExchangeFailed as error:
            # Where known_hosts has keys of other kinds than the server, too.
            raise TransportError(
                f"{self.place}: no key in common ({error.reason}); if it has a new one, treat it as a changed key"
            ) from error
        except (self._ssh.Error, self._ssh.ConfigParseError, OSError, asyncio.TimeoutError) as error:
            raise TransportError(
                f"{self.place}: cannot be reached ({reason(error)}); is it on, and is that its address?"
            ) from error
        except (self._ssh.KeyImportError, self._ssh.KeyEncryptionError) as error:
            raise TransportError(
                f"{self.place}: a key of yours cannot be used ({reason(error)}); load it into your ssh-agent"
            ) from error
        except ValueError as error:
            raise TransportError(
                f"{self.place}: {' or '.join(KNOWN_HOSTS)} cannot be understood ({reason(error)}); mend that file"
            ) from error

    def _stranger(self, shown: list[asyncssh.SSHKey]) -> TransportError:
        """What to do about a host key that is not known, or is another than it was."""
        known_as, fingerprint = self._address.known_as, shown[-1].get_fingerprint() if shown else "none"
        keys, *_ = self._ssh.match_known_hosts(known_hosts(), self._address.host, "", self._address.port)
        if keys:
            return TransportError(
                f"{known_as}: its host key has CHANGED ({fingerprint}): another machine answers, or it was set up "
                f"anew; only if you know why: ssh-keygen -R '{known_as}', then as for an unknown board"
            )
        port = f" -p {self._address.port}" if self._address.port else ""
        return TransportError(
            f"{known_as}: its host key is not known here ({fingerprint}); compare that on the board itself "
            f"(ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then: "
            f"ssh-keyscan{port} {self._address.host} >> ~/.ssh/known_hosts"
        )

    async def _execute(self, script: str, given: Iterable[bytes]) -> Done:
        # The login shell may be any; what it is given is one quoted word.
        process = await self._connection.create_process(f"exec sh -c {shlex.quote(script)}", encoding=None)
        said = asyncio.ensure_future(process.communicate())
        with contextlib.suppress(BrokenPipeError, ConnectionError):  # it has ended already: its status says why
            for piece in given:
                process.stdin.write(piece)
                await process.stdin.drain()
            process.stdin.write_eof()
        out, err = await said
        if process.returncode is None:
            raise TransportError(
                f"{self.place}: the connection was lost; give the same command again, it goes on from there"
            )
        return Done(process.returncode, bytes(out), bytes(err))

    async def _guarded(self, work: Coroutine[Any, Any, Result]) -> Result:
        try:
            return await work
        except (self._ssh.Error, OSError) as error:
            raise TransportError(
                f"{self.place}: the connection was lost ({reason(error)}); give the same command again, "
                "it goes on from there"
            ) from error


def known_hosts() -> list[str] | bytes:
    """The files of known hosts that are there, or the content of an empty one."""
    return [path for path in map(os.path.expanduser, KNOWN_HOSTS) if os.access(path, os.R_OK)] or b""


def reason(error: Exception) -> str:
    """Why, in one line."""
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    said = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error) or "no answer in time"
    return " ".join(str(said).split())
