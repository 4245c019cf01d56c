"""What is installed, what is taken instead, and what runs in the meantime."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_sdk.cli import main
from edge_sdk.contract import Bundle
from edge_sdk.errors import EdgeError
from firmware_bridge.bundle import sign_bundle
from firmware_bridge.install import install
from firmware_bridge.slots import Slots
from firmware_bridge.state import InstallError, State
from tests.edge_sdk.bundles import MODEL
from tests.edge_sdk.signing import ROOT, STRANGER, key, trust, trust_file
from tests.firmware_bridge.devices import bundle_file, device, refused, running


def test_an_installed_bundle_runs_and_stays_when_it_is_confirmed(slots: Slots, tmp_path: Path) -> None:
    state = install(slots, bundle_file(tmp_path, "2"))
    assert (state.active, state.confirmed) == ("a", False) and running(slots) == "2"
    assert slots.confirm().confirmed and running(slots) == "2"
    assert slots.state().tries == 0


def test_a_rolled_back_bundle_is_not_taken_again_even_with_other_signatures(slots: Slots, tmp_path: Path) -> None:
    two = bundle_file(tmp_path, "2")
    install(slots, two)
    slots.rollback()
    assert "quarantine" in refused(slots, two)
    sign_bundle(two, two, [key(STRANGER)])
    assert "quarantine" in refused(slots, two)
    install(slots, bundle_file(tmp_path, "3"))
    assert running(slots) == "3"


def test_what_runs_already_is_not_installed_again(slots: Slots, tmp_path: Path) -> None:
    before = slots.state()
    assert install(slots, bundle_file(tmp_path, "1")) == before == slots.state()


def test_a_second_bundle_waits_until_the_first_is_confirmed_or_rolled_back(slots: Slots, tmp_path: Path) -> None:
    install(slots, bundle_file(tmp_path, "2"))
    with pytest.raises(InstallError, match="not confirmed"):
        install(slots, bundle_file(tmp_path, "3"))


def test_a_model_that_fails_its_trial_does_not_become_active(slots: Slots, tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        assert path == slots.path("a")
        raise EdgeError("it hangs")

    with pytest.raises(EdgeError, match="it hangs"):
        install(slots, bundle_file(tmp_path, "2"), fail)
    assert running(slots) == "1"


def test_the_bytes_that_were_verified_are_the_bytes_that_run(slots: Slots) -> None:
    started = slots.start()
    slots.path("b").write_bytes(b"swapped")
    assert started is not None and isinstance(started.bundle, Bundle)
    assert started.bundle.model == MODEL + b"1"


def test_two_installers_at_once_are_one_too_many(slots: Slots, tmp_path: Path) -> None:
    two = bundle_file(tmp_path, "2")
    with slots.locked():
        assert running(slots) == "1"  # the service starts all the same
        with pytest.raises(InstallError, match="somebody else"):
            install(Slots(slots.folder), two)
    install(slots, two)


def test_a_killed_installer_leaves_no_lock(slots: Slots, tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from firmware_bridge.slots import Slots\n"
        "with Slots(Path(sys.argv[1])).locked(): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(slots.folder)])
    install(slots, bundle_file(tmp_path, "2"))


def test_a_folder_that_everybody_can_write_to_is_refused(slots: Slots, tmp_path: Path) -> None:
    slots.folder.chmod(0o777)
    with pytest.raises(InstallError, match="chmod o-w"):
        install(slots, bundle_file(tmp_path, "2"))


@pytest.mark.parametrize("umask", [0, 0o077])
def test_files_are_written_by_their_owner_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        folder = device(tmp_path, "1")
    finally:
        os.umask(before)
    assert {p.name: p.stat().st_mode & 0o777 for p in folder.iterdir() if p.name != "lock"} == dict.fromkeys(
        ("b.edge", "state.json", "trust.json"), 0o644
    )


def test_commands_install_confirm_and_roll_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder := tmp_path / "slots").mkdir()
    (tmp_path / "trust.json").write_bytes(trust_file(trust(), ROOT))
    one, two = bundle_file(tmp_path, "1"), bundle_file(tmp_path, "2")

    def edge(command: str, *words: object) -> State:
        capsys.readouterr()
        assert main([command, *map(str, words), "--slots", str(folder), "--json"]) == 0
        plain = json.loads(capsys.readouterr().out)
        return State(**{key: plain[key] for key in ("active", "confirmed", "tries", "floor", "seen")})

    assert main(["install", str(one), "--slots", str(folder), "--no-trial"]) == 1  # nobody said whom to trust
    assert "give --trust" in capsys.readouterr().err
    edge("install", one, "--trust", tmp_path / "trust.json", "--no-trial")
    assert edge("confirm").confirmed
    assert not edge("install", two, "--no-trial").confirmed
    assert edge("status") == State(active="a", confirmed=False)
    assert edge("rollback").active == "b"
    assert main(["rollback", "--slots", str(folder)]) == 1
    assert "install a bundle" in capsys.readouterr().err
    assert main(["status", "--slots", str(folder)]) == 0
    assert "slot b  small 1, security epoch 0, active\n" in capsys.readouterr().out
    assert main(["status", "--slots", str(tmp_path / "none")]) == 1
    capsys.readouterr()
    # The trial is on where nobody turns it off: these bundles hold no model that could run.
    assert main(["install", str(bundle_file(tmp_path, "3")), "--slots", str(folder)]) == 1
    err = capsys.readouterr().err
    assert "model refused" in err and err.count("\n") == 1
