"""Packing is a pure function that the reader inverts, and packs only what belongs together."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_sdk.contract import read_bundle
from edge_sdk.errors import BundleError, ManifestError
from firmware_bridge.bundle import pack, write_bundle
from tests.edge_sdk.bundles import MODEL, manifest


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=500), name=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True))
def test_reading_inverts_packing(tmp_path: Path, body: bytes, name: str) -> None:
    model = b"\x1c\0\0\0TFL3" + body
    described = manifest(model, name=name)
    write_bundle(tmp_path / "a.edge", described, model)
    bundle = read_bundle(tmp_path / "a.edge")
    assert (bundle.manifest, bundle.model) == (described, model)


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    write_bundle(tmp_path / "a.edge", manifest(quality={"b": 1, "a": [2.5]}), MODEL)
    write_bundle(tmp_path / "b.edge", manifest(quality={"a": [2.5], "b": 1}), MODEL)
    assert (tmp_path / "a.edge").read_bytes() == (tmp_path / "b.edge").read_bytes()


@pytest.mark.parametrize("model", [MODEL[:-1] + b"x", MODEL + b"x", MODEL[:-1]])
def test_a_manifest_of_another_model_is_refused(model: bytes) -> None:
    with pytest.raises(ManifestError, match="describes another model"):
        pack(manifest(), model)


@pytest.mark.parametrize("model", [b"", b"TFL3", bytes(1000), b"PK\x03\x04" + bytes(100)])
def test_what_is_no_tflite_model_is_refused(model: bytes) -> None:
    with pytest.raises(BundleError, match="not a TFLite model"):
        pack(manifest(), model)


def test_a_manifest_too_large_for_its_envelope_is_refused() -> None:
    with pytest.raises(BundleError, match="at most"):
        pack(manifest(quality={"notes": "x" * 60_000}), MODEL)


def test_a_full_disk_leaves_nothing(full_disk: Path) -> None:
    model = MODEL + bytes(100_000)
    with pytest.raises(BundleError, match=r"No space left on device.*free space"):
        write_bundle(full_disk / "a.edge", manifest(model), model)
    assert not list(full_disk.iterdir())
