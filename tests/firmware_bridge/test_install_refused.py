"""Bundles that a device does not take: whose, how old, for what, and whether they are whole."""

from pathlib import Path

import pytest

from edge_sdk.contract import Fits, Machine, SignatureError
from edge_sdk.errors import BundleError, EdgeError, ManifestError
from firmware_bridge.disk import Disk
from firmware_bridge.install import install, set_trust
from firmware_bridge.slots import Slots
from firmware_bridge.state import InstallError
from tests.edge_sdk.signing import DEV, RELEASE2, ROOT, ROOT2, STRANGER, role, trust, trust_file
from tests.firmware_bridge.devices import bundle_file, device, refused, running


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
