"""What a disk has damaged since: slots and states that are made good again, or not believed."""

from pathlib import Path

import pytest

from firmware_bridge.install import install
from firmware_bridge.slots import MAX_TRIES, Slots
from firmware_bridge.state import InstallError
from tests.firmware_bridge.devices import bundle_file, running


def test_the_same_bundle_repairs_a_slot_that_the_disk_has_damaged(slots: Slots, tmp_path: Path) -> None:
    slots.path("b").write_bytes(b"damaged")  # where version 1 is
    assert running(slots) is None
    install(slots, bundle_file(tmp_path, "1"))
    assert running(slots) == "1"


def test_a_damaged_active_slot_falls_back_to_the_other(slots: Slots, tmp_path: Path) -> None:
    two = bundle_file(tmp_path, "2")
    install(slots, two)
    slots.confirm()
    slots.path("a").write_bytes(b"")
    assert running(slots) == "1"
    install(slots, two)  # it was the disk that failed, not the bundle
    assert running(slots) == "2"


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
