"""A real sshd on the loopback, with a user of its own home folder: keys, known hosts, and nothing of this machine's."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PermitRootLogin yes
SetEnv PATH={path} TMPDIR={arrivals} HOME={folder}
"""


@dataclass
class Sshd:
    """place: for --board; home: of the user who calls; arrivals: where files come to."""

    folder: Path
    home: Path
    port: int
    arrivals: Path

    @property
    def place(self) -> str:
        return self.place_at(self.port)

    def place_at(self, port: int) -> str:
        """Through another port that leads to it."""
        return f"{getpass.getuser()}@127.0.0.1:{port}"

    def know(self, port: int | None = None, key: str = "host") -> None:
        """Put its host key into known_hosts, as a user does who has compared it."""
        kind, text, *_ = (self.folder / f"{key}.pub").read_text().split()
        (self.home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port or self.port} {kind} {text}\n")


def make_key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


@contextlib.contextmanager
def running_sshd(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    inside: Sequence[str] = (),
    programs: Path = Path(sys.executable).parent,
    arrivals: Path | None = None,
) -> Iterator[Sshd]:
    """The server, in a process of its own. inside: what to start it with; programs: found first by who logs in."""
    if SSHD is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no sshd; apt-get install openssh-server")
    pytest.importorskip("asyncssh")
    folder, home = tmp_path / "sshd", tmp_path / "home"
    folder.mkdir()
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    make_key(folder / "host")
    make_key(home / ".ssh" / "id_ed25519")
    shutil.copy(home / ".ssh" / "id_ed25519.pub", folder / "authorized_keys")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    path = f"{programs}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    if arrivals is None:
        (arrivals := folder / "arrivals").mkdir()
    (folder / "config").write_text(CONFIG.format(port=port, folder=folder, path=path, arrivals=arrivals))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd has its unprivileged half
    process = subprocess.Popen(
        [*inside, SSHD, "-D", "-e", "-f", str(folder / "config")], stderr=(folder / "log").open("wb"), cwd="/"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    try:
        for _ in range(400):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield Sshd(folder, home, port, arrivals)
    finally:
        process.terminate()
        process.wait()
