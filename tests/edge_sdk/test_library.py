"""A model is found by its path or its name, and a mistyped name is answered with the near ones."""

from pathlib import Path

import pytest

from edge_sdk.contract import read_bundle
from edge_sdk.errors import BundleError, EdgeError
from edge_sdk.library import find_model, shipped_models
from tests.edge_sdk.bundles import bundle_bytes


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    folder = tmp_path / "shipped"
    folder.mkdir()
    for name in ("enhance-mono", "enhance-mono-float32", "separate-two"):
        (folder / f"{name}.edge").write_bytes(bundle_bytes(name=name))
    return folder


def test_every_shipped_bundle_is_whole_and_carries_its_name() -> None:
    assert set(shipped_models()) >= {"enhance-mono", "enhance-mono-float32"}
    for name, path in shipped_models().items():
        m = read_bundle(path).manifest
        assert m.name == name and name.endswith("-float32") == (m.recipe == "float32")


def test_a_name_finds_its_bundle(shelf: Path) -> None:
    assert list(shipped_models(shelf)) == ["enhance-mono", "enhance-mono-float32", "separate-two"]
    assert read_bundle(find_model("enhance-mono", shelf)).manifest.name == "enhance-mono"


def test_a_file_of_that_name_wins(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("enhance-mono").write_bytes(bundle_bytes(name="mine"))
    assert read_bundle(find_model("enhance-mono", shelf)).manifest.name == "mine"
    assert find_model(shelf / "separate-two.edge", shelf) == shelf / "separate-two.edge"


@pytest.mark.parametrize("typed", ["enhance-mon", "enhance_mono", "Enhance-Mono", "enhancemono"])
def test_a_mistyped_name_gets_the_near_ones(shelf: Path, typed: str) -> None:
    with pytest.raises(EdgeError, match=r"unknown model .*did you mean enhance-mono") as caught:
        find_model(typed, shelf)
    assert "separate-two" in str(caught.value) and "\n" not in str(caught.value)


def test_a_name_like_no_other_gets_the_list(shelf: Path) -> None:
    with pytest.raises(EdgeError, match="shipped models: enhance-mono, enhance-mono-float32, separate-two"):
        find_model("xyzzy", shelf)


@pytest.mark.parametrize("path", ["no/such/file.edge", "missing.edge", "./enhance-mono"])
def test_a_missing_path_is_not_taken_for_a_name(shelf: Path, path: str) -> None:
    with pytest.raises(BundleError, match="no such file"):
        find_model(path, shelf)
