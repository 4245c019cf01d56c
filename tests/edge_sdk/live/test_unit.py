"""The systemd unit is one that systemd takes, gives away little, and starts exactly what was asked for."""

from __future__ import annotations

import argparse
import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edge_sdk import service_command
from edge_sdk.errors import EdgeError
from edge_sdk.live.unit import quoted, unit

OPTIONS = ["--model", "enhance-mono", "--capture", "hw:ArrayUAC10", "--playback", "hw:1"]
RUN = ["run", "--quiet", *OPTIONS]
SERVE = ["serve", "--slots", "/var/lib/hall", "--watch", "60", "--", "--quiet", *OPTIONS[2:]]
NETWORKS = {"none": [], "local": ["--http", "8080"], "all": ["--http=0.0.0.0:8080", "--prometheus", "9100"]}
MOST_EXPOSED = 1.5
PROGRAM = Path(shutil.which("true") or "/bin/true")

systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze (apt-get install systemd)")


def analyze(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *map(str, words)], capture_output=True, text=True, timeout=60)


def settings(text: str) -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    return parser["Service"]


@systemd
@pytest.mark.parametrize("words", [RUN, SERVE], ids=["run", "serve"])
@pytest.mark.parametrize("network", NETWORKS)
def test_systemd_finds_no_mistake_and_little_exposure(tmp_path: Path, network: str, words: list[str]) -> None:
    path = tmp_path / "edge-sdk.service"
    path.write_text(unit("edge-sdk", PROGRAM, [*words, *NETWORKS[network]]))
    verified = analyze("verify", "--man=no", path)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    found = analyze("security", "--offline=true", "--threshold=100", path).stdout
    exposure = re.search(r"Overall exposure level for edge-sdk\.service: ([\d.]+)", found)
    assert exposure and float(exposure[1]) <= MOST_EXPOSED, found


@systemd
def test_systemd_would_find_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "edge-sdk.service"
    path.write_text(unit("edge-sdk", PROGRAM, RUN).replace("LimitRTTIME=", "LimitRTTMIE="))
    assert "LimitRTTMIE" in analyze("verify", "--man=no", path).stderr


def test_real_time_sound_cards_and_the_watchdog_are_there() -> None:
    service = settings(unit("edge-sdk", PROGRAM, RUN))
    assert service["Type"] == "notify" and float(service["WatchdogSec"]) >= 1 and service["Restart"] == "always"
    assert service["LimitRTPRIO"] == "95" and service["LimitMEMLOCK"] == "infinity" and "LimitRTTIME" in service
    assert service["DeviceAllow"] == "char-alsa rw" and service["SupplementaryGroups"] == "audio"
    assert service["DynamicUser"] == "yes" and "RestrictRealtime" not in service
    assert service["ExecStart"] == f"{PROGRAM} {' '.join(RUN)}"


@pytest.mark.parametrize("words", [RUN, SERVE], ids=["run", "serve"])
def test_wrong_usage_is_not_tried_again_and_there_is_a_folder(words: list[str]) -> None:
    service = settings(unit("hall", PROGRAM, words))
    assert service["RestartPreventExitStatus"] == "2" and service["StateDirectory"] == "hall"
    assert float(service["WatchdogSec"]) == (5 if words is RUN else 60)


@pytest.mark.parametrize(
    ("options", "families", "private", "allowed"),
    [
        ([], "AF_UNIX", "yes", None),
        (["--http", "8080"], "AF_UNIX AF_INET AF_INET6", None, "localhost"),
        (["--prometheus=[::1]:9100", "--http", "localhost:80"], "AF_UNIX AF_INET AF_INET6", None, "localhost"),
        (["--http", "0.0.0.0:8080"], "AF_UNIX AF_INET AF_INET6", None, None),
        (["--http", "8080", "--prometheus", "pi.local:9100"], "AF_UNIX AF_INET AF_INET6", None, None),
    ],
)
def test_there_is_as_much_network_as_is_asked_for(
    options: list[str], families: str, private: str | None, allowed: str | None
) -> None:
    service = settings(unit("edge-sdk", PROGRAM, ["run", *options]))
    assert service["RestrictAddressFamilies"] == families
    assert (service.get("PrivateNetwork"), service.get("IPAddressAllow")) == (private, allowed)


@systemd
def test_odd_words_arrive_as_they_are(tmp_path: Path) -> None:
    """As systemd itself reads them: it names the program that it does not find."""
    odd = tmp_path / "a b %n ä;#"
    path = tmp_path / "edge-sdk.service"
    path.write_text(unit("edge-sdk", PROGRAM, ["run"]).replace(str(PROGRAM), quoted(str(odd))))
    assert f"Command {odd} is not executable" in analyze("verify", "--man=no", path).stderr


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("hw:1,0", "hw:1,0"),
        ("100%", "100%%"),
        ("a$b", "a$$b"),
        ("two words", '"two words"'),
        ('say "no"', '"say \\"no\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("", '""'),
        (";", '";"'),
    ],
)
def test_words_are_quoted_as_systemd_reads_them(word: str, expected: str) -> None:
    assert unit("edge-sdk", PROGRAM, ["run", word]).count(f"ExecStart={PROGRAM} run {expected}\n") == 1


@pytest.mark.parametrize(
    ("name", "program", "options", "message"),
    [
        ("../x", "/opt/e", [], "no name for a service"),
        ("a b", "/opt/e", [], "no name for a service"),
        ("", "/opt/e", [], "no name for a service"),
        ("x", "/home/pi/venv/bin/edge-sdk", [], "give a path elsewhere, such as /opt/edge-sdk"),
        ("x", "/opt/e", ["--model", "/home/pi/my.edge"], "/home/pi/my.edge: the service does not see"),
        ("x", "/opt/e", ["--model=/tmp/my.edge"], "/tmp/my.edge: the service does not see"),
        ("x", "/opt/e", ["--capture", "a\nExecStartPre=/bin/sh"], "no line ends in a unit"),
        ("x", "/opt/e", ["--http", "nonsense"], "--http nonsense: expected PORT"),
        ("x", "/opt/e", ["--http"], "--http : expected PORT"),
    ],
)
def test_what_cannot_run_as_a_service_is_refused_in_one_line(
    name: str, program: str, options: list[str], message: str
) -> None:
    with pytest.raises(EdgeError, match=re.escape(message)) as refused:
        unit(name, Path(program), ["run", *options])
    assert "\n" not in str(refused.value)


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    service_command.register(parser.add_subparsers())
    args = parser.parse_args(["service", *words])
    return int(args.run(args))


def test_the_command_prints_the_unit(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--name", "hall", "--program", "/opt/edge-sdk/bin/edge-sdk", "--", *OPTIONS) == 0
    assert capsys.readouterr().out == unit("hall", Path("/opt/edge-sdk/bin/edge-sdk"), RUN)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--watch", "60", "--", *OPTIONS[2:]], SERVE),
        (
            ["--board-type", "raspberry-pi-4", "--", "--period", "256"],
            ["serve", "--slots", "/var/lib/hall", "--board-type", "raspberry-pi-4", "--", "--quiet", "--period", "256"],
        ),
    ],
)
def test_slots_are_in_the_folder_of_the_service(
    capsys: pytest.CaptureFixture[str], options: list[str], words: list[str]
) -> None:
    assert run("--name", "hall", "--program", "/opt/e", "--command", "serve", "--", *options) == 0
    assert capsys.readouterr().out == unit("hall", Path("/opt/e"), words)


def test_slots_elsewhere_are_refused() -> None:
    with pytest.raises(EdgeError, match="the service can write to /var/lib/hall alone"):
        run("--name", "hall", "--program", "/opt/e", "--command", "serve", "--", "--slots", "/data", "--", *OPTIONS[2:])


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("run", []),
        ("run", [*OPTIONS, "--no-such"]),
        ("run", [*OPTIONS, "--format", "U8"]),
        ("run", ["--model"]),
        ("serve", []),
        ("serve", ["--watch", "soon", "--", *OPTIONS[2:]]),
        ("serve", ["--", *OPTIONS[2:], "--no-such"]),
        ("serve", ["--no-such", "--", *OPTIONS[2:]]),
    ],
)
def test_options_that_the_command_does_not_take_are_wrong_usage_now(command: str, options: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run("--program", "/opt/e", "--command", command, "--", *options)
    assert ended.value.code == 2
