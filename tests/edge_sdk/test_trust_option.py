"""With `--trust` a command opens what trusted keys have signed, and nothing else, in one line."""

from pathlib import Path

import numpy as np
import pytest

from edge_sdk.audio.wav import write_wav
from edge_sdk.cli import main
from edge_sdk.contract import read_bundle
from edge_sdk.library import find_model
from firmware_bridge.bundle import write_bundle
from tests.edge_sdk.signing import DEV, RELEASE, ROOT, STRANGER, key, trust, trust_file

MODEL = "enhance-mono"


@pytest.fixture
def signed(tmp_path: Path) -> dict[str, Path]:
    """The same model, signed by different keys; and the trust file of a device."""
    bundle = read_bundle(find_model(MODEL))
    paths = {name: tmp_path / f"{name}.edge" for name in ("release", "dev", "stranger", "nobody")}
    for name, keys in (("release", [RELEASE]), ("dev", [DEV]), ("stranger", [STRANGER]), ("nobody", [])):
        write_bundle(paths[name], bundle.manifest, bundle.model, [key(number) for number in keys])
    paths["loose"] = tmp_path / "loose.tflite"
    paths["loose"].write_bytes(bundle.model)
    paths["trust"] = tmp_path / "trust.json"
    paths["trust"].write_bytes(trust_file(trust(), ROOT))
    return paths


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    x = 0.1 * np.random.default_rng(0).standard_normal((1, 1600))
    write_wav(tmp_path / "in.wav", x.astype(np.float32), 16_000)
    return tmp_path / "in.wav"


def command(name: str, model: Path | str, recording: Path, *options: object) -> list[str]:
    if name == "separate":
        words = ["separate", recording, "--model", model, "--out", recording.parent / "out", *options]
    else:
        places = ["--capture", recording, "--playback", recording.parent / "out.wav"]
        words = ["run", "--model", model, *places, "--quiet", "--priority", "0", *options]
    return [str(word) for word in words]


@pytest.mark.parametrize("name", ["separate", "run"])
@pytest.mark.parametrize(("who", "options"), [("release", []), ("dev", ["--unlocked"])])
def test_what_trusted_keys_signed_is_opened(
    signed: dict[str, Path], recording: Path, name: str, who: str, options: list[str]
) -> None:
    assert main(command(name, signed[who], recording, "--trust", signed["trust"], *options)) == 0


@pytest.mark.parametrize("name", ["separate", "run"])
@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("nobody", "0 of 0 signature(s) by keys that are trusted to release, expected 1"),
        ("stranger", "0 of 1 signature(s) by keys that are trusted to release, expected 1"),
        ("dev", "signed by a development key, and this device is not unlocked"),
        ("loose", "not an edge-sdk bundle"),
        (MODEL, "0 of 0 signature(s)"),  # what comes with the package is signed by nobody
    ],
)
def test_what_they_did_not_sign_is_refused(
    signed: dict[str, Path], recording: Path, capfd: pytest.CaptureFixture[str], name: str, who: str, said: str
) -> None:
    capfd.readouterr()
    assert main(command(name, signed.get(who, who), recording, "--trust", signed["trust"])) == 1
    shown = capfd.readouterr().err
    assert said in shown and shown.count("\n") == 1
    assert not (recording.parent / "out").exists() and not (recording.parent / "out.wav").exists()


def test_every_model_of_a_stream_is_asked_for_its_signatures(
    signed: dict[str, Path], recording: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ["--trust", signed["trust"], "--smaller", signed["nobody"]]
    capfd.readouterr()
    assert main(command("run", signed["release"], recording, *options)) == 1
    assert "nobody.edge: 0 of 0 signature(s)" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["separate", "run"])
def test_a_trust_file_that_cannot_be_used_is_refused(
    signed: dict[str, Path], recording: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    forged = recording.parent / "forged.json"
    forged.write_bytes(trust_file(trust(), STRANGER))
    for options, said in (
        (["--trust", "/nowhere.json"], "/nowhere.json: cannot be read"),
        (["--trust", recording], "not a trust file"),
        (["--trust", forged], "signed by 0 of the root keys"),
        (["--unlocked"], "say which with --trust"),
    ):
        capfd.readouterr()
        assert main(command(name, signed["release"], recording, *options)) == 1
        shown = capfd.readouterr().err
        assert said in shown and shown.count("\n") == 1


@pytest.mark.parametrize("who", ["release", "dev", "stranger", "nobody", "loose"])
@pytest.mark.parametrize("options", [[], ["--unlocked"]])
def test_the_options_mean_what_they_mean_to_verify(
    signed: dict[str, Path], recording: Path, capfd: pytest.CaptureFixture[str], who: str, options: list[str]
) -> None:
    """The same exit status, and the same line, by two ways of checking Ed25519."""
    options = ["--trust", str(signed["trust"]), *options]
    capfd.readouterr()
    verified = main(["verify", str(signed[who]), *options]), capfd.readouterr().err
    separated = main(command("separate", signed[who], recording, *options)), capfd.readouterr().err
    assert separated[0] == verified[0] and (not verified[0] or separated[1] == verified[1])
