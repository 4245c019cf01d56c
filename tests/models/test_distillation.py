"""A student learns from its teacher's outputs, source by source, whatever their order and delay."""

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edge_sdk.errors import CheckpointError, RecipeError
from models.checkpoint import load_network, save_network
from models.objectives import si_sdr
from models.recipe import DistillConfig, LossConfig, load_recipe
from models.tasnet import TasNetConfig
from models.training.distillation import Distillation, load_teacher, teach
from models.training.losses import Separation
from models.zoo import build
from tests.models.recordings import RATE, edit, write_recipe
from tests.models.test_training import run

PLAIN = LossConfig(spectral_weight=0.0)


class Oracle(nn.Module):
    """A teacher that knows the sources, and gives them in another order, late and not quite clean."""

    def __init__(self, sources: Tensor, order: list[int], delay: int) -> None:
        super().__init__()
        self.said, self.delay = sources[:, order], delay

    def forward(self, mixture: Tensor) -> Tensor:
        late = nn.functional.pad(self.said, (self.delay, 0))
        assert late.shape[-1] == mixture.shape[-1], "it hears the mixture to its end and beyond, by its delay"
        return late


@pytest.fixture
def sources() -> Tensor:
    return torch.randn(3, 2, 4000, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("delay", [0, 7, 640])
def test_a_teacher_is_heard_in_the_order_of_the_sources_and_without_its_delay(sources: Tensor, delay: int) -> None:
    noisy = sources + 0.1 * torch.randn(sources.shape, generator=torch.Generator().manual_seed(2))
    mixture = sources.sum(1, keepdim=True)
    assert torch.equal(teach(Oracle(noisy, [1, 0], delay), mixture, sources), noisy)


@pytest.mark.parametrize("delay", [0, 100])
def test_the_loss_is_that_of_the_task_and_that_of_imitation_in_their_shares(sources: Tensor, delay: int) -> None:
    """By hand: the student has swapped its outputs, and is late by `delay`."""
    generator = torch.Generator().manual_seed(3)
    noise, error = torch.randn(2, *sources.shape, generator=generator)
    taught, said = sources + 0.3 * noise, sources + 0.5 * error
    student = nn.functional.pad(said, (delay, 0))[:, [1, 0], : sources.shape[-1]]
    objective = Distillation(Oracle(taught, [1, 0], 50), DistillConfig("t", 0.25), PLAIN)
    loss = objective(student, sources.sum(1, keepdim=True), sources, delay)
    said, true, taught = (x[..., : sources.shape[-1] - delay] for x in (said, sources, taught))
    by_hand = -0.75 * si_sdr(said, true).mean(1) - 0.25 * si_sdr(said, taught).mean(1)
    torch.testing.assert_close(loss, by_hand, rtol=0, atol=1e-4)  # dB, float32 sums over 4,000 samples


def test_a_teacher_that_says_the_sources_is_the_task_itself(sources: Tensor) -> None:
    estimate = torch.randn(sources.shape, generator=torch.Generator().manual_seed(4))
    objective = Distillation(Oracle(sources, [0, 1], 3), DistillConfig("t", 0.6), LossConfig())
    mixture = sources.sum(1, keepdim=True)
    task = Separation(LossConfig())(estimate, mixture, sources, 12)
    torch.testing.assert_close(objective(estimate, mixture, sources, 12), task, rtol=1e-5, atol=1e-5)


def test_no_gradient_reaches_the_teacher(sources: Tensor, tmp_path: Path) -> None:
    network, path = build(TasNetConfig(sources=2, sample_rate=RATE)), tmp_path / "t.safetensors"
    save_network(path, network, {})
    teacher, student = load_teacher(path, network), network
    mixture = sources[..., :800].sum(1, keepdim=True)
    objective = Distillation(teacher, DistillConfig("t", 1.0), PLAIN)
    objective(student(mixture), mixture, sources[..., :800], student.delay).mean().backward()
    assert all(p.grad is None for p in teacher.parameters()) and not teacher.training
    assert any(p.grad is not None for p in student.parameters())


def test_a_student_comes_nearer_to_its_teacher(corpus_root: Path, tmp_path: Path) -> None:
    """Measured against what the teacher says on mixtures that neither trained on, with imitation alone."""
    teacher = write_recipe(tmp_path / "teacher.toml", steps=1, sources=2)
    edit(teacher, "blocks = 3", "blocks = 4")
    edit(teacher, "window = 32", "window = 48")
    run(teacher, corpus_root, tmp_path / "teacher")
    recipe = write_recipe(tmp_path / "student.toml", steps=100, sources=2)
    edit(recipe, "[dev]", '[distill]\nteacher = "teacher"\nweight = 1.0\n[dev]')
    run(recipe, corpus_root, tmp_path / "run")
    taught, _ = load_network(tmp_path / "teacher/network.safetensors")
    student, about = load_network(tmp_path / "run/network.safetensors")
    data = (tmp_path / "teacher/network.safetensors").read_bytes()
    assert about["teacher"]["sha256"] == hashlib.sha256(data).hexdigest()
    torch.manual_seed(5)
    fresh = build(load_recipe(recipe).network).eval()
    mixture = 0.1 * torch.randn(4, 1, RATE)
    with torch.no_grad():
        target = taught(nn.functional.pad(mixture, (0, taught.delay)))[..., taught.delay :]
        ours, before = (n(nn.functional.pad(mixture, (0, n.delay)))[..., n.delay :] for n in (student, fresh))
    gain = si_sdr(ours, target).mean() - si_sdr(before, target).mean()
    assert gain > 3, f"{gain:.1f} dB nearer"


def test_a_changed_teacher_is_refused(corpus_root: Path, tmp_path: Path) -> None:
    teacher = write_recipe(tmp_path / "teacher.toml", steps=2)
    run(teacher, corpus_root, tmp_path / "teacher", max_minutes=0)
    recipe = write_recipe(tmp_path / "student.toml", steps=2)
    edit(recipe, "[dev]", '[distill]\nteacher = "teacher"\n[dev]')
    run(recipe, corpus_root, tmp_path / "run", max_minutes=0)
    run(teacher, corpus_root, tmp_path / "teacher")
    with pytest.raises(RecipeError, match="the teacher changed since this run began"):
        run(recipe, corpus_root, tmp_path / "run")


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (TasNetConfig(sources=3, sample_rate=RATE), "a teacher of 2 sources for a student of 3"),
        (TasNetConfig(sources=2, sample_rate=16_000), "a teacher of 8000 samples per second for a student of 16000"),
    ],
)
def test_a_teacher_of_something_else_is_refused(tmp_path: Path, student: TasNetConfig, message: str) -> None:
    save_network(tmp_path / "t.safetensors", build(TasNetConfig(sources=2, sample_rate=RATE)), {})
    with pytest.raises(CheckpointError, match=message):
        load_teacher(tmp_path / "t.safetensors", build(student))
