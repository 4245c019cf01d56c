"""A whole board set up over SSH: root, users and files are real, in a mount namespace whose changes are lost again."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import ANY

import pytest

from edge_sdk.cli import main
from edge_sdk.library import shipped_models
from firmware_bridge.bundle import sign_bundle
from firmware_bridge.transports import Done, open_board
from tests.edge_sdk.signing import RELEASE, ROOT, key, trust, trust_file
from tests.firmware_bridge.transports.sshd import Sshd, running_sshd

# What provisioning changes lies over what is there; /usr stays as it is, and nothing may install packages.
INSIDE = """set -e
mount -t tmpfs tmpfs {scratch}
for folder in etc opt var/lib usr/local; do
    mkdir -p {scratch}/$folder {scratch}/work/$folder
    mount -t overlay -o lowerdir=/$folder,upperdir={scratch}/$folder,workdir={scratch}/work/$folder overlay /$folder
done
mount -t tmpfs -o mode=1777 tmpfs /var/tmp
exec "$@"
"""
BOARD = """name = "scratch"
title = "this machine"
cpu = "x86_64"
memory_mib = 1024
runtime = "ai-edge-litert"
slots = "/var/lib/edge-sdk"
sources = { cpu = "uname -m", memory_mib = "a choice", runtime = "a choice" }
"""


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    (scratch := tmp_path / "scratch").mkdir()
    (tmp_path / "inside.sh").write_text(INSIDE.format(scratch=scratch))
    inside = ["unshare", "--mount", "--propagation", "private", "sh", str(tmp_path / "inside.sh")]
    if subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("an overlay over /etc needs root, mount namespaces and overlayfs")
    (programs := tmp_path / "programs").mkdir()
    (programs / "apt-get").write_text("#!/bin/sh\necho 'packages are missing' >&2\nexit 1\n")
    (programs / "apt-get").chmod(0o755)
    (tmp_path / "board.toml").write_text(BOARD)
    (tmp_path / "trust.json").write_bytes(trust_file(trust(), ROOT))
    with running_sshd(tmp_path, monkeypatch, inside, programs, Path("/var/tmp")) as server:
        server.know()
        yield server


@pytest.mark.slow  # pip gathers 40 MB, and installs them there
def test_a_board_is_set_up_once_and_runs_what_is_installed_then(
    tmp_path: Path, board: Sshd, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--board-type", tmp_path / "board.toml", "--trust", tmp_path / "trust.json", "--json", board.place]

    def said(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        return (main([str(word) for word in words]), *capfd.readouterr())

    def outcomes(*more: object) -> list[str]:
        status, out, err = said("provision", *more, *words)
        assert status == 0, err
        return [step["outcome"] for step in json.loads(out)]

    dry = outcomes("--dry-run")  # gathers the wheels
    (wheels,) = (board.home / ".cache" / "edge-sdk" / "wheels").iterdir()
    assert dry.count("to be done") >= 10
    assert outcomes("--dry-run", "--wheels", wheels) == dry  # it has changed nothing
    done = ["done" if each == "to be done" else each for each in dry]
    assert outcomes("--wheels", wheels) == done
    assert set(outcomes("--wheels", wheels)) == {"already so"}

    with contextlib.closing(open_board(board.place)) as there:
        for script in (
            "[ $(stat -c %U /var/lib/edge-sdk/trust.json) = edge-sdk ]",
            "[ -L /etc/systemd/system/multi-user.target.wants/edge-sdk.service ]",
            "systemd-analyze verify /etc/systemd/system/edge-sdk.service",
            "edge-sdk separate --help",
            "/opt/edge-sdk/venv/bin/python -c 'import alsaaudio, cryptography'",
            '[ -z "$(ls /var/tmp/edge-sdk-*)" ]',  # the wheels are gone again
        ):
            assert there.run(["sh", "-c", script]) == Done(0, ANY, ANY), script
        model = tmp_path / "enhance.edge"
        shutil.copy(shipped_models()["enhance-mono"], model)
        assert said("install", model, "--board", board.place)[0] == 1  # nobody has signed it
        sign_bundle(model, model, [key(RELEASE)])
        assert said("install", model, "--board", board.place) == (0, ANY, "")  # and its model was tried there
        assert json.loads(said("confirm", "--board", board.place, "--json")[1])["confirmed"]
        assert json.loads(said("status", "--board", board.place, "--json")[1])["runs"]["b"]
        owners = there.run(["sh", "-c", "stat -c %U /var/lib/edge-sdk/*"]).out.split()
        assert len(owners) >= 4 and set(owners) == {b"edge-sdk"}

        there.run(
            ["sh", "-c", "rm /usr/local/bin/edge-sdk; chmod 777 /var/lib/edge-sdk; echo > /etc/edge-sdk/board.toml"]
        )
        assert outcomes("--wheels", wheels).count("done") == 3  # what was spoiled, and no more
        there.run(["sh", "-c", "echo {} > /var/lib/edge-sdk/trust.json"])
        status, out, err = said("provision", "--wheels", wheels, *words)
        assert (status, out) == (1, "") and "another trust file is there" in err and err.count("\n") == 1
