"""Images for SWUpdate, with SWUpdate itself: made, tampered with, refused, installed, rolled back."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_sdk.cli import main
from edge_sdk.contract import Fits, to_plain
from firmware_bridge.boards import BoardError, load_board
from firmware_bridge.fleet import FleetKeys
from firmware_bridge.health import Reading
from firmware_bridge.slots import Slots
from firmware_bridge.swupdate import cms_signature, cpio, description
from tests.edge_sdk.signing import RELEASE, STRANGER
from tests.firmware_bridge import devices
from tests.firmware_bridge.devices import device, running
from tests.firmware_bridge.rauc_device import Authority, authority
from tests.firmware_bridge.swupdate_device import WEIGHTS, SwupdateDevice, board_file, needs_swupdate
from tests.firmware_bridge.test_health import clean, reading

SICK = [*clean(3), reading(4.0, fallbacks={"late": 0, "bad": 3, "dead": 0})]


def bundle_file(folder: Path, version: str, signer: int | None = RELEASE, **about: Any) -> Path:
    """One of the size of a real one."""
    return devices.bundle_file(folder, version, signer, weights=WEIGHTS, **about)


def reports(readings: list[Reading]) -> str:
    return "".join(json.dumps({"stream": to_plain(each)}) + "\n" for each in readings)


@pytest.fixture
def keys(tmp_path: Path) -> Authority:
    return authority(tmp_path / "keys")


@pytest.fixture
def board(tmp_path: Path, keys: Authority) -> SwupdateDevice:
    """A device that runs version 1 and hears that all is well."""
    needs_swupdate()
    return SwupdateDevice(tmp_path / "swupdate", keys, Slots(device(tmp_path, "1")), reports(clean()))


def packed(board: SwupdateDevice, keys: Authority, bundle: Path) -> Path:
    """An image for such devices, as NAME.swu beside the bundle."""
    out, kind = bundle.with_suffix(".swu"), board_file(bundle.parent, board.slots)
    words = ["pack", bundle, "--format", "swupdate", "--board-type", kind, "--out", out]
    assert main([str(word) for word in (*words, "--fleet-cert", keys.signer, "--fleet-key", keys.key)]) == 0
    return out


def members(image: Path) -> list[tuple[str, bytes]]:
    """The files of an archive that `cpio` made."""
    data, at, found = image.read_bytes(), 0, []
    while True:
        size, length = int(data[at + 54 : at + 62], 16), int(data[at + 94 : at + 102], 16)
        name = data[at + 110 : at + 110 + length - 1].decode()
        if name == "TRAILER!!!":
            return found
        start = at + (110 + length + 3) // 4 * 4
        found.append((name, data[start : start + size]))
        at = start + (size + 3) // 4 * 4


def test_swupdate_installs_a_copy_and_what_sounds_well_is_kept(
    tmp_path: Path, board: SwupdateDevice, keys: Authority
) -> None:
    two = bundle_file(tmp_path, "2", security_epoch=3)
    done = board.update(packed(board, keys, two), "b")
    assert done.succeeded, done.said
    assert board.copies() == {"b.edge": two.read_bytes()}
    assert board.slots.state().confirmed and board.slots.state().floor == 3 and running(board.slots) == "2"


def test_what_sounds_bad_is_rolled_back_and_swupdate_says_that_it_failed(
    tmp_path: Path, board: SwupdateDevice, keys: Authority
) -> None:
    (board.folder / "reports.jsonl").write_text(reports(SICK))
    image = packed(board, keys, bundle_file(tmp_path, "2"))
    assert not board.update(image, "b").succeeded
    assert len(board.slots.state().quarantine) == 1 and running(board.slots) == "1"
    (board.folder / "reports.jsonl").write_text(reports(clean()))
    assert not board.update(image, "b").succeeded, "it is in quarantine"
    assert running(board.slots) == "1"


@pytest.mark.parametrize("what", ["model.edge", "update.sh", "sw-description", "signer"])
def test_an_image_that_was_tampered_with_is_refused_before_anything_is_written(
    tmp_path: Path, board: SwupdateDevice, keys: Authority, what: str
) -> None:
    """With sums of the archive that are right again, so that the signature and the hashes in it alone stand against."""
    image, changed = packed(board, keys, bundle_file(tmp_path, "2")), []
    for name, data in members(image):
        if name == what:
            data = data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]
        if name == "sw-description.sig" and what == "signer":
            stranger = authority(tmp_path / "strangers")
            data = cms_signature(
                dict(members(image))["sw-description"], FleetKeys(str(stranger.signer), str(stranger.key))
            )
        changed.append((name, data))
    assert changed != members(image)
    image.write_bytes(cpio(changed))
    assert not board.update(image, "b").succeeded
    assert board.copies() == {} and not (board.folder / "updated").exists()
    assert board.slots.state().confirmed and running(board.slots) == "1"


def test_another_board_and_an_older_version_are_refused(tmp_path: Path, board: SwupdateDevice, keys: Authority) -> None:
    image = packed(board, keys, bundle_file(tmp_path, "1.9.2"))
    other = board.update(image, "b", board="jetson-nano")
    assert not other.succeeded and "not compatible with hardware" in other.said
    older = board.update(image, "b", "-N", "1.10.0")
    assert not older.succeeded and "No downgrading" in older.said
    assert board.copies() == {} and running(board.slots) == "1"
    assert board.update(image, "a", "-N", "1.9.1").succeeded
    assert list(board.copies()) == ["a.edge"]
    assert running(board.slots) == "1.9.2"


def test_what_swupdate_takes_and_edge_sdk_does_not_trust_is_not_run(
    tmp_path: Path, board: SwupdateDevice, keys: Authority
) -> None:
    image = packed(board, keys, bundle_file(tmp_path, "2", STRANGER))
    assert not board.update(image, "b").succeeded
    assert (board.folder / "updated").exists() and running(board.slots) == "1"


def test_the_same_bundle_gives_the_same_image_but_for_its_signature(
    tmp_path: Path, board: SwupdateDevice, keys: Authority
) -> None:
    two = bundle_file(tmp_path, "2")
    once = members(packed(board, keys, two))
    two.with_suffix(".swu").unlink()
    again = members(packed(board, keys, two))
    names = [name for name, _ in once]
    assert names == ["sw-description", "sw-description.sig", "update.sh", "model.edge"]
    assert [each for each in once if each[0] != names[1]] == [each for each in again if each[0] != names[1]]


def test_openssl_takes_the_signature(tmp_path: Path, keys: Authority) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl (apt install openssl)")
    text, signature = tmp_path / "text", tmp_path / "text.sig"
    text.write_bytes(b"line one\nline two\r\n\0")
    signature.write_bytes(cms_signature(text.read_bytes(), FleetKeys(str(keys.signer), str(keys.key))))
    words = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", signature, "-content", text]
    done = subprocess.run([*map(str, words), "-CAfile", str(keys.root)], capture_output=True, check=False)
    assert done.returncode == 0 and done.stdout == text.read_bytes()


def test_a_folder_that_a_shell_would_take_for_something_else_is_refused(tmp_path: Path) -> None:
    board = replace(load_board("raspberry-pi-4"), slots="/var/lib/x; reboot")
    with pytest.raises(BoardError, match="letters, digits"):
        description(board, "small", "1", b"", b"")


def test_pack_refuses_in_one_line(tmp_path: Path, keys: Authority, capsys: pytest.CaptureFixture[str]) -> None:
    out, others = tmp_path / "x.swu", authority(tmp_path / "others")

    def refused(bundle: Path, signer: Path = keys.signer, key: Path = keys.key) -> str:
        words = ["pack", bundle, "--format", "swupdate", "--board-type", "raspberry-pi-4", "--out", out]
        assert main([str(word) for word in (*words, "--fleet-cert", signer, "--fleet-key", key)]) == 1
        shown, said = capsys.readouterr()
        assert not shown and said.count("\n") == 1 and not out.exists()
        return said

    two = bundle_file(tmp_path, "2")
    assert "not signed" in refused(bundle_file(tmp_path, "3", None))
    assert "made for processor riscv64" in refused(bundle_file(tmp_path, "4", fits=(Fits(cpus=("riscv64",)),)))
    assert "'nightly' is none that SWUpdate can order" in refused(bundle_file(tmp_path, "nightly"))
    assert "belongs to another private key" in refused(two, key=others.key)
    assert "cannot sign" in refused(two, signer=keys.key)
    assert "cannot be read" in refused(two, signer=tmp_path / "none")
    assert "cannot be read" in refused(two, key=tmp_path / "none")
    keys.key.chmod(0o644)
    assert "others can read this private key" in refused(two)
    others.key.write_text("no key")
    assert "not a private key in PEM" in refused(two, key=others.key)
