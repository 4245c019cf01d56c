"""A card in a reader: what is installed there is what the board would have installed."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_sdk.cli import main
from firmware_bridge.disk import Disk
from firmware_bridge.install import install as install_here
from firmware_bridge.slots import Slots
from firmware_bridge.state import InstallError
from firmware_bridge.transports import TransportError, open_board
from tests.edge_sdk.signing import ROOT, trust, trust_file
from tests.firmware_bridge.devices import bundle_file, running
from tests.firmware_bridge.mounts import remount, small_disk
from tests.firmware_bridge.transports.installs import check_commands

SLOTS = "var/lib/edge-sdk"


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "card") as mount:
        (mount / SLOTS).mkdir(parents=True)
        yield mount


def install(tmp_path: Path, card: Path, version: str) -> int:
    (tmp_path / "trust.json").write_bytes(trust_file(trust(), ROOT))
    words = [
        "install",
        bundle_file(tmp_path, version),
        "--trust",
        tmp_path / "trust.json",
        "--no-trial",
        "--board",
        card,
    ]
    return main([str(word) for word in words])


def test_commands_on_a_card_say_and_do_what_they_do_on_the_board(
    tmp_path: Path, card: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    check_commands(str(card), tmp_path, capfd, slots=f"/{SLOTS}")
    assert running(Slots(card / SLOTS)) == "1"


def test_without_slots_given_they_are_those_of_a_board_below_the_mount_point(tmp_path: Path, card: Path) -> None:
    assert install(tmp_path, card, "1") == 0
    assert running(Slots(card / SLOTS)) == "1"


def test_what_root_writes_belongs_to_the_owner_of_the_slots(tmp_path: Path, card: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(card / SLOTS, 999, 998)
    assert install(tmp_path, card, "1") == 0
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in (card / SLOTS).iterdir()}
    assert owners == {(999, 998)}


def test_a_folder_where_nothing_is_mounted_is_no_card(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="nothing is mounted there"):
        open_board(str(tmp_path))
    with pytest.raises(TransportError, match="nothing is mounted there"):
        open_board(str(tmp_path / "none"))


def test_a_card_that_cannot_be_written_is_refused(card: Path) -> None:
    remount(card, "ro")
    with pytest.raises(TransportError, match="lock switch"):
        open_board(str(card))


def test_links_on_a_card_lead_nowhere_else(tmp_path: Path, card: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (card / SLOTS).rmdir()
    (tmp_path / "ours").mkdir()
    (card / SLOTS).symlink_to(tmp_path / "ours")
    assert install(tmp_path, card, "1") == 1
    assert "leads off the card" in capsys.readouterr().err
    assert not list((tmp_path / "ours").iterdir())


def test_a_card_that_is_taken_out_meanwhile_is_said_in_one_line(
    tmp_path: Path, card: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    board = open_board(str(card))
    there = board.at(f"/{SLOTS}")
    subprocess.run(["umount", "--lazy", str(card)], check=True)
    with pytest.raises(TransportError, match="the card was taken out"):
        board.run(["edge-sdk", "status", f"--slots={there}"])
    assert install(tmp_path, card, "1") == 1
    assert "nothing is mounted there" in (err := capfd.readouterr().err) and err.count("\n") == 1


class VanishingDisk(Disk):
    """Taken out when the first bytes of a bundle have been written."""

    def append(self, path: Path, data: bytes) -> None:
        super().append(path, data)
        if path.suffix == ".edge":
            path.parent.rename(path.parent.with_name("away"))


def test_a_card_that_vanishes_while_it_is_written_still_runs_the_old_bundle(tmp_path: Path, card: Path) -> None:
    assert install(tmp_path, card, "1") == 0
    assert main(["confirm", "--board", str(card)]) == 0
    with pytest.raises(InstallError, match="cannot be written .No such file"):
        install_here(Slots(card / SLOTS, VanishingDisk()), bundle_file(tmp_path, "2"))
    (card / SLOTS).with_name("away").rename(card / SLOTS)
    assert running(Slots(card / SLOTS)) == "1"
