"""The doctor finds what is wrong with a made-up computer, and says in one line what to do about it."""

from __future__ import annotations

import argparse
import json
import os
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_sdk import doctor_command
from edge_sdk.audio.arrays import load_array
from edge_sdk.doctor import machine as computer
from edge_sdk.doctor.findings import Finding, bad
from edge_sdk.doctor.machine import LOCKED_BYTES, Machine, examine
from edge_sdk.native import Found
from tests.edge_sdk.audio.test_cards import ARRAY, HEADPHONES, proc

VERSIONS = {"edge-sdk": "0.1.0", "numpy": "2.1.0", "soundfile": "0.12.1", "soxr": "0.5.0", "pyalsaaudio": "0.11.0"}
UNLIMITED = {resource.RLIMIT_RTPRIO: 95, resource.RLIMIT_MEMLOCK: -1}


def write(path: Path, text: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


@pytest.fixture
def board(tmp_path: Path) -> Machine:
    """A Raspberry Pi as it should be."""
    proc(tmp_path / "proc", HEADPHONES, ARRAY)
    for name in ("pcmC0D0p", "pcmC1D0p", "pcmC1D0c"):
        write(tmp_path / "dev/snd" / name, "")
    write(tmp_path / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance")
    write(tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled", "0")
    write(tmp_path / "sys/class/thermal/thermal_zone0/type", "cpu-thermal")
    write(tmp_path / "sys/class/thermal/thermal_zone0/temp", 48_000)
    return Machine(
        proc=tmp_path / "proc",
        sys=tmp_path / "sys",
        dev=tmp_path / "dev",
        root=False,
        groups=lambda: {"audio"},
        limit=UNLIMITED.__getitem__,
        installed=VERSIONS.get,
        extension=lambda: Found(why="not installed"),
        vcgencmd=lambda: "",
    )


def found(machine: Machine, check: str, array: str | None = None) -> Finding:
    findings = [f for f in examine(machine, load_array(array) if array else None) if f.check == check]
    assert len(findings) == 1
    return findings[0]


def test_a_board_as_it_should_be_has_nothing_to_do(board: Machine) -> None:
    findings = list(examine(board, load_array("respeaker-usb-v2")))
    assert [f for f in findings if f.status != "good" or f.todo] == []
    assert {f.check for f in findings} == {
        *("runtime", "packages", "C extension", "ALSA", "sound cards", "permissions", "real time", "memory"),
        *("governor", "power", "temperature"),
    }
    assert found(board, "sound cards", "respeaker-usb-v2").found == (
        "respeaker-usb-v2 is hw:CARD=ArrayUAC10,DEV=0, driver USB-Audio"
    )


def without_cards(board: Machine) -> Machine:
    proc(board.proc)
    return board


def without_array(board: Machine) -> Machine:
    proc(board.proc, HEADPHONES)
    return board


def without_access(board: Machine) -> Machine:
    node = board.dev / "snd/pcmC1D0c"
    node.unlink()
    node.symlink_to("nowhere")  # root, as whom tests may run, may open everything else
    return replace(board, groups=lambda: set())


def under(**limits: int) -> Callable[[Machine], Machine]:
    values = {getattr(resource, f"RLIMIT_{name}"): value for name, value in limits.items()}
    return lambda board: replace(board, limit={**UNLIMITED, **values}.__getitem__)


def with_version(package: str, number: str | None) -> Callable[[Machine], Machine]:
    return lambda board: replace(board, installed={**VERSIONS, package: number}.get)


def with_extension(found: Found) -> Callable[[Machine], Machine]:
    return lambda board: replace(board, extension=lambda: found)


def with_file(path: str, text: object) -> Callable[[Machine], Machine]:
    def changed(board: Machine) -> Machine:
        write(board.sys / path, text)
        return board

    return changed


FIRMWARE = "devices/platform/soc/soc:firmware/get_throttled"


@pytest.mark.parametrize(
    ("change", "check", "status", "words"),
    [
        (without_cards, "sound cards", "warning", ["none", "plug it in"]),
        (without_array, "sound cards", "bad", ["Headphones", "expected respeaker-usb-v2", "no sound card"]),
        (without_access, "permissions", "bad", ["pcmC1D0c", "usermod -aG audio"]),
        (under(RTPRIO=0), "real time", "warning", ["priority up to 0", "expected 60", "limits.d/audio.conf"]),
        (under(RTPRIO=59), "real time", "warning", ["up to 59"]),
        (under(MEMLOCK=8 << 20), "memory", "warning", ["8192 KiB", "512 MiB", "memlock unlimited"]),
        (with_version("pyalsaaudio", "0.10.0"), "ALSA", "bad", ["0.10.0, which hides lost samples", "0.11 or newer"]),
        (with_version("pyalsaaudio", None), "ALSA", "warning", ["files alone", "pip install 'edge-sdk[alsa]'"]),
        (
            with_extension(Found(why="it has interface 0, expected 1", refused=True)),
            *("C extension", "warning", ["it has interface 0", "pip install --force-reinstall ./native"]),
        ),
        (with_version("soxr", None), "packages", "warning", ["no soxr", "pip install 'edge-sdk[device]'"]),
        (
            with_file("devices/system/cpu/cpu1/cpufreq/scaling_governor", "ondemand"),
            *("governor", "warning", ["ondemand", "expected performance", "scaling_governor"]),
        ),
        (with_file(FIRMWARE, "50005"), "power", "bad", ["under-voltage, throttled", "stronger power supply"]),
        (with_file(FIRMWARE, "80008"), "power", "bad", ["soft temperature limit", "heat sink"]),
        (with_file(FIRMWARE, "20000"), "power", "warning", ["since it was switched on: frequency capped"]),
        (with_file("class/thermal/thermal_zone0/temp", 81_500), "temperature", "warning", ["82 °C", "less than 75"]),
    ],
)
def test_each_fault_is_one_line_that_says_what_to_do(
    board: Machine, change: Callable[[Machine], Machine], check: str, status: str, words: list[str]
) -> None:
    finding = found(change(board), check, "respeaker-usb-v2")
    assert finding.status == status
    assert "\n" not in finding.line() and all(word in finding.line() for word in words), finding.line()


def test_without_a_c_extension_nothing_is_wrong(board: Machine) -> None:
    for extension, said in ((Found(module=object()), "in use"), (Found(why="not installed"), "cut by NumPy")):
        finding = found(with_extension(extension)(board), "C extension")
        assert finding.status == "good" and said in finding.found


def test_limits_at_the_edge_and_none_are_enough(board: Machine) -> None:
    for limits in ({"RTPRIO": 60, "MEMLOCK": LOCKED_BYTES}, {"RTPRIO": -1, "MEMLOCK": -1}):
        machine = under(**limits)(board)
        assert found(machine, "real time").status == found(machine, "memory").status == "good"


def test_root_needs_no_limits(board: Machine) -> None:
    machine = replace(under(RTPRIO=0, MEMLOCK=0)(board), root=True)
    assert found(machine, "real time").status == "good"


def test_without_the_drivers_file_the_boards_own_tool_is_asked(board: Machine) -> None:
    (board.sys / FIRMWARE).unlink()
    assert found(replace(board, vcgencmd=lambda: "throttled=0x10001"), "power").found == "under-voltage"
    for answer in ("", "error=1 error_msg=Command not registered", "throttled=0x0"):
        assert found(replace(board, vcgencmd=lambda answer=answer: answer), "power").status == "good"


def test_a_board_without_an_interpreter_is_told_which_to_install(
    board: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computer, "BACKENDS", {})
    monkeypatch.setattr("edge_sdk.backends.BACKENDS", {"ai-edge-litert": absent()})
    finding = found(board, "runtime")
    assert finding.status == "bad" and "pip install 'edge-sdk[device]'" in finding.line()


def absent() -> object:
    from edge_sdk.backends import Backend

    return Backend("no_such_package_here", "x", "pip install 'edge-sdk[device]'")


def test_this_computer_can_be_examined_whatever_it_is() -> None:
    findings = list(examine(Machine()))
    assert len(findings) >= 8 and all("\n" not in finding.line() for finding in findings)


def test_only_what_has_to_be_mended_is_bad() -> None:
    good, warning = Finding("a", "good", "b"), Finding("a", "warning", "b", "c", "d")
    assert not bad([good, warning]) and bad([good, Finding("a", "bad", "b")])
    assert warning.line() == "warn a: b; expected c; d" and good.line() == "ok   a: b"


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    doctor_command.register(parser.add_subparsers())
    args = parser.parse_args(["doctor", *map(str, words)])
    return int(args.run(args))


@pytest.fixture
def good_machine(monkeypatch: pytest.MonkeyPatch, board: Machine) -> None:
    monkeypatch.setattr(computer, "Machine", lambda: board)


@pytest.mark.usefixtures("good_machine")
def test_the_command_prints_a_line_per_finding_or_json(capsys: pytest.CaptureFixture[str], board: Machine) -> None:
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert run("--json") == 0
    findings = [Finding(**row) for row in json.loads(capsys.readouterr().out)]
    assert [finding.line() for finding in findings] == lines and len(lines) >= 10
    without_array(board)
    assert run("--array", "respeaker-usb-v2") == 1
    assert [line[:17] for line in capsys.readouterr().out.splitlines() if line.startswith("BAD")] == [
        "BAD  sound cards:"
    ]


def test_root_is_root() -> None:
    assert Machine().root == (os.geteuid() == 0)
