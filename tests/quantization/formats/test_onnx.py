"""An ONNX step computes what its network computes along a stream, under the names of the manifest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk import Separator
from edge_sdk.contract import Bundle, manifest_from_json
from edge_sdk.errors import BackendError, EdgeError, ParityError
from models.tasnet import TasNet
from quantization.artifact import Artifact
from quantization.formats import onnx
from tests.conftest import KINDS, small_network

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


Models = Callable[[str], Artifact]


@pytest.fixture(scope="module")
def models() -> Models:
    """A context and one memory; running means and three frames a step; four microphones and filters."""
    return lru_cache(lambda kind: onnx.export(small_network(kind), kind, KINDS[kind][3]))


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a second of the one that comes along: the gate runs the network block by block too, which takes its time."""
    with as_file(files("quantization") / "assets" / "mixture.flac") as shipped:
        samples, rate = soundfile.read(shipped)
    path = tmp_path_factory.mktemp("mixture") / "short.wav"
    soundfile.write(path, samples[rate : rate + rate // 2], rate)
    return path


@pytest.mark.parametrize("kind", ["carry", "tiny", pytest.param("array", marks=pytest.mark.slow)])
def test_the_model_is_its_network_on_a_mixture(models: Models, kind: str, mixture: Path) -> None:
    network = small_network(kind)
    parity = onnx.check(network, models(kind), mixture if network.mics == 1 else None)
    assert parity.model_db >= 80 and parity.step_db >= 100
    assert parity.floor_db == 80


def test_inputs_outputs_and_manifest_are_those_of_the_tflite(models: Models, carry: Bundle) -> None:
    about = {"size": 1, "sha256": "0" * 64}
    assert replace(models("carry").manifest, **about) == replace(carry.manifest, **about)


def test_onnxruntime_and_litert_give_the_same_sources(models: Models, carry: Bundle) -> None:
    x = (0.1 * np.random.default_rng(2).standard_normal((1, 8_000))).astype(np.float32)
    m = models("carry").manifest
    ours = onnx.separate(m, onnx.OnnxStep(m, models("carry").model), x)
    np.testing.assert_allclose(ours, Separator(carry).separate(x), rtol=0, atol=1e-5)  # float32 in another order


def test_the_gate_refuses_corrupted_weights(models: Models, mixture: Path) -> None:
    network = small_network("tiny")
    assert isinstance(network, TasNet)
    weight = network.separator.blocks[1].project.weight.detach().numpy()
    at = models("tiny").model.index(weight[3].tobytes())
    corrupted = models("tiny").model[:at] + weight[4].tobytes() + models("tiny").model[at + weight[4].nbytes :]
    with pytest.raises(ParityError, match="at least 80 dB expected"):
        onnx.check(network, models("tiny").with_model(corrupted, "float32", "mutant"), mixture)


def test_nothing_of_the_converting_machine_is_in_the_file(models: Models) -> None:
    weights = sum(4 * p.numel() for p in small_network("tiny").parameters())
    assert b".py" not in models("tiny").model
    assert len(models("tiny").model) < 3 * weights


def test_a_model_that_is_none_or_another_is_one_line(models: Models) -> None:
    with pytest.raises(BackendError, match="onnxruntime refuses tiny"):
        onnx.OnnxStep(models("tiny").manifest, b"ONNX")
    with pytest.raises(BackendError, match="are not what its manifest says"):
        onnx.OnnxStep(models("tiny").manifest, models("carry").model)


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(EdgeError, match=r"ONNX needs onnxscript .* pip install 'edge-sdk\[export,onnx\]'"):
        onnx.export(small_network("tiny"), "tiny")


def test_it_is_written_beside_a_tflite_of_the_same_name(models: Models, tmp_path: Path) -> None:
    (tmp_path / "tiny.json").write_text("of the .tflite")
    model = onnx.write(models("tiny"), tmp_path)
    assert model.read_bytes() == models("tiny").model
    assert manifest_from_json((tmp_path / "tiny.onnx.json").read_bytes()) == models("tiny").manifest
    assert (tmp_path / "tiny.json").read_text() == "of the .tflite"


def test_exporting_twice_gives_the_same_bytes_whatever_mode_the_network_is_in(models: Models) -> None:
    assert onnx.export(small_network("tiny").train(), "tiny").model == models("tiny").model
