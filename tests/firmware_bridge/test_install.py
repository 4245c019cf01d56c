"""What is installed, what is refused, and what runs in the meantime."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_sdk.cli import main
from edge_sdk.contract import Bundle, Fits, Machine, SignatureError
from edge_sdk.errors import BundleError, EdgeError, ManifestError
from firmware_bridge.bundle import pack, sign_bundle
from firmware_bridge.disk import Disk
from firmware_bridge.install import install, set_trust
from firmware_bridge.slots import MAX_TRIES, Slots
from firmware_bridge.state import InstallError, State
from tests.edge_sdk.bundles import MODEL, manifest
from tests.edge_sdk.signing import DEV, RELEASE, RELEASE2, ROOT, ROOT2, STRANGER, key, role, trust, trust_file
from tests.firmware_bridge.devices import bundle_file, device, running


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    """A device on which version 1 is installed and confirmed."""
    return Slots(device(tmp_path, "1"))


def refused(slots: Slots, source: Path, kind: type[EdgeError] = InstallError, **about: Any) -> str:
    """The line that refuses a bundle, on a device where version 1 runs on as before."""
    before = {path: path.read_bytes() for path in slots.folder.iterdir()}
    with pytest.raises(kind) as caught:
        install(slots, source, **about)
    message = str(caught.value)
    assert "\n" not in message
    assert {path: path.read_bytes() for path in slots.folder.iterdir()} == before
    assert running(slots) == "1"
    return message


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


def test_the_same_bundle_repairs_a_slot_that_the_disk_has_damaged(slots: Slots, tmp_path: Path) -> None:
    slots.path("b").write_bytes(b"damaged")  # where version 1 is
    assert running(slots) is None
    install(slots, bundle_file(tmp_path, "1"))
    assert running(slots) == "1"


def test_a_second_bundle_waits_until_the_first_is_confirmed_or_rolled_back(slots: Slots, tmp_path: Path) -> None:
    install(slots, bundle_file(tmp_path, "2"))
    with pytest.raises(InstallError, match="not confirmed"):
        install(slots, bundle_file(tmp_path, "3"))


@pytest.mark.parametrize(
    ("signer", "said"), [(None, "0 of 0"), (STRANGER, "0 of 1"), (ROOT, "0 of 1"), (DEV, "not unlocked")]
)
def test_wrong_keys_and_roles_are_refused(slots: Slots, tmp_path: Path, signer: int | None, said: str) -> None:
    assert said in refused(slots, bundle_file(tmp_path, "2", signer), SignatureError)


def test_an_unlocked_device_takes_development_keys_until_it_is_locked_again(slots: Slots, tmp_path: Path) -> None:
    (slots.folder / "unlocked").touch()
    install(slots, bundle_file(tmp_path, "2", DEV))
    assert running(slots) == "2"
    (slots.folder / "unlocked").unlink()
    assert running(slots) == "1"


def test_older_versions_are_installed_but_older_epochs_never(slots: Slots, tmp_path: Path) -> None:
    install(slots, bundle_file(tmp_path, "9", security_epoch=5))
    assert slots.state().floor == 0  # not before it has proved itself
    slots.confirm()
    assert slots.state().floor == 5
    with pytest.raises(InstallError, match="security epoch 4, this device takes 5"):
        install(slots, bundle_file(tmp_path, "10", security_epoch=4))
    install(slots, bundle_file(tmp_path, "2", security_epoch=5))
    assert running(slots) == "2"


def test_a_rollback_never_goes_below_the_floor(slots: Slots, tmp_path: Path) -> None:
    install(slots, bundle_file(tmp_path, "2", security_epoch=5))
    slots.confirm()
    with pytest.raises(InstallError, match="nothing that can run"):
        slots.rollback()
    slots.path("a").write_bytes(b"damaged")
    assert running(slots) is None  # its microphone goes through; version 1 is over


def test_a_bundle_that_replays_an_old_slot_file_does_not_run(slots: Slots, tmp_path: Path) -> None:
    old = slots.path("b").read_bytes()
    install(slots, bundle_file(tmp_path, "2"))
    slots.confirm()
    slots.path("a").write_bytes(old)  # rightly signed, but not what was installed here
    assert slots.start() is not None and running(slots) == "1"  # from its own slot
    assert slots.state().active == "b"


YEAR_2000, YEAR_2020, YEAR_2040 = 946_684_800, 1_577_836_800, 2_208_988_800


@pytest.mark.parametrize("clock", [YEAR_2020 + 1, YEAR_2040, 4_070_908_800])
def test_expired_bundles_are_refused(slots: Slots, tmp_path: Path, clock: int) -> None:
    source = bundle_file(tmp_path, "2", created=YEAR_2000, expires=YEAR_2020)
    assert "expired on 2020-01-01" in refused(slots, source, clock=lambda: clock)


@pytest.mark.parametrize("clock", [0, YEAR_2020])
def test_a_clock_that_was_never_set_blocks_nothing(slots: Slots, tmp_path: Path, clock: int) -> None:
    source = bundle_file(tmp_path, "2", created=YEAR_2000, expires=YEAR_2020)
    install(slots, source, clock=lambda: clock)
    assert running(slots) == "2"


def test_setting_the_clock_back_does_not_revive_what_a_later_bundle_has_ended(slots: Slots, tmp_path: Path) -> None:
    install(slots, bundle_file(tmp_path, "2", created=YEAR_2020 + 1), clock=lambda: 0)
    slots.confirm()
    assert slots.state().seen == YEAR_2020 + 1
    with pytest.raises(InstallError, match="expired"):
        install(slots, bundle_file(tmp_path, "3", created=YEAR_2000, expires=YEAR_2020), clock=lambda: 0)


def test_times_in_unsigned_bundles_are_not_believed(tmp_path: Path) -> None:
    (tmp_path / "device").mkdir()
    slots = Slots(tmp_path / "device")
    install(slots, bundle_file(tmp_path, "1", None, created=YEAR_2040))
    assert slots.state().seen == 0


def test_bundles_for_other_boards_and_arrays_are_refused(tmp_path: Path) -> None:
    folder = device(tmp_path, "1")
    fits = (Fits(("aarch64",), ("square",), ()),)
    source = bundle_file(tmp_path, "2", fits=fits)
    for machine in (Machine("armv7l", "square"), Machine("aarch64", "line")):
        assert "fits this machine" in refused(Slots(folder, machine=machine), source, ManifestError)
    fitting = Slots(folder, machine=Machine("aarch64", "square"))
    install(fitting, source)
    assert running(fitting) == "2"


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_damaged_bundles_are_refused(slots: Slots, tmp_path: Path, cut: int) -> None:
    source = bundle_file(tmp_path, "2")
    source.write_bytes(source.read_bytes()[:cut])
    refused(slots, source, BundleError)
    refused(slots, tmp_path / "none.edge", BundleError)
    refused(slots, tmp_path, BundleError)


class SwappingDisk(Disk):
    """Somebody changes the source while it is installed."""

    def __init__(self, source: Path, data: bytes) -> None:
        self.source, self.data = source, data

    def create(self, path: Path) -> None:
        super().create(path)
        with self.source.open("r+b") as file:
            file.write(self.data)


def test_a_source_that_is_swapped_after_it_was_verified_is_refused(slots: Slots, tmp_path: Path) -> None:
    two, evil = bundle_file(tmp_path, "2"), bundle_file(tmp_path, "3", STRANGER).read_bytes()
    slots.disk = SwappingDisk(two, evil)
    with pytest.raises(SignatureError):
        install(slots, two)
    slots.disk = Disk()
    assert running(slots) == "1"
    two = bundle_file(tmp_path, "2")
    slots.disk = SwappingDisk(two, bundle_file(tmp_path, "4").read_bytes())  # rightly signed, but another
    with pytest.raises(EdgeError):
        install(slots, two)
    assert running(Slots(slots.folder)) == "1"


class LyingDisk(Disk):
    """Gives back other bytes than were written."""

    def sync(self, path: Path) -> None:
        super().sync(path)
        if path.suffix == ".edge":
            path.write_bytes(path.read_bytes()[:-1] + b"!")


def test_what_the_disk_gives_back_is_what_counts(slots: Slots, tmp_path: Path) -> None:
    slots.disk = LyingDisk()
    with pytest.raises(BundleError, match="damaged"):
        install(slots, bundle_file(tmp_path, "2"))
    assert running(Slots(slots.folder)) == "1"


def test_the_bytes_that_were_verified_are_the_bytes_that_run(slots: Slots) -> None:
    started = slots.start()
    slots.path("b").write_bytes(b"swapped")
    assert started is not None and isinstance(started.bundle, Bundle)
    assert started.bundle.model == MODEL + b"1"


class FailingDisk(Disk):
    """Fails in one operation, as a full, failing or read-only disk does."""

    def __init__(self, operation: str, number: int, after: int) -> None:
        self.operation, self.number, self.left = operation, number, after

    def __getattribute__(self, name: str) -> Any:
        if name == object.__getattribute__(self, "__dict__").get("operation"):
            if self.left == 0:
                raise OSError(self.number, os.strerror(self.number))
            self.left -= 1
        return object.__getattribute__(self, name)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("operation", ["create", "append", "sync", "rename", "sync_folder"])
@pytest.mark.parametrize("after", [0, 1])
def test_a_disk_that_fails_leaves_the_active_slot_as_it_is(
    slots: Slots, tmp_path: Path, operation: str, after: int, number: int
) -> None:
    install(slots, bundle_file(tmp_path, "2"))
    slots.confirm()
    broken = Slots(slots.folder, FailingDisk(operation, number, after))
    refusal = ""
    try:
        install(broken, bundle_file(tmp_path, "3"))
    except InstallError as error:
        refusal = str(error)
    assert "\n" not in refusal and (not refusal or os.strerror(number) in refusal)
    # An error after the last rename may come too late: then the new one is there, though nobody was told.
    assert running(slots) in (("2", "3") if refusal else ("3",))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True
    ).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def small_device(tmp_path: Path, small_disk: Path) -> Slots:
    shutil.copytree(device(tmp_path, "1"), small_disk / "device")
    return Slots(small_disk / "device")


def test_a_bundle_too_large_for_the_disk_is_refused_before_anything_is_written(
    tmp_path: Path, small_disk: Path
) -> None:
    slots = small_device(tmp_path, small_disk)
    large = MODEL + bytes(300_000)
    source = tmp_path / "large.edge"
    source.write_bytes(pack(manifest(large), large, [key(RELEASE)]))
    assert "free space" in refused(slots, source)


def test_a_disk_that_is_filled_meanwhile_leaves_the_active_slot(tmp_path: Path, small_disk: Path) -> None:
    slots = small_device(tmp_path, small_disk)

    class Filling(Disk):
        def create(self, path: Path) -> None:
            super().create(path)
            (small_disk / "filler").write_bytes(b"")
            with open(small_disk / "filler", "ab", buffering=0) as file:
                while True:
                    try:
                        file.write(bytes(4096))
                    except OSError:
                        return

    slots.disk = Filling()
    with pytest.raises(InstallError, match="No space left"):
        install(slots, bundle_file(tmp_path, "2"))
    assert running(Slots(slots.folder)) == "1"


def test_a_disk_that_became_read_only_still_runs_what_was_confirmed(tmp_path: Path, small_disk: Path) -> None:
    slots = small_device(tmp_path, small_disk)
    two = bundle_file(tmp_path, "2")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert running(slots) == "1"
    with pytest.raises((InstallError, OSError), match="Read-only"):
        install(slots, two)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    install(slots, two)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert running(slots) == "1"  # the tries of version 2 cannot be counted
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert running(slots) == "2"


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


def test_a_model_that_fails_its_trial_does_not_become_active(slots: Slots, tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        assert path == slots.path("a")
        raise EdgeError("it hangs")

    with pytest.raises(EdgeError, match="it hangs"):
        install(slots, bundle_file(tmp_path, "2"), fail)
    assert running(slots) == "1"


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff" * 100, b"[" * 100_000, b'{"schema":2}\n0\n'])
def test_a_damaged_state_is_made_again_from_what_trusted_keys_have_signed(
    slots: Slots, tmp_path: Path, data: bytes
) -> None:
    (slots.folder / "state.json").write_bytes(data)
    with pytest.raises(InstallError, match="damaged"):
        slots.state()
    assert running(slots) == "1"
    (slots.folder / "state.json").write_bytes(data)
    install(slots, bundle_file(tmp_path, "2"))
    assert running(slots) == "2"


def test_without_a_state_the_better_of_two_slots_has_to_prove_itself_again(slots: Slots, tmp_path: Path) -> None:
    install(slots, bundle_file(tmp_path, "2", security_epoch=1))
    slots.confirm()
    (slots.folder / "state.json").write_bytes(b"damaged")
    assert [running(slots) for _ in range(MAX_TRIES + 1)] == ["2"] * MAX_TRIES + ["1"]


def test_every_flipped_byte_of_a_state_is_noticed(slots: Slots) -> None:
    path = slots.folder / "state.json"
    good = path.read_bytes()
    for at in range(0, len(good) - 1, 5):
        path.write_bytes(good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :])
        with pytest.raises(InstallError):
            slots.state()


def test_without_a_slot_that_is_whole_the_microphone_goes_through(slots: Slots, tmp_path: Path) -> None:
    install(slots, bundle_file(tmp_path, "2"))
    for name in "ab":
        slots.path(name).write_bytes(slots.path(name).read_bytes()[:-1])
    assert slots.start() is None
    assert Slots(device_without(tmp_path)).start() is None


def device_without(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def test_a_damaged_active_slot_falls_back_to_the_other(slots: Slots, tmp_path: Path) -> None:
    two = bundle_file(tmp_path, "2")
    install(slots, two)
    slots.confirm()
    slots.path("a").write_bytes(b"")
    assert running(slots) == "1"
    install(slots, two)  # it was the disk that failed, not the bundle
    assert running(slots) == "2"


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


def test_trust_on_a_device_changes_only_with_the_consent_of_its_roots(slots: Slots, tmp_path: Path) -> None:
    new, path = trust(2, root=role(ROOT2), release=role(RELEASE2)), tmp_path / "new.json"
    for signing in ((ROOT2,), (ROOT,), ()):
        path.write_bytes(trust_file(new, *signing))
        with pytest.raises(SignatureError):
            set_trust(slots, path)
    path.write_bytes(trust_file(new, ROOT, ROOT2))
    set_trust(slots, path)
    set_trust(slots, path)  # the same again
    assert running(slots) is None  # what the old key has signed is over
    install(slots, bundle_file(tmp_path, "3", RELEASE2))
    assert running(slots) == "3"
    with pytest.raises(SignatureError):
        set_trust(slots, tmp_path / "trust.json")  # the old one


def test_a_damaged_trust_file_trusts_nobody(slots: Slots, tmp_path: Path) -> None:
    slots.trust.write_bytes(b"damaged")
    assert slots.start() is None
    with pytest.raises(SignatureError):
        install(slots, bundle_file(tmp_path, "2"))


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
