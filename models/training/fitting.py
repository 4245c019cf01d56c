"""Fitting a network to mixtures: one loop for training, fine-tuning and distillation, resumable after any kill.

A run folder holds

    run.json recipe.toml          what the run is made of (models.runs writes them)
    state.safetensors             everything the next step depends on
    plateau.safetensors           the state in which the learning rate began to fall
    network.safetensors           the averaged network that did best on the development set
    log.jsonl tensorboard/        how it went
"""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader

from edge_sdk.errors import CheckpointError, DataError
from models.checkpoint import save_network
from models.data.corpus import WORKERS
from models.data.mixing import Mixtures
from models.training.development import Pair, improvement
from models.training.journal import Journal, progress
from models.training.schedule import plateau_end
from models.training.trainer import Trainer

log = logging.getLogger(__name__)

LOG_EVERY = 50  # steps between entries of the log
STATE, PLATEAU, NETWORK = "state.safetensors", "plateau.safetensors", "network.safetensors"


@dataclass
class Course:
    """How a run went so far, as far as it decides how it goes on: kept beside the weights."""

    best: float = -math.inf  # improvement on the development set in dB
    stale: int = 0  # evaluations since then
    losses: list[float] = field(default_factory=list)  # of the steps since the last entry of the log


def fit(
    trainer: Trainer,
    mixtures: Mixtures,
    dev: Sequence[Pair],
    run: Path,
    about: dict[str, Any],
    max_minutes: float = math.inf,
) -> dict[str, Any]:
    """Train until the configured step, until nothing gets better, or until the time is up. Returns the last log entry.

    Resumes from the run folder. about: where the network comes from, kept in its checkpoint.
    """
    course = resume(trainer, run)
    journal = Journal(run, trainer.done, trainer.fabric)
    fitting = Fitting(trainer, mixtures, dev, run, about, course, journal)
    with progress(trainer.config.steps, trainer.done, trainer.fabric) as show:
        for loss in fitting.steps(max_minutes):
            show(trainer.done, loss)
    journal.close()
    return journal.last


def resume(trainer: Trainer, run: Path) -> Course:
    """Put the trainer where the state of the run is, if it has one; the course up to there."""
    state = run / STATE
    if not trainer.fabric.broadcast(state.exists()):
        return Course()
    header = trainer.load(state)
    try:
        course = Course(float(header["best"]), int(header.get("stale", 0)), list(header.get("losses", [])))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{state}: not a state of this training (its header lacks {error})") from error
    if trainer.fabric.is_global_zero:
        log.warning("%s: going on from step %d", run, trainer.done)
    return course


@dataclass
class Fitting:
    """One run of a trainer in its folder."""

    trainer: Trainer
    mixtures: Mixtures
    dev: Sequence[Pair]
    run: Path
    about: dict[str, Any]
    course: Course
    journal: Journal

    @property
    def finished(self) -> bool:
        config = self.trainer.config
        return self.trainer.done >= config.steps or 0 < config.patience <= self.course.stale

    def steps(self, max_minutes: float) -> Iterator[float]:
        """The loss of every step to come; what is due after a step is done: log, evaluation, checkpoint."""
        if self.finished:
            return
        trainer, config, losses = self.trainer, self.trainer.config, self.course.losses
        hours = config.batch * self.mixtures.config.seconds / 3600
        started = since = time.monotonic()
        first = trainer.done
        for mixture, sources in batches(self.mixtures, trainer):
            losses.append(trainer.step(mixture, sources))
            loss, late = losses[-1], self.late(started, max_minutes)
            due = trainer.done % config.dev_every == 0
            if late or due or self.finished or trainer.done % LOG_EVERY == 0:
                entry = {
                    "step": trainer.done,
                    "loss": float(np.mean(losses)),
                    "learning_rate": trainer.learning_rate,
                    "hours_seen": trainer.done * hours,
                    "audio_hours_per_hour": (trainer.done - first) * hours * 3600 / (time.monotonic() - since),
                }
                if late or due or self.finished:
                    entry["dev_si_sdr_improvement"] = self.evaluate(entry, due)
                self.journal.write(entry)
                losses.clear()
                first, since = trainer.done, time.monotonic()
            self.checkpoint(late)
            yield loss
            if late or self.finished:
                return

    def late(self, started: float, max_minutes: float) -> bool:
        """Whether the time is up in any process."""
        passed = time.monotonic() - started > 60 * max_minutes
        return max_minutes < math.inf and self.trainer.fabric.strategy.reduce_boolean_decision(passed, all=False)

    def evaluate(self, entry: dict[str, Any], due: bool) -> float:
        """The improvement on the development set; the best network so far is kept.

        Only evaluations that are due count for `patience`, so that an interruption does not change when a run ends.
        """
        trainer, course = self.trainer, self.course
        gain = round(improvement(trainer.gain, self.dev, trainer.fabric, self.mixtures.reference), 3)
        if not math.isfinite(gain):
            raise DataError(f"{self.run}: NaN after {trainer.done} steps; lower learning_rate and start anew")
        if due:
            course.stale += 1
        if gain > course.best:
            course.best, course.stale = gain, 0
            if trainer.fabric.is_global_zero:
                seen = {"step": trainer.done, "hours_seen": entry["hours_seen"], "dev_si_sdr_improvement": gain}
                save_network(self.run / NETWORK, trainer.average.network, {**self.about, **seen})
        return gain

    def checkpoint(self, late: bool) -> None:
        """Write the state where it is due: after the log, so that a state vouches for all entries up to it."""
        trainer, config = self.trainer, self.trainer.config
        falling = trainer.done == plateau_end(config.steps, config.decay_from)
        if not trainer.fabric.is_global_zero:
            return
        if falling:
            trainer.save(self.run / PLATEAU, asdict(self.course))
        if falling or late or self.finished or trainer.done % config.checkpoint_every == 0:
            trainer.save(self.run / STATE, asdict(self.course))


def batches(mixtures: Mixtures, trainer: Trainer) -> Iterator[tuple[Tensor, Tensor]]:
    """This process's share of the batches still to come, mixed by worker processes.

    Batch `k` is the same in every run: mixtures `k * batch` and up. Of `W` processes, number `r` takes those with
    `i % W == r`, so that together they see the same batch however many they are.
    """
    config, fabric = trainer.config, trainer.fabric
    numbers = range(trainer.done * config.batch + fabric.global_rank, config.steps * config.batch, fabric.world_size)
    return iter(
        DataLoader(
            trainer.loaded(mixtures),
            batch_size=config.batch // fabric.world_size,
            sampler=numbers,
            num_workers=config.workers,
            multiprocessing_context=WORKERS if config.workers else None,
            worker_init_fn=end_with_parent,
            pin_memory=fabric.device.type == "cuda",
        )
    )


def end_with_parent(_: int) -> None:
    """Makes a worker end as soon as the process that trains does, killed or not: its own parent, a server that forks
    workers, would live on with it."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
