"""A trained network loses half of its hidden channels and hardly any of its quality."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.checkpoint import load_network
from models.network import Network
from models.objectives import si_sdr
from models.recipe import load_recipe
from models.runs import load_data, train
from quantization.pruning import PruneConfig, prune
from quantization.pruning.fine_tuning import objective_of, prune_and_fine_tune, training_mixtures
from tests.models.recordings import edit, write_corpus, write_recipe


@pytest.mark.training
def test_half_of_the_hidden_channels_cost_half_a_decibel_at_most(tmp_path: Path) -> None:
    data, recipe_file = write_corpus(tmp_path / "data"), write_recipe(tmp_path / "recipe.toml", steps=600)
    for old, new in (
        ("hidden = 24", "hidden = 48"),
        ("dev_every = 10", "dev_every = 100"),
        ("count = 3", "count = 12"),
    ):
        edit(recipe_file, old, new)
    run, _ = train(recipe_file, data, tmp_path / "run", tmp_path / "cache")
    checkpoint, recipe = run / "network.safetensors", load_recipe(recipe_file)
    whole, _ = load_network(checkpoint)
    _, dev = load_data(recipe, data, tmp_path / "cache")

    @torch.no_grad()
    def gain(network: Network) -> float:
        """Mean SI-SDR improvement on the development set, in dB."""
        gains = []
        for mixture, sources in dev:
            given, wanted = torch.from_numpy(mixture), torch.from_numpy(sources)
            estimate = network.eval()(torch.nn.functional.pad(given, (0, network.delay))[None])[0, :, network.delay :]
            gains.append(float((si_sdr(estimate, wanted) - si_sdr(given, wanted)).mean()))
        return sum(gains) / len(gains)

    config = PruneConfig(multiple=8)
    mixtures = training_mixtures(whole, recipe, data, tmp_path / "cache", 16)
    copied = prune(whole, [], replace(config, importance="norm"))
    fitted = prune(whole, mixtures, config, objective_of(whole, recipe))
    edit(recipe_file, "steps = 600", "steps = 150")
    edit(recipe_file, "learning_rate = 3e-3", "learning_rate = 5e-4")
    trained = prune_and_fine_tune(
        whole, checkpoint, config, recipe_file, data, tmp_path / "rounds", distill=0.3, cache=tmp_path / "cache"
    )
    assert trained.config.separator.hidden == 24
    assert gain(whole) > 1.0, "there is something to lose"
    assert gain(fitted) > gain(copied)
    assert gain(trained) > gain(whole) - 0.5
