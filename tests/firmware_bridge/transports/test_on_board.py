"""`--board`: what is said to a board, and what is refused before anything is."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_sdk.cli import main, parser
from firmware_bridge.transports import Done, TransportError, open_board
from firmware_bridge.transports.commands import words_for
from tests.firmware_bridge.devices import bundle_file, device


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that is tested, as on a board that was set up."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")


class Noting:
    """A board that notes what it is brought."""

    place = "board"

    def __init__(self) -> None:
        self.brought: list[tuple[Path, str]] = []

    def put(self, source: Path, name: str) -> str:
        self.brought.append((source, name))
        return f"/there/{name}"

    def at(self, path: str) -> str:
        return f"/mnt{path}"

    def discard(self, path: str) -> None: ...

    def run(self, words: Sequence[str]) -> Done:
        return Done(0)

    def fetch(self, path: str) -> bytes:
        return b""

    def close(self) -> None: ...


def told(*words: object) -> list[str]:
    """The words that the board is told."""
    command, *more = map(str, words)
    return words_for(parser().parse_args([command, "--board", "board", *more]), Noting(), [])


def test_the_board_is_told_what_the_user_said(tmp_path: Path) -> None:
    bundle = bundle_file(tmp_path, "1")
    (trust := tmp_path / "trust.json").write_bytes(b"{}")
    assert told("status") == ["edge-sdk", "status", "--slots=/mnt/var/lib/edge-sdk"]
    assert told("rollback", "--slots", "/data", "--json") == ["edge-sdk", "rollback", "--slots=/mnt/data", "--json"]
    words = told("install", bundle, "--trust", trust, "--board-type", "raspberry-pi-5", "--array", "line", "--no-trial")
    assert words[:2] == ["edge-sdk", "install"] and words[2].startswith("/there/") and words[2].endswith(".edge")
    assert words[3].startswith("--trust=/there/") and words[3].endswith(".json")
    assert words[4:] == ["--board-type=raspberry-pi-5", "--slots=/mnt/var/lib/edge-sdk", "--array=line", "--no-trial"]
    words = told("confirm", "--watch", "60", "--golden", "/clips", "--golden-db=-1", "--", "--capture", "hw:1")
    assert words[3:] == [
        "--watch=60.0",
        "--slowest=0.5",
        "--golden=/clips",
        "--golden-db=-1.0",
        "--",
        "--capture",
        "hw:1",
    ]


def test_a_board_of_ones_own_is_brought_along(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        'name = "own"\ntitle = "x"\ncpu = "aarch64"\nmemory_mib = 64\nruntime = "ai-edge-litert"\n'
        'slots = "/data/slots"\nsources = { cpu = "x", memory_mib = "x", runtime = "x" }\n'
    )
    *_, kind, slots = told("install", bundle_file(tmp_path, "1"), "--board-type", own)
    assert kind.startswith("--board-type=/there/") and kind.endswith(".toml")
    assert slots == "--slots=/mnt/data/slots"


def test_files_of_one_name_and_another_content_never_mix(tmp_path: Path) -> None:
    names = set()
    for version in ("1", "2"):
        names.add(told("install", bundle_file(tmp_path, version).rename(tmp_path / "a model.ä b"))[2])
    assert len(names) == 2


@pytest.fixture(autouse=True)
def arrivals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where files arrive on this machine."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path / f"edge-sdk-{os.getuid()}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["install", "none.edge"], "no such file"),
        (["install", "FILE", "--trust", "none.json"], "none.json: cannot be read"),
        (["install", "FILE", "--board-type", "raspberry"], "unknown board"),
        (["install", "FILE", "--raw-slot"], "a partition of this machine"),
        (["confirm", "--watch", "60"], "edge-sdk serve --watch does it"),
        (["status", "--slots", "/none"], "no such folder"),
    ],
)
def test_what_cannot_be_done_there_is_refused_in_one_line(
    tmp_path: Path, words: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [str(bundle_file(tmp_path, "1")) if word == "FILE" else word for word in words]
    assert main([*words, "--board", "local"]) == 1
    out, err = capfd.readouterr()
    assert not out and said in err and err.count("\n") == 1


@pytest.mark.parametrize("place", ["", "a b", "user@", "serial:", "/none", "host:port"])
def test_what_is_no_board_is_refused_in_one_line(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--board", place]) == 1
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1


def test_a_board_without_edge_sdk_says_how_to_get_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sh", "id", "mkdir"):
        (tmp_path / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["status", "--board", "local"]) == 1
    assert "edge-sdk provision local sets it up" in capsys.readouterr().err


def test_a_command_that_a_signal_has_ended_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "edge-sdk").write_text("#!/bin/sh\nkill -9 $$\n")
    (tmp_path / "edge-sdk").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert main(["status", "--board", "local"]) == 1
    assert "signal 9 has ended edge-sdk there" in capsys.readouterr().err


def test_files_that_were_brought_are_gone_when_the_command_has_ended(
    tmp_path: Path, arrivals: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bundle = bundle_file(tmp_path, "1")
    assert main(["install", str(bundle), "--board", "local", "--slots", str(device(tmp_path)), "--no-trial"]) == 0
    assert "small 1, security epoch 0, active" in capfd.readouterr().out
    assert not list(arrivals.iterdir()) and bundle.exists()


def test_busybox_is_enough_on_the_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if (busybox := shutil.which("busybox")) is None:
        pytest.skip("no busybox; apt-get install busybox-static")
    (programs := tmp_path / "programs").mkdir()
    for name in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        (programs / name).symlink_to(busybox)
    monkeypatch.setenv("PATH", str(programs))  # sh, cat, sha256sum and the others, all of them its own
    board, source = open_board("local"), tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 1000)
    there = Path(board.put(source, "model.edge"))
    there.rename(there.with_name("model.edge.part"))
    there.with_name("model.edge.part").write_bytes(source.read_bytes()[:100_000])  # as where it broke off
    assert Path(board.put(source, "model.edge")).read_bytes() == source.read_bytes() == board.fetch(str(there))
    assert board.put(source, "model.edge") == str(there)
    assert board.run(["sh", "-c", "echo $0; exit 3", "it's"]) == Done(3, b"it's\n")
    board.discard(str(there))
    assert not there.exists()


def test_names_that_lead_elsewhere_are_no_names(tmp_path: Path) -> None:
    (source := tmp_path / "file").touch()
    board = open_board("local")
    for name in ("../x", "/x", "", "a b", ".x", "x" * 200):
        with pytest.raises(ValueError, match="expected letters"):
            board.put(source, name)
    with pytest.raises(TransportError, match="cannot be read"):
        board.put(tmp_path / "none", "x")
