"""Over a bad serial line everything arrives whole, or it is said that it did not."""

import contextlib
import random
import subprocess
import sys
from pathlib import Path

import pytest

from edge_sdk.cli import main
from firmware_bridge.transports import TransportError, questions
from firmware_bridge.transports.line import Patience
from firmware_bridge.transports.port import Port
from firmware_bridge.transports.serial_line import SerialTransport
from tests.firmware_bridge.mounts import remount, small_disk
from tests.firmware_bridge.transports.installs import check_commands
from tests.firmware_bridge.transports.lossy import BAUD, GOOD, PATIENCE, Faults, LossyLine, receiving, serial_board

BAD = Faults(bits=1e-4, lost=0.01, doubled=0.01)


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """Where files arrive."""
    return tmp_path / "arrivals"


def file_of(tmp_path: Path, size: int) -> Path:
    path = tmp_path / "model.edge"
    path.write_bytes(random.Random(size).randbytes(size))
    return path


def refusal(board: SerialTransport, do: str, **about: object) -> str:
    with pytest.raises(TransportError) as caught:
        board._ask(do, **about)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_files_arrive_whole_over_a_line_that_changes_loses_and_doubles_bytes(
    tmp_path: Path, there: Path, seed: int
) -> None:
    source = file_of(tmp_path, 60_000)
    with serial_board(there, BAD, seed) as (board, line):
        assert Path(board.put(source, "model.edge")).read_bytes() == source.read_bytes()
        assert min(line.changed, line.lost, line.doubled) > 0  # the line did what it is for
        assert board.fetch("model.edge") == source.read_bytes()
        board.discard(str(there / "model.edge"))
    assert not (there / "model.edge").exists()


def test_what_is_asked_twice_is_done_once(tmp_path: Path, there: Path) -> None:
    with serial_board(there, Faults(doubled=1.0)) as (board, _):
        source = file_of(tmp_path, 5000)
        assert Path(board.put(source, "model.edge")).read_bytes() == source.read_bytes()  # which it appends to


def test_a_transfer_that_is_cut_goes_on_from_there(tmp_path: Path, there: Path) -> None:
    source, short = file_of(tmp_path, 60_000), Patience(wait_s=0.05, longest_s=0.05, silences=3)
    with contextlib.closing(LossyLine(Faults(cut=40_000))) as line, receiving(line, there):
        board = SerialTransport(Port(line.near, BAUD), "serial:test", short)
        with pytest.raises(TransportError, match="nobody answers"):
            board.put(source, "model.edge")
        board.close()
        part = there / "model.edge.part"
        size = part.stat().st_size
        assert 20_000 < size < 40_000 and part.read_bytes() == source.read_bytes()[:size]
        line.faults, line.carried = GOOD, 0
        with contextlib.closing(SerialTransport(Port(line.near, BAUD), "serial:test")) as board:
            assert Path(board.put(source, "model.edge")).read_bytes() == source.read_bytes()
        assert line.carried < 1.3 * (60_000 - size)  # what was there was not sent again; 0.3: frames, and answers


def test_a_part_that_is_of_another_file_is_not_gone_on_with(tmp_path: Path, there: Path) -> None:
    source = file_of(tmp_path, 2000)
    with serial_board(there, GOOD) as (board, _):
        for part in (b"?" * 1000, source.read_bytes()[:1000] + b"?", source.read_bytes() + b"?", source.read_bytes()):
            (there / "model.edge").unlink(missing_ok=True)
            (there / "model.edge.part").write_bytes(part)
            assert Path(board.put(source, "model.edge")).read_bytes() == source.read_bytes()


def test_a_file_that_changes_on_its_way_is_not_kept(tmp_path: Path, there: Path) -> None:
    source = file_of(tmp_path, 2000)
    with serial_board(there, GOOD) as (board, _):
        board._ask("open", name="model.edge", size=3, sha256="0" * 64)
        board._answer(questions.DATA, questions.OFFSET.pack(0) + b"abc")
        assert "did not arrive whole" in refusal(board, "finish")
        assert Path(board.put(source, "model.edge")).read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    ("do", "about", "said"),
    [
        ("run", {"words": ["sh", "-c", "id"]}, "only edge-sdk install"),
        ("run", {"words": ["edge-sdk", "serve"]}, "only edge-sdk install"),
        ("run", {"words": ["edge-sdk", "confirm", "--watch=1", "--", "--playback", "x.wav"]}, "only edge-sdk install"),
        ("run", {"words": ["edge-sdk", "status", "--board=root@elsewhere"]}, "only edge-sdk install"),
        ("run", {"words": []}, "only edge-sdk install"),
        ("run", {"words": 1}, "int"),
        ("read", {"path": "/etc/passwd", "offset": 0}, "where the line ends"),
        ("read", {"path": "../trust.json", "offset": 0}, "where the line ends"),
        ("read", {"path": "none", "offset": 0}, "No such file"),
        ("discard", {"path": "/etc/passwd"}, "where the line ends"),
        ("open", {"name": "../x", "size": 1, "sha256": ""}, "no plain name"),
        ("open", {"name": "x", "size": 1}, "sha256"),
        ("open", {"name": "x", "size": 2**60, "sha256": ""}, "free space"),
        ("restart", {}, "no file is open"),
        ("poll", {}, "no command was started"),
        ("format", {}, "not known here"),
    ],
)
def test_what_the_line_may_not_ask_for_is_refused(there: Path, do: str, about: dict[str, object], said: str) -> None:
    with serial_board(there, GOOD) as (board, _):
        assert said in refusal(board, do, **about)
        assert board._ask("hello") == {"protocol": questions.PROTOCOL}  # and it goes on


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"do": NaN}', b"\xff" * 300, b"[" * 4000])
def test_what_is_no_question_is_refused(there: Path, payload: bytes) -> None:
    with serial_board(there, GOOD) as (board, _):
        for kind in (questions.ASK, questions.DATA, b"?"):
            with pytest.raises(TransportError):
                board._answer(kind, payload)


def test_a_disk_that_is_full_or_read_only_is_said_in_one_line(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "1536k") as disk, serial_board(disk / "arrivals", GOOD) as (board, _):
        with pytest.raises(TransportError, match="do not fit on the disk; free space"):
            board.put(file_of(tmp_path, 3_000_000), "model.edge")
        (disk / "filler").write_bytes(bytes(400_000))
        board._ask("open", name="x", size=60_000, sha256="")
        with contextlib.suppress(OSError), (disk / "filler").open("ab", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        board._answer(questions.DATA, questions.OFFSET.pack(0))
        with pytest.raises(TransportError, match="No space left"):
            board._answer(questions.DATA, questions.OFFSET.pack(0) + bytes(256))
        (disk / "filler").unlink()
        remount(disk, "ro")
        with pytest.raises(TransportError, match="Read-only"):
            board.put(file_of(tmp_path, 100), "model.edge")


def receive(line: LossyLine, folder: Path) -> subprocess.Popen[bytes]:
    """`edge-sdk receive` at the far end, as on a board."""
    words = ["receive", "--serial", f"{line.far}@{BAUD}", "--folder", str(folder)]
    return subprocess.Popen([sys.executable, "-m", "edge_sdk.cli", *words])


def test_a_board_that_is_switched_off_meanwhile_goes_on_from_there(tmp_path: Path, there: Path) -> None:
    source, part = file_of(tmp_path, 200_000), there / "model.edge.part"
    with contextlib.closing(LossyLine(GOOD)) as line:
        board = receive(line, there)

        def switch_off(done: int, of: int) -> None:
            if done > of // 2 and board.poll() is None:
                board.kill()
                board.wait()
                near._asker._patience = Patience(wait_s=0.05, silences=3)  # it took its time to start, not to fail

        near = SerialTransport(Port(line.near, BAUD), "serial:test", progress=switch_off)
        with pytest.raises(TransportError, match="nobody answers"):
            near.put(source, "model.edge")
        near.close()
        size = part.stat().st_size
        assert size > 100_000 and part.read_bytes() == source.read_bytes()[:size]
        board = receive(line, there)
        line.carried = 0
        try:
            with contextlib.closing(SerialTransport(Port(line.near, BAUD), "serial:test", PATIENCE)) as near:
                assert Path(near.put(source, "model.edge")).read_bytes() == source.read_bytes()
        finally:
            board.terminate()
            board.wait()
        assert line.carried < 1.3 * (200_000 - size)


def test_commands_over_a_bad_line_say_and_do_what_they_do_there(
    tmp_path: Path, there: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with contextlib.closing(LossyLine(BAD)) as line:
        board = receive(line, there)
        try:
            check_commands(f"serial:{line.near}@{BAUD}", tmp_path, capfd)
        finally:
            board.terminate()
            board.wait()
    assert {path.name for path in there.iterdir()} == {questions.STDOUT, questions.STDERR}


def test_receive_refuses_a_folder_of_somebody_elses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert main(["receive", "--serial", "/dev/null", "--folder", str(tmp_path / "link")]) == 1
    assert "belongs to somebody else" in capsys.readouterr().err
