"""Recipes give every layer what they promise, by names that a person knows; what they cannot give they refuse."""

from pathlib import Path

import numpy as np
import pytest
import torch

from edge_sdk.cli import main
from edge_sdk.contract import Bundle
from edge_sdk.errors import EdgeError
from models.checkpoint import save_network
from models.layers.filterbanks import FilterbankConfig
from models.layers.recurrent import StackedLSTMConfig
from models.tasnet import TasNet, TasNetConfig
from quantization.artifact import Artifact, write_artifact
from quantization.calibration import Calibration, calibrate
from quantization.export import export
from quantization.layers import DEPTHWISE, Layer, graph_layers, layers, read, text
from quantization.parity import check, load_mixture
from quantization.quantize import quantize, stored_bits
from quantization.recipes import RECIPES, Precision, Recipe, floor_db, not_on, precisions
from quantization.step_graph import step_graph
from tests.conftest import small_network
from tests.quantization.filter_networks import filter_network

FIXED = ("static_int8", "int16x8")


def recurrent() -> TasNet:
    """A network whose step unrolls two frames of a recurrence, so that one matrix is used by two operators."""
    torch.manual_seed(3)
    bank = FilterbankConfig(window=32, hop=16, filters=24)
    separator = StackedLSTMConfig(hidden=12, layers=2)
    return TasNet(TasNetConfig(sources=2, mask="sigmoid", filterbank=bank, separator=separator)).eval()


@pytest.fixture(scope="module")
def calibration(exported: Artifact, trained: TasNet) -> Calibration:
    return calibrate(exported, [("shipped", np.tile(load_mixture(None, trained)[0], 2)[:, : 4 * 16_000])])


@pytest.fixture(scope="module")
def unrolled() -> Artifact:
    return export(recurrent(), "unrolled", 2)


def test_layers_have_the_names_of_their_modules(carry: Bundle, array: Bundle, unrolled: Artifact) -> None:
    graphs = (step_graph(small_network("carry"), 3), step_graph(small_network("array"), 2), step_graph(recurrent(), 2))
    for model, graph in zip((carry.model, array.model, unrolled.model), graphs, strict=True):
        found, expected = layers(model), graph_layers(graph)
        assert {described(layer) for layer in found} == {described(layer) for layer in expected}
        outputs = [output for layer in found for output in layer.outputs]
        assert len(outputs) == len(set(outputs))  # ai-edge-quantizer tells operators apart by these


def described(layer: Layer) -> tuple[str, str, str, int]:
    return layer.name, layer.op, layer.sees, layer.weights


def test_one_matrix_of_several_frames_is_one_layer(unrolled: Artifact) -> None:
    found = {layer.name: layer for layer in layers(unrolled.model)}
    assert len(found["separator.layers.0.recurrent"].outputs) == 2
    assert len(found["separator.layers.0.gates"].outputs) == 1
    bits = stored_bits(quantize(unrolled, "dynamic_int8", "q", [("separator.layers.1.recurrent", "float32")]).model)
    assert (bits["separator.layers.0.recurrent"], bits["separator.layers.1.recurrent"]) == (8, 32)


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name != "float32"])
def test_every_layer_is_stored_as_its_recipe_says(
    trained: TasNet, exported: Artifact, calibration: Calibration, recipe: str
) -> None:
    quantized = quantize(exported, recipe, "q", calibration=calibration)
    bits, found = stored_bits(quantized.model), layers(exported.model)
    for layer in found:
        assert bits[layer.name] == RECIPES[recipe].precision(layer).weights
    assert {bits[layer.name] for layer in found if layer.op == DEPTHWISE} == {32}
    assert check(trained, quantized).model_db >= RECIPES[recipe].floor_db
    assert len(quantized.model) < len(exported.model)


@pytest.mark.parametrize("recipe", RECIPES)
def test_memory_and_samples_stay_float32(exported: Artifact, calibration: Calibration, recipe: str) -> None:
    contents = read(quantize(exported, recipe, "q", calibration=calibration).model)
    graph = contents.subgraphs[0]
    kinds = {text(graph.tensors[index]): graph.tensors[index].type for index in (*graph.inputs, *graph.outputs)}
    assert set(kinds.values()) == {0}  # FLOAT32
    found = {layer.name: layer for layer in layers(exported.model)}
    types = {text(tensor): tensor.type for tensor in graph.tensors}
    for name in ("encoder", "decoder"):
        assert {types[tensor] for tensor in (*found[name].inputs, *found[name].outputs) if tensor in types} == {0}


def test_overrides_give_single_layers_another_recipe(exported: Artifact, trained: TasNet) -> None:
    mixed = quantize(exported, "dynamic_int8", "q", [("separator.blocks.1", "float32"), (".*project", "dynamic_int4")])
    bits = stored_bits(mixed.model)
    assert mixed.manifest.recipe == "dynamic_int8+float32+dynamic_int4"
    assert mixed.manifest.provenance["quantization"]["overrides"][0] == ["separator.blocks.1", "float32"]
    assert bits["separator.blocks.1.expand"] == 32
    assert bits["separator.blocks.1.project"] == 4  # the last one that fits
    assert bits["separator.blocks.0.expand"] == bits["separator.bottleneck"] == bits["encoder"] == 8
    assert check(trained, mixed).floor_db == floor_db(mixed.manifest.recipe) == RECIPES["dynamic_int4"].floor_db


def test_a_model_is_for_no_interpreter_that_any_of_its_layers_is_not_for() -> None:
    assert not_on("dynamic_int8") == ()
    assert not_on("dynamic_int8+dynamic_int4") == not_on("dynamic_int4") == ("tflite-runtime",)


def test_an_override_of_a_module_is_not_one_of_its_namesakes() -> None:
    graph = step_graph(filter_network("tac", mics=2), 1)
    one, _ = precisions(graph_layers(graph), "dynamic_int8", [("separator.blocks.repeats.0", "float32")])
    assert one["separator.blocks.repeats.0.1.expand"] == Precision()
    assert one["separator.blocks.repeats.1.0.expand"] == Precision(8, "dynamic")


def test_all_layers_in_float_are_the_float_model_and_all_but_one_cost_nearly_nothing(
    exported: Artifact, trained: TasNet
) -> None:
    assert quantize(exported, "dynamic_int8", "q", [(".*", "float32")]).model == exported.model
    alone = quantize(exported, "float32", "q", [("separator.blocks.0.expand", "dynamic_int8")])
    everything = quantize(exported, "dynamic_int8", "q")
    assert check(trained, alone).model_db > check(trained, everything).model_db


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([("separator.blocks.7", "float32")], "fits no layer; they are encoder, "),
        ([("separator.(", "float32")], "not a regular expression"),
        ([(".*", "int3")], "unknown recipe 'int3'"),
    ],
)
def test_overrides_that_mean_nothing_are_refused(
    exported: Artifact, overrides: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(EdgeError, match=message):
        quantize(exported, "dynamic_int8", "q", overrides)


@pytest.mark.parametrize("recipe", FIXED)
def test_fixed_scales_want_a_calibration_of_this_network(
    exported: Artifact, calibration: Calibration, recipe: str
) -> None:
    with pytest.raises(EdgeError, match=f"{recipe} has fixed scales for activations; give --calibration"):
        quantize(exported, recipe, "q")
    other = Calibration({"separator.bottleneck": calibration.ranges["separator.bottleneck"]}, {})
    with pytest.raises(EdgeError, match="no range for separator.blocks.0.expand of tiny; it is of another network"):
        quantize(exported, recipe, "q", calibration=other)


def test_an_operator_without_a_kernel_is_named_with_those_recipes_that_would_do(
    exported: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    everywhere = Recipe("int4_everywhere", 0.0, lambda layer: Precision(4, "dynamic"))
    monkeypatch.setitem(RECIPES, "int4_everywhere", everywhere)
    expected = (
        r"int4_everywhere has no kernel for DEPTHWISE_CONV_2D, separator\.blocks\.0\.depthwise; float32 or float16 "
    )
    with pytest.raises(EdgeError, match=expected):
        quantize(exported, "int4_everywhere", "q")


def test_a_model_that_gives_nan_does_not_count_as_quantized(exported: Artifact, calibration: Calibration) -> None:
    spoilt = exported.with_model(
        exported.model.replace(weights_of(exported), b"\xff" * len(weights_of(exported))), "float32", "tiny"
    )
    with pytest.raises(EdgeError, match=r"q \(float16\+float32\) gives NaN, infinite or too few samples"):
        quantize(spoilt, "float16", "q", [("separator.blocks.0.depthwise", "float32")])


def weights_of(artifact: Artifact) -> bytes:
    """The bytes of a depthwise filter, which recipes leave alone."""
    contents = read(artifact.model)
    graph = contents.subgraphs[0]
    tensor = next(t for t in graph.tensors if text(t) == "separator.blocks.0.depthwise.weight")
    return bytes(contents.buffers[tensor.buffer].data)


def test_commands_leave_nothing_after_an_error_and_quantize_with_overrides(
    trained: TasNet, exported: Artifact, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, out = tmp_path / "network.safetensors", tmp_path / "out"
    save_network(checkpoint, trained, {})
    model = write_artifact(exported, tmp_path)
    output = ["--out", str(out), "--name", "q"]
    export = ["export", str(checkpoint), *output]
    assert main([*export, "--recipe", "static_int8"]) == 1
    assert main([*export, "--recipe", "dynamic_int8", "--override", "separator.blocks.9=float32"]) == 1
    assert main([*export, "--recipe", "dynamic_int8", "--override", "float32"]) == 1
    quantize = ["quantize", str(model), "--checkpoint", str(checkpoint), *output, "--recipe"]
    assert main([*quantize, "int16x8"]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 4 and all(line.startswith("edge-sdk: ") for line in lines)
    assert "--override float32: expected LAYERS=RECIPE" in lines[2]
    assert not out.exists()
    assert main([*quantize, "dynamic_int8", "--override", "separator.bottleneck=float32"]) == 0
    assert "dynamic_int8+float32" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["q.json", "q.tflite"]
