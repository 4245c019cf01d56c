"""What can be compared with what, and under which names."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from edge_sdk.cli import main
from models.checkpoint import save_network
from models.tasnet import TasNet
from quantization.artifact import Artifact, read_artifact
from quantization.parity import on_record
from quantization.versions import labels, open_versions
from tests.conftest import small_network
from tests.quantization.networks import network


def test_a_checkpoint_is_compared_as_its_float32_export(
    trained: TasNet, exported: Artifact, folder: Path, tmp_path: Path
) -> None:
    save_network(tmp_path / "net.safetensors", trained, {})
    one, other = open_versions([str(tmp_path / "net.safetensors"), str(folder / "tiny.tflite")])
    assert one.artifact and other.artifact and one.artifact.model == other.artifact.model
    assert (one.label, one.recipe) == ("net", "float32")


def test_a_quantized_model_is_not_proved_by_the_gate_of_the_float_one(folder: Path) -> None:
    proved, bare = (read_artifact(folder / f"{name}.tflite") for name in ("dynamic_int8", "dynamic_int4"))
    parity = on_record(proved.manifest)
    assert parity and parity.floor_db == 30 and parity.model_db >= 30
    assert on_record(bare.manifest) is None
    damaged = replace(proved.manifest, provenance={"parity": {"model_db": "high"}})
    assert on_record(damaged) is None


def test_labels_are_as_short_as_tells_them_apart() -> None:
    assert labels(["a/x.tflite", "b/y.edge", "enhance-mono"]) == ["x", "y", "enhance-mono"]
    assert labels(["a/x.tflite", "b/x.tflite"]) == ["a/x", "b/x"]
    assert labels(["x.tflite", "x.edge"]) == ["x.tflite", "x.edge"]


def test_what_cannot_be_compared_is_one_line(
    words: list[str], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, first, *_ = words
    rest = ["--set", str(folder / "clips"), "--out", str(tmp_path / "out")]
    full, bad = tmp_path / "full", tmp_path / "bad.json"
    full.mkdir()
    (full / "something").touch()
    bad.write_text('{"layers": [1]}')
    two = str(folder / "dynamic_int8.tflite")
    pair = network(sources=2)
    save_network(tmp_path / "two.safetensors", pair, {})
    save_network(tmp_path / "array.safetensors", small_network("array"), {})
    pair.config = replace(pair.config, sources=2, sample_rate=8_000)
    save_network(tmp_path / "slow.safetensors", pair, {})
    for wrong, said in (
        ([first, *rest], r"1 version\(s\): expected 2 to 9, .* edge-sdk evaluate MODEL --report"),
        ([first, first, *rest], "is given twice"),
        ([first, str(tmp_path / "none.tflite"), *rest], "none.tflite: no such file"),
        ([first, "no-such", *rest], "unknown model 'no-such'"),
        ([first, str(tmp_path / "two.safetensors"), *rest], r"two.safetensors: 2 output\(s\), .*tiny.tflite: 1 output"),
        ([first, str(tmp_path / "slow.safetensors"), *rest], "slow.safetensors: 8000 Hz, .*tiny.tflite: 16000 Hz"),
        ([first, str(tmp_path / "array.safetensors"), *rest], "array.safetensors: architecture fasnet"),
        ([first, two, *rest, "--count", "0"], "--count 0: expected 1 or more"),
        ([first, two, *rest[:2], "--out", str(full)], "full: not empty; choose another --out or give --force"),
        ([first, two, *rest[:2], "--out", str(full / "something" / "x")], "cannot be written below"),
        ([first, two, *rest, "--set", str(tmp_path / "nowhere")], "nowhere"),
        ([first, two, *rest, "--layers", str(bad)], "bad.json: not what edge-sdk sensitivity --json writes"),
        ([first, two, *rest, "--layers", "none.json"], "none.json: cannot be read"),
        ([first, two, *rest, "--layers", "int7"], "unknown recipe 'int7'"),
        ([first, two, *rest, "--layers", "static_int8"], "fixed scales"),
        ([two, first, *rest, "--layers", "dynamic_int8"], "dynamic_int8 is dynamic_int8; give a float32 version first"),
    ):
        capsys.readouterr()
        assert main([command, *wrong]) == 1, wrong
        message = capsys.readouterr().err.strip().splitlines()[-1]
        assert message.startswith("edge-sdk: ") and re.search(said, message), message
    assert not (tmp_path / "out").exists()
