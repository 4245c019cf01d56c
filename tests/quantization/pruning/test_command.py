"""`edge-sdk prune`: a smaller checkpoint, trained on where that is asked for, or one line that says why not."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from edge_sdk.cli import main
from models.checkpoint import load_network, save_network
from models.recipe import load_recipe, read_toml
from models.zoo import build, config_to_dict, preset
from quantization.pruning import PruneConfig
from quantization.pruning.fine_tuning import shares, toml_text
from tests.models.recordings import edit, write_corpus, write_recipe

FINE = ("--multiple", "1", "--minimum", "1")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("data"))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_recipe(tmp_path / "recipe.toml", steps=4)


@pytest.fixture
def checkpoint(tmp_path: Path, recipe: Path) -> Path:
    torch.manual_seed(0)
    save_network(tmp_path / "whole.safetensors", build(load_recipe(recipe).network), {"recipe": "tiny"})
    return tmp_path / "whole.safetensors"


def test_a_checkpoint_becomes_smaller_and_says_where_it_comes_from(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = checkpoint.with_name("half.safetensors")
    assert main(["prune", str(checkpoint), "--importance", "norm", *FINE, "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    network, about = load_network(out)
    assert network.config.separator.hidden == 12
    assert found["parameters"][1] == sum(p.numel() for p in network.parameters()) < found["parameters"][0]
    assert found["macs_per_second"][1] < found["macs_per_second"][0]
    assert about["recipe"] == "tiny" and about["pruned"]["ratio"] == 0.5 and len(about["pruned"]["sha256"]) == 64


def test_rounds_of_pruning_and_training_go_on_where_they_stopped(
    checkpoint: Path, recipe: Path, data: Path, tmp_path: Path
) -> None:
    out, run = tmp_path / "small.safetensors", tmp_path / "rounds"
    given = ["prune", str(checkpoint), "--recipe", str(recipe), "--data", str(data), "--cache", str(tmp_path / "cache")]
    given += [*FINE, "--scope", "global", "--mixtures", "2", "--run", str(run), "--rounds", "2", "--distill", "0.5"]
    assert main([*given, "--out", str(out)]) == 0
    small, _ = load_network(out)
    widths = small.config.separator.widths or (small.config.separator.hidden,) * 3
    assert sum(widths) == pytest.approx(36, abs=1)
    trained = load_recipe(run / "round-2" / "fine-tune.toml")
    assert trained.network == small.config and trained.distill is not None and trained.distill.weight == 0.5
    before, _ = load_network(run / "round-2" / "pruned.safetensors")
    assert not torch.equal(small.separator.bottleneck.weight, before.separator.bottleneck.weight)
    assert main([*given, "--out", str(out), "--force"]) == 0
    again, _ = load_network(out)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in small.state_dict().items())


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["--importance", "norm", "--ratio", "1.5"], "ratio = 1.5: expected a share"),
        (["--importance", "norm", "--ratio", "0.98", *FINE], "leaves separator.blocks.0 with its 24 channels empty"),
        ([], "--importance activation is measured on mixtures: give --recipe and --data"),
        (["--importance", "norm", "--blocks", "1"], "which block to do without is found out on mixtures"),
        (["--recipe", "r.toml"], "--recipe and --data belong together"),
        (["--importance", "norm", "--run", "r"], "training on takes --recipe and --data"),
        (["--importance", "norm", "--rounds", "2"], "--rounds and --distill are of training on: give --run"),
        (["--importance", "norm", "--distill", "2"], "--distill 2.0: expected a share"),
        (["--importance", "norm", "--mixtures", "0"], "--mixtures 0: expected 1 or more"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    given: list[str], reason: str, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = checkpoint.with_name("out.safetensors")
    assert main(["prune", str(checkpoint), *given, "--out", str(out)]) == 1
    said = capsys.readouterr().err
    assert reason in said and len(said.strip().splitlines()) == 1
    assert not out.exists()


def test_what_is_there_is_not_overwritten(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prune", str(checkpoint), "--importance", "norm", "--out", str(checkpoint)]) == 1
    assert "exists; choose another --out or give --force" in capsys.readouterr().err


def test_mixtures_that_are_none_for_the_network_are_refused(
    checkpoint: Path, recipe: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(recipe, "[mix]\nseconds = 0.5\nsources = 1", "[mix]\nseconds = 0.5\nsources = 2")
    out = checkpoint.with_name("out.safetensors")
    given = ["--recipe", str(recipe), "--data", str(data), *FINE, "--out", str(out)]
    assert main(["prune", str(checkpoint), *given]) == 1
    assert "needs mix.sources" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["enhance-mono", "array4-2spk-edge", "lstm-tasnet-edge"])
def test_a_configuration_written_as_a_recipe_is_read_back(name: str, tmp_path: Path) -> None:
    file = write_recipe(tmp_path / "recipe.toml", sources=preset(name).sources)
    tables = {**read_toml(file), "network": config_to_dict(preset(name)), "fit": {"start": 'a "b" \\ c'}}
    file.write_text(toml_text(tables))
    assert load_recipe(file).network == preset(name)
    assert load_recipe(file).fit.start == 'a "b" \\ c'


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_rounds_prune_together_what_one_would(rounds: int) -> None:
    found = shares(PruneConfig(0.6, 0.3, blocks=4), rounds)
    left = [1.0, 1.0]
    for share in found:
        left = [left[0] * (1 - share.ratio), left[1] * (1 - share.filters)]
    assert left == pytest.approx([0.4, 0.7])
    assert sum(share.blocks for share in found) == 4 and len(found) == rounds
    assert {**asdict(found[-1]), "ratio": 0.6, "filters": 0.3, "blocks": 4} == asdict(PruneConfig(0.6, 0.3, blocks=4))
