"""`edge-sdk provision`: what it would do is shown whole, what it cannot do is refused in one line."""

import json
from pathlib import Path

import pytest

from edge_sdk.audio.arrays import FOLDER
from edge_sdk.cli import main
from firmware_bridge.boards import known_boards, load_board
from firmware_bridge.provision import ProvisionError, Target
from firmware_bridge.provision_commands import board_of
from tests.edge_sdk.signing import ROOT, trust, trust_file
from tests.firmware_bridge.targets import HERE, OLD_PI, PI, this_machine


def test_a_board_is_taken_for_what_it_is() -> None:
    assert board_of(None, PI).name == "generic-aarch64" and board_of(None, OLD_PI).name == "generic-armv7"
    assert {board_of(name, Target(load_board(name).cpu, (3, 11), (2, 36), "", "")).name for name in known_boards()} == {
        *known_boards()
    }
    with pytest.raises(ProvisionError, match="describe yours"):
        board_of(None, HERE)
    with pytest.raises(ProvisionError, match="raspberry-pi-5 is aarch64, what answers there is armv7l"):
        board_of("raspberry-pi-5", OLD_PI)


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    """Of a board like this machine, with a wheel that is none."""
    (tmp_path / "board.toml").write_text(
        f'name = "scratch"\ntitle = "this machine"\ncpu = "{this_machine().cpu}"\nmemory_mib = 1024\n'
        'runtime = "ai-edge-litert"\nsources = { cpu = "uname -m", memory_mib = "a choice", runtime = "a choice" }\n'
    )
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "edge_sdk-0.1.0-py3-none-any.whl").touch()
    return ["--dry-run", "--board-type", str(tmp_path / "board.toml"), "--wheels", str(tmp_path / "wheels")]


def test_a_dry_run_shows_every_step_whole(
    tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trust.json").write_bytes(trust_file(trust(), ROOT))
    words = ["provision", *options, "--trust", str(tmp_path / "trust.json"), "--array", "respeaker-4mic", "local"]
    assert main([*words, "--json"]) == 0
    steps = json.loads(capsys.readouterr().out)
    assert main([*words, "--", "--http", "127.0.0.1:8080"]) == 0
    shown = capsys.readouterr().out
    for step in steps:
        assert step["step"] in shown
    assert "ExecStart=/opt/edge-sdk/venv/bin/edge-sdk serve" in shown and "--array respeaker-4mic" in shown
    assert "IPAddressAllow=localhost" in shown  # the unit knows of --http
    assert (tmp_path / "trust.json").read_text() in shown
    assert f"bring  {tmp_path}/wheels/edge_sdk-0.1.0-py3-none-any.whl" in shown


def test_an_array_and_a_board_of_ones_own_are_brought_along(
    tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.toml"
    own.write_text((FOLDER / "respeaker-4mic.toml").read_text().replace('"respeaker-4mic"', '"own"'))
    assert main(["provision", *options, "--array", str(own), "--json", "local"]) == 0
    applied = {step["step"]: step["apply"] for step in json.loads(capsys.readouterr().out)}
    assert own.read_text() in applied["file /etc/edge-sdk/array.toml"]
    assert (tmp_path / "board.toml").read_text() in applied["file /etc/edge-sdk/board.toml"]
    service = applied["file /etc/systemd/system/edge-sdk.service.d/slots.conf"]
    assert "--board-type /etc/edge-sdk/board.toml -- --array /etc/edge-sdk/array.toml\n" in service


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["serial:/dev/ttyUSB0"], "set it up over SSH"),
        (["/media/card"], "set it up over SSH"),
        (["local", "--board-type", "raspberry"], "unknown board"),
        (["local", "--array", "none.toml"], "none.toml"),
        (["local", "--array", "respeaker"], "unknown array"),
        (["local", "--watch", "nan"], "expected seconds above 0"),
        (["local", "--trust", "none.json"], "none.json"),
        (["local", "--wheels", "none"], "holds no edge_sdk"),
        (["local", "--", "--nonsense"], "--nonsense"),
        (["local", "--", "--capture", "/home/x.wav"], "does not see /home"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    options: list[str], more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["provision", *options, *more]) == 1
    out, err = capsys.readouterr()
    assert not out and said in err and err.count("\n") == 1
