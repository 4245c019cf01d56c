"""`edge-sdk export --format`: other files than a .tflite, behind the same gate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_sdk.cli import main
from edge_sdk.contract import Bundle, manifest_from_json
from models.checkpoint import save_network
from quantization.artifact import Artifact
from tests.conftest import small_network


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_network(path, small_network("tiny"), {})
    return path


def test_onnx_is_written_with_its_manifest_and_parity(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    words = ["export", str(checkpoint), "--format", "onnx", "--name", "tiny", "--out", str(tmp_path / "out")]
    assert main([*words, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["tiny.onnx", "tiny.onnx.json"]
    manifest = manifest_from_json((tmp_path / "out" / "tiny.onnx.json").read_bytes())
    assert manifest.provenance["parity"] == printed["parity"] and printed["parity"]["model_db"] >= 80
    assert main(words) == 1
    assert "tiny.onnx exists; choose another --out or give --force" in capsys.readouterr().err


def test_c_source_is_what_the_gate_has_seen(
    checkpoint: Path, tiny: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quantization.export.export", lambda *_: Artifact(tiny.manifest, tiny.model))
    words = ["export", str(checkpoint), "--format", "c-array", "--name", "tiny", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert "tiny.c: float32" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["tiny.c", "tiny.h"]
    source = (tmp_path / "out" / "tiny.c").read_text()
    assert bytes(int(word.rstrip(","), 16) for word in source.split() if word.startswith("0x")) == tiny.model
    assert main(words) == 1
    assert "tiny.h exists" in capsys.readouterr().err


def test_onnx_in_another_precision_is_refused_before_the_work(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(checkpoint), "--format", "onnx", "--recipe", "float16", "--name", "x", "--out"]
    assert main([*words, str(tmp_path / "out")]) == 1
    assert "--format onnx is float32, --recipe float16 is for .tflite" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([*words[:2], "--format", "tosa", "--name", "x", "--out", str(tmp_path)])
