"""Files that belong together are written all or none, and an error names the one that was asked for."""

from pathlib import Path

import pytest

from edge_sdk.contract import write_files


def test_all_are_written(tmp_path: Path) -> None:
    files = {tmp_path / "new" / "a": b"1", tmp_path / "b": b"2"}
    write_files(files)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == files


def test_a_folder_in_the_way_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        write_files({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    assert caught.value.filename == str(tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_full_disk_is_named_by_the_file_and_leaves_nothing(full_disk: Path) -> None:
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_files({full_disk / "a": b"1", full_disk / "b": bytes(10**5)})
    assert caught.value.filename in {str(full_disk / "a"), str(full_disk / "b")}
    assert not list(full_disk.iterdir())
