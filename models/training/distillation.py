"""Distillation: a causal student learns from the outputs of a larger or non-causal teacher (Hinton et al., 2015).

A teacher that sees the future separates better than a causal network can; its sources are an easier target than the
true ones, because they hold what can be heard in the mixture and not more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from edge_sdk.errors import CheckpointError
from models.checkpoint import load_network
from models.network import Network
from models.objectives import align, permutation_invariant, si_sdr
from models.recipe import DistillConfig, LossConfig
from models.training.losses import Separation, signal_loss


class Teacher(Protocol):
    """What distillation needs of a teacher: sources `[B, S, n]` of a mixture `[B, M, n]`, `delay` samples late."""

    @property
    def delay(self) -> int: ...

    def __call__(self, mixture: Tensor, /) -> Any: ...


class Distillation:
    """`(1 - weight) * task + weight * imitation`, an `Objective`.

    Task: the loss against the true sources, under the best assignment of outputs to them. Imitation: the same loss
    against the teacher's outputs, each of which belongs to the source that it is nearest to; so student and teacher are
    compared source by source, whatever order either gives them in.
    """

    def __init__(self, teacher: Teacher, config: DistillConfig, loss: LossConfig, reference: int = 0) -> None:
        self.teacher, self.weight, self.loss, self.reference = teacher, config.weight, loss, reference
        self.task = Separation(loss, reference)

    def __call__(self, estimate: Tensor, mixture: Tensor, sources: Tensor, delay: int) -> Tensor:
        taught = teach(self.teacher, mixture, sources)
        task, assignment = self.task.assigned(estimate, mixture, sources, delay)
        ordered = estimate.gather(1, assignment[..., None].expand_as(estimate))
        ordered, both = align(ordered, torch.cat([taught, mixture[:, [self.reference]]], dim=1), delay)
        imitation = signal_loss(self.loss, both[:, -1:])(ordered, both[:, :-1]).mean(dim=1)
        return (1 - self.weight) * task + self.weight * imitation


@torch.no_grad()
def teach(teacher: Teacher, mixture: Tensor, sources: Tensor) -> Tensor:
    """The teacher's outputs, its delay removed, in the order of the sources that they are nearest to: `[B, S, n]`."""
    heard = torch.nn.functional.pad(mixture, (0, teacher.delay))
    said: Tensor = teacher(heard)[..., teacher.delay :].float()
    _, assignment = permutation_invariant(lambda e, t: -si_sdr(e, t), said, sources)
    return said.gather(1, assignment[..., None].expand_as(said))


def load_teacher(path: Path, student: Network) -> Network:
    """The network of a checkpoint, frozen; `CheckpointError` where the student cannot learn from it."""
    teacher, _ = load_network(path)
    for what, theirs, ours in (
        ("sources", teacher.config.sources, student.config.sources),
        ("microphones", teacher.mics, student.mics),
        ("samples per second", teacher.config.sample_rate, student.config.sample_rate),
    ):
        if theirs != ours:
            raise CheckpointError(f"{path}: a teacher of {theirs} {what} for a student of {ours}; they must be equal")
    return teacher.requires_grad_(False)
