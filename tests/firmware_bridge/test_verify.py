"""`edge-sdk verify` says what machines a bundle is for, chosen by options and not by the machine it runs on."""

import json
import platform
from pathlib import Path

import pytest

from edge_sdk.cli import main
from edge_sdk.contract import Fits
from firmware_bridge.bundle import Packed, pack_release
from tests.edge_sdk.bundles import MODEL, bundle_bytes, manifest
from tests.edge_sdk.signing import RELEASE, ROOT, key, trust, trust_file

WIDE = Fits(cpus=("aarch64", "x86_64"), runtimes=("ai-edge-litert",))
OLD = Fits(cpus=("armv7l",), runtimes=("tflite-runtime",))
ANY = Fits()


@pytest.fixture
def release(tmp_path: Path) -> list[str]:
    """Words of a command about a signed bundle of three variants."""
    variants = [
        Packed(name, manifest(MODEL + name.encode()), MODEL + name.encode(), fits)
        for name, fits in (("int8", WIDE), ("old", OLD), ("any", ANY))
    ]
    (tmp_path / "m.edge").write_bytes(pack_release("small", "1", variants, [key(RELEASE)]))
    (tmp_path / "trust.json").write_bytes(trust_file(trust(), ROOT))
    return ["verify", str(tmp_path / "m.edge"), "--trust", str(tmp_path / "trust.json")]


@pytest.mark.parametrize(
    ("options", "runs"),
    [
        ([], "int8"),
        (["--cpu", "armv7l"], "old"),
        (["--cpu", "armv7l", "--runtime", "tflite-runtime"], "old"),
        (["--cpu", "armv7l", "--runtime", "ai-edge-litert"], "any"),
        (["--cpu", "aarch64", "--runtime", "ai-edge-litert"], "int8"),
        (["--runtime", "tensorflow"], "any"),
        (["--board-type", "generic-armv7"], "old"),
        (["--board-type", "generic-armv7", "--cpu", "aarch64"], "any"),
    ],
)
@pytest.mark.parametrize("here", ["x86_64", "armv7l", "riscv64"])
def test_the_variant_of_that_machine_is_named_whatever_this_one_is(
    release: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    runs: str,
    here: str,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: here)
    assert main([*release, *options, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["runs"] == runs and said["variants"] == ["int8", "old", "any"] and said["role"] == "release"
    assert said["fits"]["old"] == {"cpus": ["armv7l"], "arrays": [], "runtimes": ["tflite-runtime"]}


def test_a_line_for_each_variant_says_why_or_why_not(release: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*release, "--cpu", "armv7l", "--runtime", "tflite-runtime"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.endswith("small 1, signed by a release key")
    assert [row.split(":", 1)[1].strip() for row in rows] == [
        "no: made for processor aarch64 or x86_64, not for armv7l",
        "runs",
        "fits, but one before it does too",
    ]
    assert "old              for processor armv7l; runtime tflite-runtime" in rows[1] and "any machine" in rows[2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--cpu", "riscv64"], "made for processor armv7l, not for riscv64"),
        (["--cpu", "armv7l", "--runtime", "ai-edge-litert"], "made for runtime tflite-runtime, not for ai-edge-litert"),
        (["--board-type", "nothing-known"], "unknown board"),
    ],
)
def test_where_nothing_fits_it_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    path = tmp_path / "old.edge"
    path.write_bytes(pack_release("small", "1", [Packed("old", manifest(MODEL), MODEL, OLD)]))
    assert main(["verify", str(path), "--allow-unsigned", *options]) == 1
    shown = capsys.readouterr().err
    assert said in shown and shown.count("\n") == 1


def test_a_bundle_of_one_model_is_for_every_processor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "one.edge"
    path.write_bytes(bundle_bytes(array="respeaker-4mic"))
    words = ["verify", str(path), "--allow-unsigned"]
    assert main([*words, "--cpu", "riscv64", "--array", "respeaker-4mic", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["runs"] is None and said["fits"] == {}
    assert main([*words, "--cpu", "riscv64"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["  one variant, for array respeaker-4mic"]
    path.write_bytes(bundle_bytes())
    assert main([*words, "--runtime", "tensorflow"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["  one variant, for any machine"]
    path.write_bytes(bundle_bytes(array="respeaker-4mic"))
    assert main([*words, "--array", "hearing-aid-pair"]) == 1
    assert "made for array respeaker-4mic, not for hearing-aid-pair" in capsys.readouterr().err
