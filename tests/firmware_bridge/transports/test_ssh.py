"""Over SSH: only to a host that is known, only with a key, and on from where it broke off."""

import contextlib
import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.transports import Transport, TransportError, open_board
from firmware_bridge.transports.ssh import Address, address_from
from tests.firmware_bridge.mounts import remount, small_disk
from tests.firmware_bridge.transports.cut_line import CutLine
from tests.firmware_bridge.transports.installs import check_commands
from tests.firmware_bridge.transports.sshd import Sshd, make_key, running_sshd


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    with running_sshd(tmp_path, monkeypatch) as server:
        yield server


@pytest.mark.parametrize("files", ["none", "/dev/null"])
def test_no_configuration_makes_a_stranger_known(sshd: Sshd, files: str) -> None:
    config = f"Host *\n  UserKnownHostsFile {files}\n  StrictHostKeyChecking no\n"
    (sshd.home / ".ssh" / "config").write_text(config)
    assert "not known here" in refusal(sshd.place)
    sshd.know()
    open_board(sshd.place).close()


def refusal(place: str) -> str:
    with pytest.raises(TransportError) as caught:
        open_board(place)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_only_a_known_host_and_a_key_are_let_in(sshd: Sshd) -> None:
    known = sshd.home / ".ssh" / "known_hosts"
    unknown = refusal(sshd.place)
    assert "not known here (SHA256:" in unknown and f"ssh-keyscan -p {sshd.port} 127.0.0.1" in unknown
    assert not known.exists()  # nothing was added
    make_key(sshd.folder / "former")
    sshd.know(key="former")
    assert "CHANGED" in (changed := refusal(sshd.place)) and f"ssh-keygen -R '[127.0.0.1]:{sshd.port}'" in changed
    sshd.know()
    with contextlib.closing(open_board(sshd.place)) as board:
        done = board.run(["sh", "-c", "echo \"it's\" here; echo 'and there' >&2; exit 7"])
        assert (done.status, done.out, done.err) == (7, b"it's here\n", b"and there\n")
    make_key(sshd.home / ".ssh" / "new")
    (sshd.home / ".ssh" / "new").replace(sshd.home / ".ssh" / "id_ed25519")
    (sshd.home / ".ssh" / "new.pub").replace(sshd.home / ".ssh" / "id_ed25519.pub")
    assert "none of your keys" in refusal(sshd.place)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "model.edge"
    path.write_bytes(random.Random(1).randbytes(3_000_000))
    return path


@contextlib.contextmanager
def opened(server: Sshd, through: int | None = None) -> Iterator[Transport]:
    """The board, directly or through another port."""
    server.know(through)
    with contextlib.closing(open_board(server.place_at(through or server.port))) as board:
        yield board


def grown(path: Path) -> int:
    """Size of a file when nobody writes to it any more."""
    size = -1
    while (now := path.stat().st_size) != size:
        size = now
        time.sleep(0.3)
    return size


def test_files_arrive_whole_and_are_not_sent_twice(sshd: Sshd, source: Path) -> None:
    with opened(sshd) as board:
        there = Path(board.put(source, "model.edge"))
        assert there.read_bytes() == source.read_bytes() == board.fetch(str(there))
        written = there.stat().st_mtime_ns
        assert board.put(source, "model.edge") == str(there)
        assert there.stat().st_mtime_ns == written
        source.write_bytes(b"another")
        assert Path(board.put(source, "model.edge")).read_bytes() == b"another"
        board.discard(str(there))
        assert not there.exists()
        source.write_bytes(b"")
        assert Path(board.put(source, "model.edge")).read_bytes() == b""


def test_a_connection_that_is_cut_goes_on_from_there(sshd: Sshd, source: Path) -> None:
    with contextlib.closing(CutLine(sshd.port, after=1_500_000)) as line:
        with opened(sshd, line.port) as board, pytest.raises(TransportError, match="goes on from there"):
            board.put(source, "model.edge")
        (part,) = sshd.arrivals.glob("*/model.edge.part")
        assert 0 < grown(part) < 1_500_000
        line.carried, line.after = 0, None
        with opened(sshd, line.port) as board:
            assert Path(board.put(source, "model.edge")).read_bytes() == source.read_bytes()
        assert line.carried < source.stat().st_size  # so it did not begin anew


def test_a_part_that_is_of_another_file_is_not_gone_on_with(sshd: Sshd, source: Path) -> None:
    with opened(sshd) as board:
        there = Path(board.put(source, "model.edge"))
        data = source.read_bytes()
        for part in (b"?" * 1000, data[:1000] + b"?", data + b"?", data, data[:-1]):
            there.unlink()
            there.with_name("model.edge.part").write_bytes(part)
            assert Path(board.put(source, "model.edge")).read_bytes() == data


def test_a_disk_that_is_full_or_read_only_is_said_in_one_line(sshd: Sshd, source: Path) -> None:
    sshd.arrivals.rmdir()
    with small_disk(sshd.arrivals, "1m"), opened(sshd) as board:
        with pytest.raises(TransportError, match="No space left") as caught:
            board.put(source, "model.edge")
        assert "\n" not in str(caught.value)
        source.write_bytes(source.read_bytes()[:1000])
        board.put(source, "model.edge")
        remount(sshd.arrivals, "ro")
        with pytest.raises(TransportError, match="Read-only"):
            board.put(source, "another.edge")


def test_a_folder_of_somebody_elses_is_not_used(sshd: Sshd, source: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (sshd.arrivals / f"edge-sdk-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with opened(sshd) as board, pytest.raises(TransportError, match="belongs to somebody else"):
        board.put(source, "model.edge")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_board_that_is_not_there_is_said_in_one_line(sshd: Sshd) -> None:
    sshd.know()
    assert "Connection refused" in refusal("127.0.0.1:1")
    assert "cannot be reached" in refusal("no-such-host.invalid")
    for data in (b"no line of known hosts", b"\xff\xfe"):
        (sshd.home / ".ssh" / "known_hosts").write_bytes(data)
        assert "127.0.0.1" in refusal(sshd.place)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("board", Address("board")),
        ("pi@board.local", Address("board.local", "pi")),
        ("pi@board:2222", Address("board", "pi", 2222)),
        ("fe80::1", Address("fe80::1")),
        ("pi@[fe80::1]:22", Address("fe80::1", "pi", 22)),
    ],
)
def test_boards_are_named_as_ssh_names_them(text: str, address: Address) -> None:
    assert address_from(text) == address


@pytest.mark.parametrize(
    "text", ["", "@board", "board:0", "board:x", "board:65536", "-oProxyCommand=x", "a b", "board:22:"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(TransportError, match="no board"):
        address_from(text)


def test_commands_over_ssh_say_and_do_what_they_do_there(
    sshd: Sshd, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sshd.know()
    check_commands(sshd.place, tmp_path, capfd)
    assert not list(sshd.arrivals.glob("*/*"))  # what was brought is gone again


def test_a_key_behind_a_passphrase_is_said_in_one_line(sshd: Sshd) -> None:
    sshd.know()
    own = sshd.home / ".ssh" / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "a secret", "-P", "", "-f", str(own)], check=True)
    assert "ssh-agent" in refusal(sshd.place)
    (sshd.home / ".ssh" / "config").write_text(f"IdentityFile {own}\n")
    assert "ssh-agent" in refusal(sshd.place)
    own.write_bytes(b"no key")
    assert "ssh-agent" in refusal(sshd.place)
