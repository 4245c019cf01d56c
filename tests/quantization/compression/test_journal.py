"""The journal: whatever happened, what it holds was measured, and nothing of it is measured again."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk.errors import EdgeError
from quantization.compression.journal import FILE, Journal

IDENTITY = {"set": "abc", "frames per step": 1}
NAMES = [f"candidate {number}" for number in range(5)]


def filled(folder: Path) -> Path:
    """A journal of all names, each with its length and number."""
    with Journal(folder, IDENTITY) as journal:
        for number, name in enumerate(NAMES):
            journal.remember(name, lambda name=name, number=number: {"loss_db": number / 7, "label": name})
        assert journal.count == len(NAMES)
    return folder / FILE


def never() -> None:
    raise AssertionError("measured again")


def test_what_was_found_is_found_again(tmp_path: Path) -> None:
    filled(tmp_path)
    with Journal(tmp_path, IDENTITY) as journal:
        for number, name in enumerate(NAMES):
            assert journal.remember(name, never) == {"loss_db": number / 7, "label": name}


@settings(deadline=None, max_examples=40)  # every line waits for the disk
@given(st.data())
def test_a_crash_at_any_byte_loses_no_more_than_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = filled(tmp_path_factory.mktemp("journal"))
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    with Journal(path.parent, IDENTITY) as journal:
        assert journal.count == max(0, whole[:cut].count(b"\n") - 1)
        for number, name in enumerate(NAMES):
            journal.remember(name, lambda name=name, number=number: {"loss_db": number / 7, "label": name})
    assert path.read_bytes() == whole


def test_a_line_broken_in_the_middle_is_named(tmp_path: Path) -> None:
    path = filled(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    for broken in (b"{\n", b"[1]\n", b'{"of":3,"found":1}\n', b'{"of":"x"}\n', b"\xff\n", b"\n"):
        path.write_bytes(b"".join([*lines[:2], broken, *lines[3:]]))
        with pytest.raises(EdgeError, match=r"search\.jsonl, line 3: not readable"):
            Journal(tmp_path, IDENTITY)


def test_the_folder_of_another_search_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path)
    before = path.read_bytes()
    with pytest.raises(EdgeError, match="is of another set; bring it back, or choose another --out"):
        Journal(tmp_path, {**IDENTITY, "set": "xyz"})
    with pytest.raises(EdgeError, match="another frames per step and set; bring them back"):
        Journal(tmp_path, {"set": None, "frames per step": 2})
    assert path.read_bytes() == before
    path.write_bytes(before.split(b"\n", 1)[1])
    with pytest.raises(EdgeError, match="does not begin with the identity of a search"):
        Journal(tmp_path, IDENTITY)


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(EdgeError, match="holds files, and none is the search.jsonl"):
        Journal(tmp_path, IDENTITY)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_two_searches_in_one_folder_do_not_mix(tmp_path: Path) -> None:
    with (
        Journal(tmp_path, IDENTITY),
        pytest.raises(EdgeError, match="another search works here"),
    ):
        Journal(tmp_path, IDENTITY)
    with Journal(tmp_path, IDENTITY) as journal:
        assert journal.count == 0
