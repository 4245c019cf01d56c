"""A port that is none, taken or gone, and a line at whose end nobody understands, are said in one line."""

import contextlib
import threading
from pathlib import Path

import pytest

from firmware_bridge.transports import TransportError, open_board, questions
from firmware_bridge.transports.line import Asker, Patience
from firmware_bridge.transports.port import Port
from firmware_bridge.transports.serial_line import SerialTransport
from tests.firmware_bridge.transports.lossy import BAUD, GOOD, LossyLine


def test_ports_that_are_none_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place, said in (
        (f"serial:{tmp_path}/none", "No such file"),
        (f"serial:{tmp_path}/file", "no serial port"),
        ("serial:", "expected one as"),
        ("serial:/dev/ttyUSB0@fast", "expected one as"),
        ("serial:/dev/null@123", "no rate of a serial port"),
    ):
        with pytest.raises(TransportError, match=said):
            open_board(place)


def test_a_port_belongs_to_one_program() -> None:
    with contextlib.closing(LossyLine(GOOD)) as line:
        first = Port(line.near, BAUD)
        with pytest.raises(TransportError, match="another program has it"):
            Port(line.near, BAUD)
        first.close()
        Port(line.near, BAUD).close()


def test_a_port_that_is_taken_out_is_said_in_one_line() -> None:
    line = LossyLine(GOOD)
    port = Port(line.near, BAUD)
    line.close()
    with pytest.raises(TransportError, match="the port is gone"):
        port.read(1)
    with pytest.raises(TransportError, match="the port is gone"):
        port.write(b"x")
    port.close()


def test_a_line_without_anybody_is_said_in_one_line() -> None:
    with contextlib.closing(LossyLine(GOOD)) as line:
        patience = Patience(wait_s=0.02, silences=3)
        with pytest.raises(TransportError, match="nobody answers; start edge-sdk receive"):
            SerialTransport(Port(line.near, BAUD), "serial:test", patience)


def test_a_line_that_only_makes_noise_is_said_in_one_line() -> None:
    with contextlib.closing(LossyLine(GOOD)) as line:
        noise, ended = Port(line.far, BAUD), threading.Event()
        asker = Asker(Port(line.near, BAUD), "serial:test", Patience(damages=20))

        def shout() -> None:
            while not ended.wait(0.002):
                noise.write(b"~login: ~kernel panic~")

        thread = threading.Thread(target=shout)
        thread.start()
        with pytest.raises(TransportError, match="too much is damaged"):
            asker.ask(questions.ASK)
        ended.set()
        thread.join()
        asker.close()
        noise.close()
