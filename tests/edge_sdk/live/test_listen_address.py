"""Where a server may listen: addresses are read, those of other computers are refused, a whole network is said."""

import argparse

import pytest

from edge_sdk.errors import EdgeError
from edge_sdk.live.server import LOCALHOST, LocalServer, listen_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("8080", (LOCALHOST, 8080)),
        (":8080", (LOCALHOST, 8080)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("[::1]:65535", ("::1", 65535)),
        ("pi.local:80", ("pi.local", 80)),
    ],
)
def test_addresses_are_read(text: str, address: tuple[str, int]) -> None:
    assert listen_address(text) == address


@pytest.mark.parametrize("text", ["", "x", "65536", "-1", "localhost", "1.5", "localhost:", "8080:x", "٣", " 80"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected PORT"):
        listen_address(text)


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid", "::zz", "2001:db8::1", "a" * 100])
def test_an_address_of_another_computer_is_one_line(host: str) -> None:
    with pytest.raises(EdgeError, match="cannot listen there .*; give an address of this computer") as refused:
        LocalServer(host, 8080, {})
    assert "\n" not in str(refused.value)


def test_listening_to_the_whole_network_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with LocalServer("0.0.0.0", 0, {}):
        assert len(caplog.records) == 1 and "whoever reaches this address" in caplog.text
