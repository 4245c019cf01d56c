"""`edge-sdk pack` and `inspect`."""

import json
from pathlib import Path

import pytest

from edge_sdk.cli import main
from edge_sdk.contract import manifest_from_json, read_bundle
from tests.edge_sdk.bundles import MODEL, bundle_bytes, manifest


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "small.tflite").write_bytes(MODEL)
    (tmp_path / "small.json").write_bytes(manifest().to_json())
    return tmp_path / "small.tflite"


def refused(capsys: pytest.CaptureFixture[str], *args: object) -> str:
    capsys.readouterr()
    assert main([str(arg) for arg in args]) == 1
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1
    return err


def test_pack_makes_the_bundle(model: Path, tmp_path: Path) -> None:
    assert (
        main(["pack", str(model), "--manifest", str(tmp_path / "small.json"), "--out", str(tmp_path / "a.edge")]) == 0
    )
    assert (tmp_path / "a.edge").read_bytes() == bundle_bytes()


def test_pack_names_and_grades(model: Path, tmp_path: Path) -> None:
    (tmp_path / "quality.json").write_text('{"si_sdr": 12.5, "set": "dev", "worst": [{"index": 3}]}')
    out = tmp_path / "new" / "a.edge"
    assert (
        main(["pack", str(model), "--out", str(out), "--name", "b-2", "--quality", str(tmp_path / "quality.json")]) == 0
    )
    m = read_bundle(out).manifest
    assert m == manifest(name="b-2", quality={"si_sdr": 12.5, "set": "dev"})


def test_pack_refuses_in_one_line(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.edge"
    command = ("pack", model, "--out", out)
    assert "No such file" in refused(capsys, "pack", tmp_path / "none.tflite", "--out", out)
    assert "No such file" in refused(capsys, *command, "--manifest", tmp_path / "none.json")
    assert "not packed (name 'A b'" in refused(capsys, *command, "--name", "A b")
    for text in ("[]", "{", '{"a": NaN}', '{"a": 1, "a": 2}'):
        (tmp_path / "quality.json").write_text(text)
        assert "not packed" in refused(capsys, *command, "--quality", tmp_path / "quality.json")
    model.with_suffix(".json").write_bytes(manifest(MODEL + b"x").to_json())
    assert "describes another model" in refused(capsys, *command)
    assert not out.exists()
    out.write_bytes(b"mine")
    assert "--force" in refused(capsys, *command)


def test_inspect_verifies_and_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.edge"
    path.write_bytes(bundle_bytes())
    assert main(["inspect", str(path), "--json"]) == 0
    shown = capsys.readouterr().out
    assert manifest_from_json(shown.encode()) == manifest()
    assert main(["inspect", str(path)]) == 0
    assert "sample_rate      16000\n" in capsys.readouterr().out
    path.write_bytes(bundle_bytes()[:-1] + b"!")
    assert "damaged" in refused(capsys, "inspect", path)
    assert json.loads(shown)["name"] == "small"
