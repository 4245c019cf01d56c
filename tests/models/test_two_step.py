"""Two-step training: what each step trains, what its loss is, and that the second leads to separated samples."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from edge_sdk.errors import RecipeError
from models.checkpoint import load_network
from models.layers.filterbanks import FilterbankConfig
from models.layers.tcn import TCNConfig
from models.objectives import align, permutation_invariant, si_sdr
from models.recipe import FitConfig, LossConfig, load_recipe
from models.runs import train
from models.tasnet import TasNet, TasNetConfig
from models.training.trainer import Trainer
from models.training.two_step import FilterbankTrainer, LatentSeparation, Resynthesis, SeparatorTrainer, encoded
from tests.models.recordings import edit, write_recipe

FIT = FitConfig(warmup=5, learning_rate=1e-2, filterbank_rate=1e-2, loss=LossConfig(spectral_weight=0.0))


@pytest.fixture
def network() -> TasNet:
    torch.manual_seed(1)
    filterbank = FilterbankConfig(window=32, hop=16, filters=64)
    return TasNet(
        TasNetConfig(2, 8000, "sigmoid", filterbank, TCNConfig(bottleneck=24, hidden=32, skip=24, blocks=3, repeats=1))
    )


@pytest.fixture
def sources() -> Tensor:
    """Two talkers of different pitch: one second of harmonics each, three times."""
    generator, time = torch.Generator().manual_seed(2), torch.arange(8000) / 8000
    pitch = torch.tensor([110.0, 390.0])[None, :, None] * (1 + 0.1 * torch.rand(3, 2, 1, generator=generator))
    phases = 6.3 * torch.rand(3, 2, 1, 4, generator=generator)
    harmonics = torch.arange(1, 5)
    return 0.1 * torch.sin(2 * torch.pi * (pitch * time)[..., None] * harmonics + phases).sum(-1)


def test_masked_coefficients_decoded_are_the_networks_output(network: TasNet, sources: Tensor) -> None:
    mixture = sources.sum(1, keepdim=True)
    heard, _ = encoded(network, mixture, sources)
    frames = network.filterbank.decode(network.masked(heard)).transpose(1, 2).flatten(0, 1)
    samples, _ = network.overlap_add.step(frames, network.overlap_add.init_state(6))
    assert torch.equal(samples.unflatten(0, (3, 2)), network(mixture))


def test_a_network_that_masks_by_the_sources_shares_has_a_perfect_latent_loss(network: TasNet, sources: Tensor) -> None:
    """Targets found from the sources replace the separator: -SI-SDR falls to what EPS leaves of infinity."""
    mixture = sources.sum(1, keepdim=True)
    _, wanted = encoded(network, mixture, sources)
    shares = wanted.softmax(dim=1).transpose(1, 2).flip(2).logit()  # in the other order, which nobody minds

    def oracle(features: Tensor, state: object) -> tuple[Tensor, object]:
        return shares, state

    ours = LatentSeparation(network)(mixture, sources)
    network.masks = oracle  # type: ignore[method-assign]
    assert LatentSeparation(network)(mixture, sources).max() < -60 < ours.min()


def test_each_step_trains_its_part_alone(network: TasNet, sources: Tensor) -> None:
    mixture = sources.sum(1, keepdim=True)
    for kind, trained in ((FilterbankTrainer, "filterbank."), (SeparatorTrainer, "separator.")):
        for parameter in network.parameters():
            parameter.requires_grad_(True)
        before = {name: p.clone() for name, p in network.named_parameters()}
        trainer = kind(network, FIT)
        for _ in range(2):
            trainer.step(mixture, sources)
        changed = {name for name, p in network.named_parameters() if not torch.equal(p, before[name])}
        assert changed and all(name.startswith(trained) for name in changed)


def test_the_steps_lead_to_separated_samples(network: TasNet, sources: Tensor) -> None:
    """The first raises what shares can reach, the second comes near to it without ever decoding."""
    mixture = sources.sum(1, keepdim=True)

    @torch.no_grad()
    def reached(estimate: Tensor) -> float:
        loss, _ = permutation_invariant(lambda e, t: -si_sdr(e, t), *align(estimate, sources, network.delay))
        return float(-loss.mean() - si_sdr(mixture, sources).mean())

    before = reached(Resynthesis(network)(mixture, sources))
    first = FilterbankTrainer(network, FIT)
    for _ in range(80):
        first.step(mixture, sources)
    possible = reached(Resynthesis(network)(mixture, sources))
    assert possible > before + 5, f"{before:.1f} to {possible:.1f} dB by shares"
    network.separator.requires_grad_(True)
    untrained = reached(network(mixture))
    second = SeparatorTrainer(network, FIT)
    for _ in range(80):
        second.step(mixture, sources)
    assert reached(network(mixture)) > untrained + 5, f"{untrained:.1f} to {reached(network(mixture)):.1f} dB"


def test_both_steps_run_from_recipes_and_end_in_an_ordinary_checkpoint(corpus_root: Path, tmp_path: Path) -> None:
    recipes = []
    for part, start in (("filterbank", ""), ("separator", 'start = "filterbank"\n')):
        recipes.append(write_recipe(tmp_path / f"{part}.toml", steps=10, sources=2))
        edit(recipes[-1], "architecture", 'mask = "sigmoid"\narchitecture')
        edit(recipes[-1], "steps = 10", f'steps = 10\n{start}part = "{part}"')
        _, entry = train(recipes[-1], corpus_root, tmp_path / part, tmp_path / "cache")
        assert entry["step"] == 10
    (first, about), (second, _) = (
        load_network(tmp_path / p / "network.safetensors") for p in ("filterbank", "separator")
    )
    for ours, theirs in zip(first.filterbank.parameters(), second.filterbank.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert second(torch.zeros(1, 1, 160)).shape == (1, 2, 160)
    assert about["dev_si_sdr_improvement"] > -20


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[fit]", '[fit]\npart = "decoder"', "part 'decoder': expected one of '', 'filterbank', 'separator'"),
        ("[fit]", '[fit]\npart = "separator"', "give start = CHECKPOINT"),
        ("architecture", 'mask = "complex"\narchitecture', "whose mask is sigmoid or relu"),
        ("[dev]", '[distill]\nteacher = "t"\n[dev]', r"no \[distill\]"),
    ],
)
def test_what_has_no_two_steps_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", sources=2)
    edit(recipe, old, new)
    if "part" not in new:
        edit(recipe, "[fit]", '[fit]\npart = "filterbank"')
    with pytest.raises(RecipeError, match=message):
        load_recipe(recipe)


def test_a_trainer_without_a_part_trains_everything(network: TasNet, sources: Tensor) -> None:
    before = {name: p.clone() for name, p in network.named_parameters()}
    Trainer(network, FIT).step(sources.sum(1, keepdim=True), sources)
    unchanged = {name for name, p in network.named_parameters() if torch.equal(p, before[name])}
    assert not any(name.endswith("weight") for name in unchanged)
