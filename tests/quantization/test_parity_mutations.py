"""Faults planted in exported files: the gate that every export runs catches each of them, in whatever layer.

The files are edited for real. Every mutant is checked by `quantization.parity.check` on a quarter of a second of the
mixture that comes along, which is the least that tells something.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from ai_edge_litert.schema_py_generated import ModelT

from edge_sdk.contract import Bundle
from edge_sdk.errors import EdgeError, ParityError
from models.layers.filterbanks import FilterbankConfig
from models.layers.recurrent import StackedLSTMConfig
from models.network import Network
from models.tasnet import TasNet, TasNetConfig
from quantization.artifact import Artifact
from quantization.export import export
from quantization.parity import check
from quantization.quantize import quantize
from quantization.weights import check_weights
from tests.conftest import small_network
from tests.quantization.flatbuffers import (
    edited,
    names_of_weights,
    producer,
    set_values,
    values,
    weights,
)


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with as_file(files("quantization") / "assets" / "mixture.flac") as shipped:
        samples, rate = soundfile.read(shipped)
    path = tmp_path_factory.mktemp("mixture") / "short.wav"
    soundfile.write(path, samples[rate : rate + rate // 4], rate)
    return path


@pytest.fixture(scope="module")
def network() -> Network:
    """Two sources, delay lines and running means, three frames per step."""
    return small_network("carry")


@pytest.fixture(scope="module")
def float32(carry: Bundle) -> Artifact:
    return Artifact(carry.manifest, carry.model)


@pytest.fixture(scope="module")
def int8(float32: Artifact) -> Artifact:
    return quantize(float32, "dynamic_int8", "carry-int8")


@pytest.fixture
def caught(network: Network, mixture: Path) -> Callable[[Artifact, Callable[[ModelT], None]], bool]:
    """Whether the gate refuses an artifact after an edit."""

    def refuses(artifact: Artifact, edit: Callable[[ModelT], None]) -> bool:
        mutant = artifact.with_model(edited(artifact.model, edit), artifact.manifest.recipe, "mutant")
        try:
            check(network, mutant, mixture)
        except ParityError:
            return True
        return False

    return refuses


Caught = Callable[[Artifact, Callable[[ModelT], None]], bool]


def one_row(change: Callable[[np.ndarray], np.ndarray], layer: str) -> Callable[[ModelT], None]:
    """An edit of the third row of a layer's weights: of a depthwise filter, the third channel."""

    def edit(model: ModelT) -> None:
        (tensor,) = weights(model, layer)
        numbers = values(model, tensor)
        rows = np.moveaxis(numbers, -1, 0) if len(numbers) == 1 else numbers
        rows[2] = change(rows)
        set_values(model, tensor, numbers)

    return edit


def test_taking_a_file_apart_and_together_changes_nothing(
    float32: Artifact, int8: Artifact, network: Network, mixture: Path
) -> None:
    for artifact in (float32, int8):
        again = artifact.with_model(edited(artifact.model, lambda model: None), artifact.manifest.recipe, "again")
        assert check(network, again, mixture) == check(network, artifact, mixture)


def test_one_wrong_row_of_weights_is_caught_in_every_layer(float32: Artifact, int8: Artifact, caught: Caught) -> None:
    layers = names_of_weights(float32.model)
    assert len(layers) == 13
    for artifact in (float32, int8):
        for layer in layers:
            assert caught(artifact, one_row(lambda rows: rows[3], layer)), f"{layer}: a row that is another's"
    assert caught(int8, one_row(lambda rows: rows[2] + 2, layers[4])), "off by two steps of 127"


@pytest.mark.parametrize("factor", [1.1, pytest.param(2.0, marks=pytest.mark.slow)])
def test_a_corrupted_scale_is_caught_in_every_layer(int8: Artifact, caught: Caught, factor: float) -> None:
    def edit(model: ModelT, layer: str) -> None:
        (tensor,) = weights(model, layer)
        scale = np.array(tensor.quantization.scale)
        scale[2] *= factor  # of one output
        tensor.quantization.scale = scale

    layers = [name for name in names_of_weights(int8.model) if "depthwise" not in name]  # those stay float32
    assert len(layers) == 10
    for layer in layers:
        assert caught(int8, lambda model, layer=layer: edit(model, layer)), layer


def test_a_wrong_zero_point_is_caught_in_every_layer(int8: Artifact, caught: Caught) -> None:
    """The delegate ignores that of dynamic layers, so the output is right here; it would not be elsewhere."""

    def edit(model: ModelT, layer: str) -> None:
        (tensor,) = weights(model, layer)
        tensor.quantization.zeroPoint = np.full_like(tensor.quantization.zeroPoint, 3)

    for layer in (name for name in names_of_weights(int8.model) if "depthwise" not in name):
        assert caught(int8, lambda model, layer=layer: edit(model, layer)), layer


def test_delay_lines_that_are_exchanged_are_caught(float32: Artifact, int8: Artifact, caught: Caught) -> None:
    def edit(model: ModelT) -> None:
        rows = producer(model, "rows")  # one after the other, the new rows of every line
        assert len(rows.inputs) == 3
        rows.inputs[0], rows.inputs[1] = rows.inputs[1], rows.inputs[0]

    assert caught(float32, edit) and caught(int8, edit)


def test_running_means_that_are_exchanged_are_caught(float32: Artifact, int8: Artifact, caught: Caught) -> None:
    def edit(model: ModelT) -> None:
        statistics = producer(model, "statistics_out")
        statistics.inputs[1], statistics.inputs[2] = statistics.inputs[2], statistics.inputs[1]

    assert caught(float32, edit) and caught(int8, edit)


def test_hidden_and_cell_state_that_are_exchanged_are_caught(mixture: Path) -> None:
    torch.manual_seed(3)
    bank = FilterbankConfig(window=32, hop=16, filters=24)
    lstm = TasNet(TasNetConfig(sources=1, filterbank=bank, separator=StackedLSTMConfig(hidden=6, layers=1))).eval()
    for parameter in lstm.separator.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    artifact = export(lstm, "lstm")
    check(lstm, artifact, mixture)
    (carry,) = artifact.manifest.carries

    def edit(model: ModelT) -> None:
        state = producer(model, carry.output)  # hidden and cell state, of one shape
        assert len(state.inputs) == 2
        state.inputs[0], state.inputs[1] = state.inputs[1], state.inputs[0]

    swapped = edited(artifact.model, edit)
    with pytest.raises(ParityError, match="dB from its network on short.wav, at least 80 dB expected"):
        check(lstm, artifact.with_model(swapped, "float32", "mutant"), mixture)


def test_a_fault_that_the_output_hides_is_named(int8: Artifact, network: Network) -> None:
    layer = "separator.blocks.2.expand"
    mutant = edited(int8.model, one_row(lambda rows: rows[3], layer + ".weight"))
    with pytest.raises(ParityError, match=rf"weights of {layer} are not its network's, the first at \[2, 0, 0, "):
        check_weights(network, int8.with_model(mutant, "dynamic_int8", "mutant"))


@pytest.mark.parametrize("recipe", ["float32", "float16", "weight_int8", "dynamic_int8", "dynamic_int4"])
def test_the_weights_of_every_layer_are_compared_whatever_the_recipe(
    float32: Artifact, network: Network, recipe: str
) -> None:
    artifact = float32 if recipe == "float32" else quantize(float32, recipe, "quantized")
    assert check_weights(network, artifact) == 13


def test_weights_of_another_network_of_the_same_sizes_are_refused(float32: Artifact) -> None:
    other = small_network("carry")
    with torch.no_grad():
        other.separator.output.weight += 1e-6
    with pytest.raises(EdgeError, match=r"weights of separator\.output are not its network's"):
        check_weights(other, float32)
