"""`edge-sdk pack` and `inspect`."""

import json
from pathlib import Path

import pytest

from edge_sdk.cli import main
from edge_sdk.contract import Machine, canonical_json, manifest_from_json, read_bundle
from edge_sdk.errors import ManifestError
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
    assert manifest_from_json(canonical_json(json.loads(shown)["manifest"])) == manifest()
    assert main(["inspect", str(path)]) == 0
    assert "sample_rate      16000\n" in capsys.readouterr().out
    path.write_bytes(bundle_bytes()[:-1] + b"!")
    assert "damaged" in refused(capsys, "inspect", path)
    assert json.loads(shown)["signatures"] == []


RELEASE = """
name = "small"
version = "2.0"
security_epoch = 3
created = 2026-11-21T00:00:00Z
expires = 2028-11-21T00:00:00Z

[[variants]]
name = "float32"
model = "small.tflite"
cpus = ["aarch64"]
"""


def test_pack_takes_a_file_of_variants(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small.toml").write_text(RELEASE)
    out = tmp_path / "a.edge"
    assert main(["pack", str(tmp_path / "small.toml"), "--out", str(out)]) == 0
    release = read_bundle(out, machine=Machine("aarch64")).release
    assert release is not None and (release.security_epoch, release.version) == (3, "2.0")
    assert (release.created, release.expires) == (1795219200, 1858377600)
    assert main(["inspect", str(out)]) == 0
    assert "float32.tflite" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("listed", "arrays"), [("", ("respeaker-4mic",)), ('arrays = ["respeaker-2mic"]\n', ("respeaker-2mic",))]
)
def test_a_variant_is_for_the_microphones_of_its_manifest_unless_others_are_listed(
    model: Path, tmp_path: Path, listed: str, arrays: tuple[str, ...]
) -> None:
    model.with_suffix(".json").write_bytes(manifest(array="respeaker-4mic").to_json())
    (tmp_path / "small.toml").write_text(RELEASE + listed)
    out = tmp_path / "a.edge"
    assert main(["pack", str(tmp_path / "small.toml"), "--out", str(out)]) == 0
    release = read_bundle(out, machine=Machine("aarch64", arrays[0])).release
    assert release is not None and release.variants[0].fits.arrays == arrays
    with pytest.raises(ManifestError, match="not for respeaker-core-v2"):
        read_bundle(out, machine=Machine("aarch64", "respeaker-core-v2"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "not packed"),
        (RELEASE.replace("small.tflite", "none.tflite"), "No such file"),
        (RELEASE.replace("cpus", "cpu"), "has no cpu"),
        (RELEASE.replace("2028", "1999"), "created"),
        (RELEASE.replace('"float32"', '"../x"'), "not packed"),
        (RELEASE.replace("security_epoch = 3", "security_epoch = -1"), "not packed"),
    ],
)
def test_a_wrong_file_of_variants_is_refused_in_one_line(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (tmp_path / "small.toml").write_text(text)
    assert said in refused(capsys, "pack", tmp_path / "small.toml", "--out", tmp_path / "a.edge")
