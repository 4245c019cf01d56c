"""Sensitivity: one layer at a time, against the model that runs; and an error that grows where a memory keeps it."""

import json
from pathlib import Path

import numpy as np
import pytest

from edge_sdk import Separator
from edge_sdk.cli import main
from models.checkpoint import save_network
from models.evaluation.metrics import improvement
from models.runs import Pairs
from models.tasnet import TasNet
from quantization.artifact import Artifact
from quantization.layers import layers
from quantization.pruning.dimensions import hidden_dimensions
from quantization.quantize import quantize
from quantization.sensitivity import growth, growth_table, layers_table, pruned_alone, quantized_alone
from tests.models.recordings import write_corpus, write_recipe


@pytest.fixture(scope="module")
def mixtures() -> Pairs:
    rng = np.random.default_rng(0)
    sources = [0.1 * rng.standard_normal((1, 8_000)).astype(np.float32) for _ in range(2)]
    return [(source + 0.05 * rng.standard_normal(source.shape).astype(np.float32), source) for source in sources]


def test_every_layer_that_a_recipe_changes_is_measured_alone(exported: Artifact, mixtures: Pairs) -> None:
    rows = list(quantized_alone(exported, "dynamic_int4", mixtures))
    pointwise = [layer for layer in layers(exported.model) if layer.op == "CONV_2D"]
    assert [row.layer for row in rows] == [layer.name for layer in pointwise]
    whole = sum(layer.weights for layer in layers(exported.model))
    assert [row.share for row in rows] == [layer.weights / whole for layer in pointwise]
    last = rows[-1]
    alone = Separator(quantize(exported, "float32", "x", [(last.layer.replace(".", r"\."), "dynamic_int4")]).bundle)
    floating = Separator(exported.bundle)
    lost = [improvement(floating.separate(x), s, x[:1]) - improvement(alone.separate(x), s, x[:1]) for x, s in mixtures]
    assert (last.loss_db, last.worst_db) == (pytest.approx(np.mean(lost)), pytest.approx(max(lost)))
    table = layers_table("title", rows).text().splitlines()[2:]
    losses = [float(line.split()[-2]) for line in table]
    assert losses == sorted(losses, reverse=True)


def test_every_prunable_layer_is_pruned_alone(trained: TasNet, mixtures: Pairs) -> None:
    before = {name: t.clone() for name, t in trained.state_dict().items()}
    rows = list(pruned_alone(trained, 0.5, mixtures))
    assert [row.layer for row in rows] == [d.name for d in hidden_dimensions(trained)]
    assert sum(row.share for row in rows) == pytest.approx(1)
    assert all(np.isfinite(row.loss_db) and row.worst_db >= row.loss_db for row in rows)
    assert all((t == before[name]).all() for name, t in trained.state_dict().items()), "the network is as it was"


def test_the_difference_of_a_stream_is_that_of_its_segments(exported: Artifact, mixtures: Pairs) -> None:
    same = growth(exported, exported, mixtures, 2.0, 0.5)
    assert [segment.start_s for segment in same] == [0.0, 0.5, 1.0, 1.5]
    assert all(segment.difference_db < -200 for segment in same)
    coarse, fine = (
        growth(exported, quantize(exported, recipe, "q"), mixtures, 2.0, 0.5) for recipe in ("dynamic_int4", "float16")
    )
    for rough, close in zip(coarse, fine, strict=True):
        assert close.difference_db < rough.difference_db < 0
    assert growth_table(coarse).text().splitlines()[2].split() == ["0", "s", f"{coarse[0].difference_db:.1f}"]


@pytest.mark.parametrize("how", [["--recipe", "dynamic_int8", "--stream", "10"], ["--prune", "0.5"]])
def test_the_command_prints_what_was_found(
    trained: TasNet, how: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_network(tmp_path / "n.safetensors", trained, {})
    where = ["--set", str(write_recipe(tmp_path / "r.toml")), "--data", str(write_corpus(tmp_path / "corpus"))]
    words = ["sensitivity", str(tmp_path / "n.safetensors"), *where, "--cache", str(tmp_path / "cache"), "--count", "1"]
    assert main([*words, *how, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["layers"] and len(found["stream"]) == (how[0] == "--recipe")
    for wrong, message in (
        (["--prune", "1.5"], "a share of the channels"),
        (["--stream", "3"], "10 seconds or more"),
        (["--recipe", "int7"], "unknown recipe"),
        (["--count", "0"], "expected 1 or more"),
    ):
        assert main([*words, *wrong]) == 1
        assert message in capsys.readouterr().err
