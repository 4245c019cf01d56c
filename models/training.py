"""Fitting a network to mixtures: one loop, resumable after a kill at any moment.

Everything the next step depends on is in the state file: weights, their running average, the optimizer's moments and
the step number. Mixtures are numbered, so data needs no state. A run folder holds

    recipe.toml state.safetensors network.safetensors log.jsonl
"""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from edge_sdk.contract import write_file
from edge_sdk.errors import CheckpointError, DataError
from models.checkpoint import FORMAT, first_line, load_tensors, save_network, save_tensors, with_prefix
from models.data.corpus import WORKERS
from models.data.mixing import Mixtures
from models.evaluation import evaluate, separate_with, summarize
from models.objectives import align, permutation_invariant, separation_loss
from models.recipe import FitConfig
from models.tasnet import TasNet
from models.zoo import config_to_dict

log = logging.getLogger(__name__)

LOG_EVERY = 50  # steps between lines of the log


class Trainer:
    """A network, its averaged twin and its optimizer; `step` turns a batch into a loss."""

    def __init__(self, network: TasNet, config: FitConfig, device: str = "cpu") -> None:
        self.config, self.device = config, torch.device(device)
        self.network = network.to(self.device).train()
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(parameter_groups(network, config), betas=(0.9, 0.99))
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.loss = separation_loss(config.spectral_weight)
        self.forward: Callable[[Tensor], Tensor] = compiled(network) if config.compile else network
        self.done = 0

    def step(self, mixture: Tensor, sources: Tensor) -> float:
        """One update; the loss of the batch. Mixture `[B, M, n]`, sources `[B, S, n]`."""
        self.set_rates()
        mixture, sources = mixture.to(self.device), sources.to(self.device)
        narrow = torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16")
        with narrow:
            estimate = self.forward(mixture)
        estimate, target = align(estimate.float(), sources, self.network.delay)
        loss = permutation_invariant(self.loss, estimate, target)[0].mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        if torch.isfinite(norm):  # a batch that overflows is skipped; the averaged loss shows it
            self.optimizer.step()
            self.update_average()
        self.done += 1
        return float(loss.detach())

    def set_rates(self) -> None:
        """Linear warm-up, a plateau, then a cosine to zero."""
        config, share = self.config, self.done / self.config.steps
        rise = min(1.0, (self.done + 1) / max(1, config.warmup))
        falling = max(0.0, share - config.decay_from) / max(1e-9, 1 - config.decay_from)
        factor = rise * 0.5 * (1 + math.cos(math.pi * min(1.0, falling)))
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor

    @torch.no_grad()
    def update_average(self) -> None:
        """The running average follows faster while it is young."""
        decay = min(self.config.average, (self.done + 1) / (self.done + 10))
        ours, theirs = self.average.state_dict(), self.network.state_dict()
        for name, tensor in ours.items():
            if tensor.is_floating_point():
                tensor.lerp_(theirs[name], 1 - decay)
            else:
                tensor.copy_(theirs[name])

    def save(self, path: Path, header: dict[str, Any]) -> None:
        """Everything `load` needs to go on as if nothing had happened."""
        tensors = {f"network.{n}": t for n, t in self.network.state_dict().items()}
        tensors |= {f"average.{n}": t for n, t in self.average.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            for moment, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{moment}.{name}"] = value
        config = config_to_dict(self.network.config)
        about = {"format": FORMAT, "kind": "state", "config": config, "step": self.done}
        save_tensors(path, tensors, {**about, **header})

    def load(self, path: Path) -> dict[str, Any]:
        """Continue from a state file; what else its header holds."""
        tensors, header = load_tensors(path)
        try:
            self.network.load_state_dict(with_prefix(tensors, "network."))
            self.average.load_state_dict(with_prefix(tensors, "average."))
            self.done, _ = int(header["step"]), float(header["best"])
        except (RuntimeError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path}: not a state of this training ({first_line(error)})") from error
        for name, parameter in self.network.named_parameters():
            if (steps := tensors.get(f"optimizer.step.{name}")) is not None:
                moments = {m: tensors[f"optimizer.{m}.{name}"].to(parameter.device) for m in ("exp_avg", "exp_avg_sq")}
                self.optimizer.state[parameter] = {"step": steps, **moments}
        return header


def compiled(network: TasNet) -> Callable[[Tensor], Tensor]:
    """The network compiled, or as it is where there is no compiler to do it."""
    if network_device(network).type == "cpu" and shutil.which(os.environ.get("CXX", "g++")) is None:
        log.warning("no C++ compiler, so training is not compiled and runs slower; apt-get install g++")
        return network
    return torch.compile(network)


def parameter_groups(network: TasNet, config: FitConfig) -> list[dict[str, Any]]:
    """Matrices decay; scales and biases do not; the filterbank has a learning rate of its own."""
    filterbank = list(network.filterbank.parameters())
    own = {id(p) for p in filterbank}
    rest = [p for p in network.parameters() if id(p) not in own]
    for parameter in filterbank:
        parameter.requires_grad_(config.filterbank_rate > 0)
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "lr": config.learning_rate, "weight_decay": config.weight_decay},
        {"params": [p for p in rest if p.ndim < 2], "lr": config.learning_rate, "weight_decay": 0.0},
    ]
    if config.filterbank_rate > 0:
        groups.append({"params": filterbank, "lr": config.filterbank_rate, "weight_decay": 0.0})
    return groups


def fit(
    trainer: Trainer,
    mixtures: Mixtures,
    dev: list[tuple[np.ndarray, np.ndarray]],
    run: Path,
    about: dict[str, Any],
    max_minutes: float = math.inf,
) -> dict[str, Any]:
    """Train until the configured step or the time is up; resumes from the run folder. Returns the last log entry.

    `network.safetensors` is the averaged network with the best dev improvement so far.
    """
    config, state, journal, best = trainer.config, run / "state.safetensors", run / "log.jsonl", -math.inf
    if state.exists():
        best = trainer.load(state)["best"]
        log.warning("%s: going on from step %d", run, trainer.done)
    entry = keep_log_until(journal, trainer.done)
    started, losses = time.monotonic(), list[float]()
    seconds_per_step = config.batch * mixtures.config.seconds
    with progress(config.steps, trainer.done) as show:
        for mixture, sources in batches(mixtures, config, trainer.done):
            losses.append(trainer.step(mixture, sources))
            show(trainer.done, losses[-1])
            elapsed = time.monotonic() - started
            last = trainer.done >= config.steps or elapsed > 60 * max_minutes
            if last or trainer.done % LOG_EVERY == 0:
                entry = {
                    "step": trainer.done,
                    "loss": float(np.mean(losses[-LOG_EVERY:])),
                    "hours_seen": trainer.done * seconds_per_step / 3600,
                    "audio_hours_per_hour": len(losses) * seconds_per_step / elapsed,
                }
                if last or trainer.done % config.dev_every == 0:
                    scores = evaluate(separate_with(trainer.average), dev, mixtures.sample_rate, ("si_sdr",))
                    entry["dev_si_sdr_improvement"] = gain = float(summarize(scores)["si_sdr_improvement"])
                    if not math.isfinite(gain):
                        raise DataError(f"{run}: NaN after {trainer.done} steps; lower learning_rate and start anew")
                    if gain > best:
                        best = gain
                        seen = {key: entry[key] for key in ("step", "hours_seen", "dev_si_sdr_improvement")}
                        save_network(run / "network.safetensors", trainer.average, {**about, **seen})
                with journal.open("a") as lines:
                    lines.write(json.dumps(entry) + "\n")
                log.info("%s", entry)
            if last or trainer.done % config.checkpoint_every == 0:
                trainer.save(state, {"best": best})
            if last:
                break
    return entry


def batches(mixtures: Mixtures, config: FitConfig, done: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches still to come, mixed by worker processes; batch `k` is the same in every run."""
    numbers = range(done * config.batch, config.steps * config.batch)
    context = WORKERS if config.workers else None
    return iter(
        DataLoader(
            mixtures,  # type: ignore[arg-type]
            batch_size=config.batch,
            sampler=numbers,
            num_workers=config.workers,
            multiprocessing_context=context,
        )
    )


def network_device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


def keep_log_until(path: Path, step: int) -> dict[str, Any]:
    """The last entry up to a step; later ones are forgotten, those steps are done again."""
    if not path.exists():
        return {"step": 0}
    lines = [line for line in path.read_text().splitlines() if line.endswith("}") and json.loads(line)["step"] <= step]
    write_file(path, "".join(line + "\n" for line in lines).encode())
    return json.loads(lines[-1]) if lines else {"step": 0}


@contextlib.contextmanager
def progress(total: int, done: int) -> Iterator[Callable[[int, float], None]]:
    """A bar with the loss where there is a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("training", total=total, completed=done)
        yield lambda step, loss: bar.update(task, completed=step, description=f"loss {loss:6.2f}")
