"""A systemd unit that runs a stream from the start of the computer on, shut off from all that it does not need."""

from __future__ import annotations

import argparse
import ipaddress
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from edge_sdk.errors import EdgeError
from edge_sdk.live.server import listen_address

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
LISTENING = ("--http", "--prometheus")
HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # by ProtectHome and PrivateTmp
# A model takes seconds to load on a small board, and what serve starts anew pings only when it plays.
WATCHDOG_S = {"run": "5", "serve": "60"}
NO_NETWORK = "PrivateNetwork=yes\nIPAddressDeny=any\nRestrictAddressFamilies=AF_UNIX"
ANY_NETWORK = "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6"
LOCAL_NETWORK = f"{ANY_NETWORK}\nIPAddressDeny=any\nIPAddressAllow=localhost"


class ServiceError(EdgeError):
    """A service cannot be run as it was asked for."""


def unit(name: str, program: Path, words: Sequence[str]) -> str:
    """The text of a unit that runs `program` with these words, a command of edge-sdk and its options.

    `ServiceError` for paths that the service could not see: it has a user of its own, which sees no home folder.
    """
    if not NAME.fullmatch(name):
        raise ServiceError(f"{name!r}: no name for a service; expected small letters, digits, '.', '_' and '-'")
    for path in [str(program), *(word.rpartition("=")[2] for word in words)]:
        if hidden(path):
            raise ServiceError(
                f"{path}: the service does not see {', '.join(HIDDEN)}; give a path elsewhere, such as /opt/edge-sdk"
            )
    command = " ".join(quoted(word) for word in [str(program), *words])
    template = (files("edge_sdk") / "assets" / "edge-sdk.service").read_text(encoding="utf-8")
    values = {"NAME": name, "RUNS": words[0], "COMMAND": command, "WATCHDOG": WATCHDOG_S[words[0]]}
    values["NETWORK"] = network(words)
    return re.sub("@([A-Z]+)@", lambda found: values[found[1]], template)


def hidden(path: str) -> bool:
    """Whether a path leads where the service has none of its own files."""
    return any(Path(path).is_relative_to(place) for place in HIDDEN)


def network(options: Sequence[str]) -> str:
    """What the options need of the network: nothing, this computer, or all of it."""
    hosts = []
    for option, following in zip(options, [*options, ""][1:], strict=True):
        flag, is_one_word, value = option.partition("=")
        if flag in LISTENING:
            try:
                hosts.append(listen_address(value if is_one_word else following)[0])
            except argparse.ArgumentTypeError as error:
                raise ServiceError(f"{flag} {error}") from error
    if not hosts:
        return NO_NETWORK
    return LOCAL_NETWORK if all(loopback(host) for host in hosts) else ANY_NETWORK


def loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def quoted(word: str) -> str:
    """A word as systemd's command lines have it (systemd.service, "Command lines")."""
    if "\n" in word or "\0" in word:
        raise ServiceError(f"{word!r}: no line ends in a unit; give it another name")
    word = word.replace("%", "%%").replace("$", "$$").replace("\\", "\\\\").replace('"', '\\"')
    return word if re.fullmatch(r"[\w@%$+=:,./-]+", word, re.ASCII) else f'"{word}"'
