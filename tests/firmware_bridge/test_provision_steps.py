"""What the steps do to a board, each script run here as far as it can be."""

import subprocess
from pathlib import Path

import pytest

from firmware_bridge.provision import Target, provision
from firmware_bridge.provision_steps import CHANGED, COMMAND, Wishes, drop_in, file_step, started, steps_for
from firmware_bridge.transports import open_board
from tests.firmware_bridge.targets import HERE, OLD_PI, PI, this_machine, wishes


@pytest.mark.parametrize("target", [HERE, PI, OLD_PI])
def test_every_script_is_one_that_a_shell_can_read(target: Target, tmp_path: Path) -> None:
    (tmp_path / "edge_sdk-1-py3-none-any.whl").write_bytes(b"")
    odd = Wishes(
        "tflite-runtime", tuple(tmp_path.iterdir()), "it's", ("serve",), "/a b/c", (("array.toml", "'\n"),), "{'}"
    )
    for step in [*steps_for(target, wishes()), *steps_for(target, odd)]:
        for script in (step.check, step.apply):
            subprocess.run(["sh", "-n", "-c", script], check=True)
        assert "\n" not in step.description


def test_a_file_is_written_as_it_is_told_and_made_right_when_it_is_spoiled(tmp_path: Path) -> None:
    text, path = "it's $HOME `id` \\n %s\n\n", tmp_path / "folder" / "file"
    step, board = file_step(str(path), text, mode="600"), open_board("local")
    if this_machine().user != "root":
        pytest.skip("files are given to root")
    provision(board, HERE, [step])
    assert path.read_text() == text and path.stat().st_mode & 0o777 == 0o600
    for spoil in (lambda: path.write_text(text.rstrip("\n")), lambda: path.chmod(0o644), path.unlink):
        spoil()
        assert [each.outcome for each in provision(board, HERE, [step])] == ["done"]
        assert path.read_text() == text


def test_packages_of_the_distribution_are_asked_for_only_where_they_are_needed(tmp_path: Path) -> None:
    (source := tmp_path / "pyalsaaudio-0.11.0.tar.gz").touch()

    def asked_for(target: Target, about: Wishes) -> set[str]:
        packages, *_ = steps_for(target, about)
        return set(packages.description.partition(": ")[2].split())

    assert asked_for(PI, wishes()) == {"python3-venv"}
    assert asked_for(PI, wishes(wheels=(source,))) == {"python3-venv", "gcc", "python3-dev", "libasound2-dev"}
    assert asked_for(OLD_PI, wishes("tflite-runtime")) == {"python3-venv", "python3-numpy", "python3-soundfile"}
    assert any(
        "venv --clear --system-site-packages" in step.apply for step in steps_for(OLD_PI, wishes("tflite-runtime"))
    )


@pytest.mark.parametrize(
    ("user", "command", "called"),
    [
        ("edge-sdk", "install", "PROGRAM install x"),
        ("root", "install", "runuser -u edge-sdk -- PROGRAM install x"),
        ("pi", "rollback", "sudo -n -u edge-sdk PROGRAM rollback x"),
        ("pi", "separate", "PROGRAM separate x"),
    ],
)
def test_what_touches_slots_is_done_by_their_owner(tmp_path: Path, user: str, command: str, called: str) -> None:
    program = tmp_path / "program"
    for name in ("runuser", "sudo", "program"):
        word = "PROGRAM" if name == "program" else name
        (tmp_path / name).write_text(f'#!/bin/sh\necho {word} "$@"\n')
        (tmp_path / name).chmod(0o755)
    (tmp_path / "id").write_text(f"#!/bin/sh\necho {user}\n")
    (tmp_path / "id").chmod(0o755)
    script = COMMAND.replace("/opt/edge-sdk/venv/bin/edge-sdk", str(program))
    done = subprocess.run(
        ["sh", "-c", script, "edge-sdk", command, "x"], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True
    )
    assert done.stdout.decode().strip().replace(str(program), "PROGRAM") == called


SYSTEMCTL = """#!/bin/sh
echo "$1" >> {log}
case $1 in is-active) cat {state} ;; restart) echo activating > {state} ;; esac
"""


def test_the_service_is_started_anew_only_where_something_has_changed(tmp_path: Path) -> None:
    (tmp_path / "systemctl").write_text(SYSTEMCTL.format(log=tmp_path / "log", state=tmp_path / "state"))
    (tmp_path / "systemctl").chmod(0o755)
    (tmp_path / "state").write_text("inactive\n")
    run, step = tmp_path / "run", started()

    def status(script: str) -> int:
        there = script.replace("/run/", f"{run}/").replace("sleep 1", "true")
        return subprocess.run(["sh", "-c", there], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}).returncode

    run.mkdir()
    assert status(step.check) == 0  # systemd does not run: an image, or a container
    (run / "systemd" / "system").mkdir(parents=True)
    assert status(step.check) != 0
    assert status(step.apply) == status(step.check) == 0
    assert "daemon-reload\nrestart\n" in (tmp_path / "log").read_text()
    changed = run / Path(CHANGED).name
    for spoil in (changed.touch, lambda: (tmp_path / "state").write_text("failed\n")):
        spoil()
        assert status(step.check) != 0
        assert status(step.apply) == status(step.check) == 0
    assert f"touch {CHANGED}\n" in file_step("/etc/x", "", served=True).apply
    assert CHANGED not in file_step("/etc/x", "").apply


def test_the_service_runs_the_slots_as_their_owner() -> None:
    text = drop_in(wishes())
    assert "ExecStart=\nExecStart=/opt/edge-sdk/venv/bin/edge-sdk serve -- --capture hw:1\n" in text
    odd = Wishes("", (), "", ("serve", "a b", "100%", '"'), "/slots")
    assert '/edge-sdk serve "a b" 100%% "\\""\n' in drop_in(odd)
