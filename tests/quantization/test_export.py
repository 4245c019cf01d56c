"""An exported step computes what its network computes, whatever the norm, mask, sources and frames per step."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_sdk import Separator
from edge_sdk.errors import EdgeError, ManifestError, ParityError
from models.tasnet import TasNet
from quantization.artifact import Artifact, read_artifact, write_artifact
from quantization.export import MOST_FRAMES, describe, export, frames_within
from quantization.parity import check, difference_db
from quantization.quantize import quantize
from quantization.step_graph import step_graph
from tests.quantization.networks import network

# Each norm and mask once; test_step_graph has all combinations without the converter, which takes seconds for each.
SHAPES = [
    ("frame", "sigmoid", 3, 0, 4),
    ("batch", "relu", 2, 8, 3),
    ("cumulative", "complex", 1, 0, 4),
    ("frame", "complex", 2, 8, 8),
]


@pytest.mark.parametrize(("norm", "mask", "sources", "skip", "frames"), SHAPES)
def test_the_exported_model_is_its_network(norm: str, mask: str, sources: int, skip: int, frames: int) -> None:
    made = network(norm, mask, sources, skip)
    parity = check(made, export(made, "tiny", frames))
    assert parity.model_db >= 80 and parity.step_db >= 100


def test_random_blocks_through_the_runtime_equal_the_network_over_the_whole(
    trained: TasNet, exported: Artifact
) -> None:
    rng = np.random.default_rng(5)
    x = (0.1 * rng.standard_normal((1, 40_000))).astype(np.float32)
    separator, parts, at = Separator(exported.bundle), [], 0
    while at < x.shape[1]:
        size = int(rng.integers(1, 5001))
        parts.append(separator.process(x[:, at : at + size]))
        at += size
    streamed = np.concatenate([*parts, separator.flush()], axis=1)
    with torch.no_grad():
        whole = trained(torch.from_numpy(np.pad(x, ((0, 0), (0, trained.delay))))[None])[0].numpy()
    np.testing.assert_allclose(streamed, whole, rtol=0, atol=1e-5)


def test_the_manifest_says_what_the_network_declares(trained: TasNet, exported: Artifact) -> None:
    m = exported.manifest
    assert (m.latency, m.delay, m.block) == (trained.latency, trained.delay, trained.config.filterbank.hop)
    longer = export(trained, "tiny", 4).manifest
    assert longer.latency == trained.latency + 3 * trained.config.filterbank.hop
    weights = sum(p.numel() for n, p in trained.named_parameters() if p.ndim == 2)
    assert m.macs == weights * m.sample_rate // m.hop  # one source: every matrix is used once a frame


def test_the_manifest_says_which_microphones_the_network_was_trained_for(trained: TasNet) -> None:
    graph = step_graph(trained, 1)
    about = {"array": "respeaker-4mic", "seed": 3}
    manifest = describe(trained, graph, b"model", "tiny", about)
    assert (manifest.array, manifest.provenance) == ("respeaker-4mic", {"seed": 3})
    assert "array" in about and describe(trained, graph, b"model", "tiny").array == "any"
    with pytest.raises(ValueError, match=r"array 'My Board': expected any, or a name"):
        describe(trained, graph, b"model", "tiny", {"array": "My Board"})


def test_a_step_takes_as_many_frames_as_the_latency_allows(trained: TasNet) -> None:
    hop_ms, first_ms = (1000 * n / trained.config.sample_rate for n in (trained.hop, trained.latency))
    assert frames_within(trained, first_ms) == 1
    assert frames_within(trained, first_ms + 2.99 * hop_ms) == 3
    assert frames_within(trained, first_ms + 3 * hop_ms) == 4
    assert export(trained, "tiny", 4).manifest.latency == trained.latency + 3 * trained.hop
    assert frames_within(trained, 1e6) == MOST_FRAMES
    for too_short in (first_ms - 0.01, -1.0, float("nan")):
        with pytest.raises(ValueError, match=f"expected at least {first_ms:g}, the latency of one frame"):
            frames_within(trained, too_short)


@pytest.mark.parametrize("layer", ["separator.blocks.2.expand.weight", "filterbank.decoder.weight"])
def test_the_gate_refuses_a_model_of_corrupted_weights(trained: TasNet, layer: str) -> None:
    corrupted = network(mask="complex", sources=1, skip=0)
    corrupted.load_state_dict(trained.state_dict())
    with torch.no_grad():
        corrupted.get_parameter(layer)[0, 0] += 0.5
    with pytest.raises(ParityError, match=r"dB from its network on mixture\.flac, at least 80 dB expected"):
        check(trained, export(corrupted, "tiny"))


def test_the_gate_refuses_a_model_whose_weights_were_flipped_in_the_file(trained: TasNet, exported: Artifact) -> None:
    weight = trained.separator.blocks[0].expand.weight.detach().numpy().tobytes()
    at = exported.model.index(weight)
    model = exported.model[:at] + np.float32(3).tobytes() + exported.model[at + 4 :]
    with pytest.raises(ParityError):
        check(trained, exported.with_model(model, "float32", "tiny"))


def test_the_gate_refuses_silence_and_nan(trained: TasNet, exported: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (0.0, np.nan):
        monkeypatch.setattr(Separator, "separate", lambda self, x, value=value: np.full_like(x, value))
        with pytest.raises(ParityError):
            check(trained, exported)


def test_samples_never_pass_through_eight_bits(exported: Artifact) -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=quantize(exported, "dynamic_int8", "tiny-q").model,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    kinds = {d["index"]: d["dtype"] for d in interpreter.get_tensor_details()}
    layers = [op for op in interpreter._get_ops_details() if op["op_name"] == "CONV_2D"]
    # The first and the last pointwise layer see samples: their weights are widened before they are used.
    for layer in (layers[0], layers[-1]):
        assert kinds[layer["inputs"][1]] is np.float32
    assert all(kinds[layer["inputs"][1]] is np.int8 for layer in layers[1:-1])
    assert len(layers) == 2 + 2 * 3 + 2


def test_a_layer_that_no_recipe_knows_is_refused(exported: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quantization.layers.FEATURES", "_nowhere/")
    with pytest.raises(EdgeError, match=r"separator\.bottleneck: neither in a separator nor an encoder or decoder"):
        quantize(exported, "dynamic_int8", "tiny-q")


def test_quantizing_twice_and_unknown_recipes_are_refused(exported: Artifact) -> None:
    with pytest.raises(EdgeError, match="is float16 already"):
        quantize(quantize(exported, "float16", "half"), "dynamic_int8", "tiny-q")
    with pytest.raises(EdgeError, match="unknown recipe 'int7': expected one of float32, float16, weight_int8"):
        quantize(exported, "int7", "tiny-q")


def test_artifacts_survive_the_disk_and_strangers_are_refused(exported: Artifact, tmp_path: Path) -> None:
    path = write_artifact(exported, tmp_path)
    assert read_artifact(path) == exported
    with pytest.raises(EdgeError, match="--force"):
        write_artifact(exported, tmp_path)
    path.write_bytes(exported.model[:-1] + b"\x00\x01")
    with pytest.raises(ManifestError, match="not the model that tiny.json describes"):
        read_artifact(path)
    with pytest.raises(ManifestError, match="no such file"):
        read_artifact(tmp_path / "other.tflite")


def test_an_artifact_is_written_whole_or_not_at_all(exported: Artifact, tmp_path: Path, full_disk: Path) -> None:
    with pytest.raises(EdgeError, match="free space or choose another --out"):
        write_artifact(exported, full_disk)
    assert not list(full_disk.iterdir())
    (tmp_path / "tiny.json").write_text("somebody else's")
    with pytest.raises(EdgeError, match="tiny.json exists"):
        write_artifact(exported, tmp_path)
    assert not (tmp_path / "tiny.tflite").exists()


def test_exporting_twice_gives_the_same_bytes(trained: TasNet, exported: Artifact) -> None:
    assert export(trained, "tiny").model == exported.model


def test_a_network_in_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="eval"):
        step_graph(network().train(), 1)


def test_difference_is_measured_in_decibels_of_energy() -> None:
    x = np.ones((1, 100), np.float32)
    assert difference_db(x, x * 0.9) == pytest.approx(20.0, abs=1e-4)


def test_a_manifest_with_a_wrong_latency_is_refused(exported: Artifact) -> None:
    with pytest.raises(ValueError, match="latency"):
        replace(exported.manifest, latency=1)
