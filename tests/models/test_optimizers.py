"""Who steps which parameter, and that a training by Muon goes on as if it had never stopped."""

from pathlib import Path

import pytest
import torch
from torch.optim import AdamW, Muon

from models.checkpoint import load_tensors
from models.recipe import FitConfig
from models.runs import train
from models.training.optimizers import make_optimizers
from models.zoo import build, preset
from tests.models.recordings import edit, write_recipe


@pytest.mark.parametrize("name", ["separate-2spk-edge", "fasnet-tac-edge", "enhance-speaker"])
def test_muon_takes_the_matrices_of_linear_layers_and_lstms_and_adamw_everything_else(name: str) -> None:
    network = build(preset(name))
    adamw, muon = make_optimizers(network, FitConfig(optimizer="muon"))
    assert isinstance(adamw, AdamW) and isinstance(muon, Muon)
    taken = [[p for group in o.param_groups for p in group["params"]] for o in (adamw, muon)]
    names = {id(p): n for n, p in network.named_parameters()}
    assert sorted(names[id(p)] for both in taken for p in both) == sorted(names.values())
    assert all(p.ndim == 2 and min(p.shape) > 3 for p in taken[1])
    linear = {f"{n}.weight" for n, m in network.named_modules() if isinstance(m, torch.nn.Linear)}
    lstms = {n for n in names.values() if ".weight_ih_l" in n or ".weight_hh_l" in n}
    bank = {n for n in names.values() if n.startswith("filterbank.")}
    assert {names[id(p)] for p in taken[1]} == (linear | lstms) - bank
    assert bool(lstms) == (name == "enhance-speaker")


def test_a_step_of_muon_is_orthogonal_and_as_large_as_one_of_adamw() -> None:
    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.Linear(48, 96, bias=False))
    (_, muon) = make_optimizers(network, FitConfig(optimizer="muon", learning_rate=0.01, weight_decay=0.0))
    before = network[0].weight.detach().clone()
    network(torch.randn(200, 48)).square().sum().backward()
    muon.step()
    step = (before - network[0].weight.detach()) / 0.01
    assert float(step.square().mean().sqrt()) == pytest.approx(0.2, rel=0.2)
    singular = torch.linalg.svdvals(step)
    assert float(singular.max() / singular.min()) < 2.5


def test_a_training_by_muon_goes_on_to_the_last_bit(corpus_root: Path, tmp_path: Path) -> None:
    recipe, cache = write_recipe(tmp_path / "tiny.toml", steps=10), tmp_path / "cache"
    edit(recipe, "learning_rate", 'optimizer = "muon"\nlearning_rate')
    assert train(recipe, corpus_root, tmp_path / "parted", cache, max_minutes=0)[1]["step"] == 1
    states = []
    for folder in ("parted", "whole"):
        assert train(recipe, corpus_root, tmp_path / folder, cache)[1]["step"] == 10
        states.append(load_tensors(tmp_path / folder / "state.safetensors")[0])
    assert any("momentum_buffer" in name for name in states[0])
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_other_names_are_refused() -> None:
    with pytest.raises(ValueError, match="optimizer 'adam': expected adamw or muon"):
        FitConfig(optimizer="adam")
