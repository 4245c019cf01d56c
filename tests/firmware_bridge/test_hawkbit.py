"""Folders to upload to hawkBit."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from edge_sdk.cli import main
from firmware_bridge.boards import load_board
from firmware_bridge.hawkbit import UploadError, write_upload
from tests.firmware_bridge.devices import bundle_file
from tests.firmware_bridge.rauc_device import authority

BOARD = "raspberry-pi-4"


def pack(tmp_path: Path, bundle: Path, *options: object) -> int:
    keys, out = authority(tmp_path / "keys"), bundle.with_suffix(".swu")
    words = ["pack", bundle, "--format", "swupdate", "--board-type", BOARD, "--out", out, "--hawkbit", tmp_path / "up"]
    words += ["--fleet-cert", keys.signer, "--fleet-key", keys.key, *options]
    return main([str(word) for word in words])


def said(folder: Path) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def test_a_folder_holds_the_update_and_its_true_sums(tmp_path: Path) -> None:
    two = bundle_file(tmp_path, "2", security_epoch=3)
    assert pack(tmp_path, two) == 0
    folder, update = tmp_path / "up", two.with_suffix(".swu").read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["2.swu", "artifact.json", "module.json", "set.json"]
    assert (folder / "2.swu").read_bytes() == update
    files = said(folder)
    assert files["artifact"] == {
        "filename": "2.swu",
        "size": len(update),
        "md5sum": hashlib.md5(update).hexdigest(),
        "sha1sum": hashlib.sha1(update).hexdigest(),
        "sha256sum": hashlib.sha256(update).hexdigest(),
    }
    for body in (files["module"], files["set"]):
        assert [(each["name"], each["version"]) for each in body] == [(f"small on {BOARD}", "2")]
        assert "security epoch 3" in body[0]["description"]


def test_the_same_model_for_two_boards_is_two_modules(tmp_path: Path) -> None:
    two, update = bundle_file(tmp_path, "2"), tmp_path / "2.raucb"
    update.write_bytes(b"what RAUC takes")
    names = set()
    for board in ("raspberry-pi-4", "jetson-nano"):
        write_upload(tmp_path / board, update, two, load_board(board))
        names.add(said(tmp_path / board)["module"][0]["name"])
    assert len(names) == 2


def test_a_folder_that_is_there_is_replaced_only_with_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = bundle_file(tmp_path, "2")
    (tmp_path / "up").mkdir()
    assert pack(tmp_path, two) == 1
    shown = capsys.readouterr().err
    assert "up exists" in shown and shown.count("\n") == 1 and not two.with_suffix(".swu").exists()
    assert pack(tmp_path, two, "--force") == 0
    assert said(tmp_path / "up")["artifact"]["filename"] == "2.swu"


def test_what_hawkbit_or_its_clients_would_not_take_is_refused(tmp_path: Path) -> None:
    two, board = bundle_file(tmp_path, "2"), load_board(BOARD)
    with pytest.raises(UploadError, match=r"ends in \.raucb or \.swu"):
        write_upload(tmp_path / "up", two, two, board)
    long, update = bundle_file(tmp_path, "1" * 65), tmp_path / "2.raucb"
    update.write_bytes(b"what RAUC takes")
    with pytest.raises(UploadError, match="at most 64 characters"):
        write_upload(tmp_path / "up", update, long, board)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(UploadError, match="file exists"):
        write_upload(tmp_path / "file", update, two, board, force=True)
    with pytest.raises(UploadError, match="cannot be written"):
        write_upload(tmp_path / "file" / "up", update, two, board)
    assert not (tmp_path / "up").exists()
