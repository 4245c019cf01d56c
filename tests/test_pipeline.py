"""The whole way, by the commands a person types: train, export, quantize, evaluate, pack, run."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk.cli import main
from tests.models.recordings import RATE, voice, write_corpus, write_recipe


def run(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Standard output of a command that must succeed."""
    capsys.readouterr()
    status = main([str(word) for word in words])
    printed = capsys.readouterr()
    assert status == 0, printed.err
    return printed.out


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line with which a command is refused."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == 1
    message = capsys.readouterr().err
    assert message.startswith("edge-sdk: ")
    assert message.count("\n") == 1
    return message


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus, a trained network, its float32 model and its int8 model."""
    folder = tmp_path_factory.mktemp("pipeline")
    recipe, data = write_recipe(folder / "tiny.toml", steps=60), write_corpus(folder / "data")
    checkpoint, build = folder / "run/network.safetensors", folder / "build"
    int8 = ["--recipe", "dynamic_int8", "--checkpoint", checkpoint]
    for words in (
        ["train", recipe, "--data", data, "--run", folder / "run", "--cache", folder / "cache"],
        ["export", checkpoint, "--name", "tiny-float32", "--out", build],
        ["quantize", build / "tiny-float32.tflite", *int8, "--name", "tiny", "--out", build],
    ):
        assert main([str(word) for word in words]) == 0
    return folder


def test_scores_of_checkpoint_float_and_bundle_agree(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--set", made / "tiny.toml", "--data", made / "data", "--cache", made / "cache", "--json"]
    network = json.loads(run(capsys, "evaluate", made / "run/network.safetensors", *where))
    float32 = json.loads(run(capsys, "evaluate", made / "build/tiny-float32.tflite", *where))
    (made / "quality.json").write_text(run(capsys, "evaluate", made / "build/tiny.tflite", *where))
    run(
        capsys,
        *("pack", made / "build/tiny.tflite", "--manifest", made / "build/tiny.json"),
        *("--quality", made / "quality.json", "--out", made / "tiny.edge", "--force"),
    )
    bundle = json.loads(run(capsys, "evaluate", made / "tiny.edge", *where))
    assert network["mixtures"] == 3
    assert float32["si_sdr"] == pytest.approx(network["si_sdr"], abs=0.01)
    assert bundle["si_sdr"] == pytest.approx(network["si_sdr"], abs=0.5)
    assert bundle["si_sdr_mixture"] == network["si_sdr_mixture"]
    (made / "notes.md").write_text("A test.")
    (made / "page.md").write_text("before\n<!-- measured tiny: begin -->\nold\n<!-- measured tiny: end -->\nafter\n")
    words = ("card", made / "tiny.edge", "--notes", made / "notes.md", "--out", made / "card.md")
    run(capsys, *words, "--page", made / "page.md")
    megabytes = (made / "build/tiny.tflite").stat().st_size / 1e6
    for page in ("card.md", "page.md"):
        assert f"| dynamic_int8 | {megabytes:.2f} |" in (made / page).read_text()
    assert "old" not in (made / "page.md").read_text()


def test_a_bundle_runs_over_a_file(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "pack", made / "build/tiny.tflite", "--manifest", made / "build/tiny.json", "--out", made / "run.edge")
    soundfile.write(made / "in.wav", voice(1), RATE)
    run(capsys, "separate", "--model", made / "run.edge", made / "in.wav", "--out", made / "out")
    (written,) = (made / "out").glob("*.wav")
    samples, rate = soundfile.read(written)
    assert rate == RATE
    assert samples.shape == voice(1).shape
    assert np.isfinite(samples).all()


def test_a_quantized_model_of_another_checkpoint_is_refused_and_nothing_is_written(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=1)
    run(
        capsys, "train", recipe, "--data", made / "data", "--run", tmp_path / "run", "--cache", made / "cache", "--json"
    )
    words = ["quantize", made / "build/tiny-float32.tflite", "--recipe", "float16", "--name", "other"]
    message = refused(capsys, *words, "--checkpoint", tmp_path / "run/network.safetensors", "--out", tmp_path / "build")
    assert "dB from its network" in message
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "none.toml", "--data", "."], "none.toml: not a readable TOML file"),
        (["export", "none.safetensors", "--name", "x", "--out", "."], "no such checkpoint"),
        (
            ["quantize", "m.tflite", "--recipe", "float16", "--name", "x", "--checkpoint", "n", "--out", "."],
            "n: no such",
        ),
        (["evaluate", "none.tflite", "--set", "x.toml", "--data", "."], "none.tflite: no such file"),
        (["card", "none.edge", "--notes", "n", "--out", "c"], "none.edge: no such file"),
    ],
)
def test_missing_files_are_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, *words)
    assert not list(tmp_path.iterdir())


def test_impossible_options_are_one_line(made: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    checkpoint = made / "run/network.safetensors"
    assert "--name" in refused(capsys, "export", checkpoint, "--name", "Not a name", "--out", tmp_path)
    assert "--frames-per-step" in refused(
        capsys, "export", checkpoint, "--name", "x", "--out", tmp_path, "--frames-per-step", "0"
    )
    assert "--force" in refused(capsys, "export", checkpoint, "--name", "tiny-float32", "--out", made / "build")
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused(capsys, "export", checkpoint, "--name", "x", "--out", tmp_path / "file")
