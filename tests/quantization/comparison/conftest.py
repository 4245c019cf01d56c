"""Three versions of a small network on a set, and the page that `edge-sdk report` writes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_sdk.cli import main
from models.tasnet import TasNet
from quantization.artifact import Artifact, write_artifact
from quantization.parity import check, recorded
from quantization.quantize import quantize
from tests.quantization.clips import write_clips
from tests.quantization.comparison import MIXTURES


@pytest.fixture(scope="session")
def folder(trained: TasNet, exported: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three versions of a small network, all but the last proved; a set, and losses of its layers as JSON."""
    path = tmp_path_factory.mktemp("versions")
    whole = recorded(exported, check(trained, exported))
    small, bare = (quantize(whole, recipe, recipe) for recipe in ("dynamic_int8", "dynamic_int4"))
    for artifact in (whole, recorded(small, check(trained, small)), bare):
        write_artifact(artifact, path)
    write_clips(path / "clips", MIXTURES, seconds=5.0)
    rows = [{"layer": f"<layer {n}>", "share": 0.1, "loss_db": n / 10, "worst_db": n / 5, "more": 0} for n in range(3)]
    (path / "layers.json").write_text(json.dumps({"layers": rows, "stream": []}))
    return path


@pytest.fixture(scope="session")
def words(folder: Path) -> list[str]:
    """What a person types, but for the folder of the page."""
    files = [folder / f"{name}.tflite" for name in ("tiny", "dynamic_int8", "dynamic_int4")]
    return ["report", *map(str, files), "--set", str(folder / "clips"), "--layers", str(folder / "layers.json")]


@pytest.fixture(scope="session")
def report(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `edge-sdk report` writes."""
    path = tmp_path_factory.mktemp("report") / "a" / "page"
    assert main([*words, "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def html(report: Path) -> str:
    return (report / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def found(report: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((report / "comparison.json").read_text())
    return data
