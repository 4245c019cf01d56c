"""What a step of training takes, of one recipe beside others, and which operations it spends that on.

    python -m tools.bench_training RECIPE.toml [RECIPE.toml...] [--steps N] [--turns N] [--profile N]

Batches are noise of the recipe's shape, made before the clock runs, so that recordings are not needed and mixing costs
nothing (`tools/bench_loader.py` measures that). Recipes take turns, so that other work on the machine slows all alike;
what is printed is the median over turns of the median step of a turn. OMP_NUM_THREADS says how many threads.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from edge_sdk.errors import EdgeError
from models.recipe import Recipe, load_recipe
from models.training.memory import keep_freed_memory
from models.training.trainer import Trainer
from models.training.views import ViewTrainer
from models.zoo import build

WARM_UP = 3  # steps: the first compiles, the second may do so once more
LEVEL = 0.1  # of the noise, of full scale


class Training:
    """A recipe's network and optimizers, and a batch for them."""

    def __init__(self, recipe: Recipe) -> None:
        from models.training.fabric import make_fabric

        fit, network = recipe.fit, build(recipe.network)
        samples = round(recipe.mix.seconds * recipe.network.sample_rate)
        self.hours = fit.batch * recipe.mix.seconds / 3600
        kind = ViewTrainer if recipe.views > 1 else Trainer
        self.trainer = kind(network, fit, make_fabric(precision=fit.precision))
        self.batch = noise(fit.batch, network.mics, recipe.mix.sources, samples)
        for _ in range(WARM_UP):
            self.step()

    def step(self) -> float:
        """Seconds of one step."""
        begin = time.perf_counter()
        self.trainer.step(*self.batch)
        return time.perf_counter() - begin


def noise(batch: int, mics: int, sources: int, samples: int) -> tuple[Tensor, Tensor]:
    """A mixture `[B, M, n]` and sources `[B, S, n]`, the same ones always."""
    generator = torch.Generator().manual_seed(0)
    talkers = LEVEL * torch.randn(batch, sources, samples, generator=generator)
    others = LEVEL * torch.randn(batch, mics, samples, generator=generator)
    return talkers.sum(1, keepdim=True) + others, talkers


def profile(training: Training, operations: int) -> str:
    """The operations that a step spends most time on."""
    with torch.profiler.profile() as found:
        training.step()
    table: str = found.key_averages().table(
        sort_by="self_cpu_time_total", row_limit=operations, max_name_column_width=60
    )
    return table


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="+", type=Path, metavar="RECIPE.toml")
    parser.add_argument("--steps", type=int, default=5, help="of a recipe in a turn (default: 5)")
    parser.add_argument("--turns", type=int, default=3, help="of every recipe (default: 3)")
    parser.add_argument("--profile", type=int, default=0, metavar="N", help="the N costliest operations of a step, too")
    args = parser.parse_args(argv)
    keep_freed_memory()
    try:
        trainings = {path: Training(load_recipe(path)) for path in args.recipes}
    except EdgeError as error:
        print(f"bench_training: {error}", file=sys.stderr)
        return 1
    medians: dict[Path, list[float]] = {path: [] for path in trainings}
    for _ in range(args.turns):
        for path, training in trainings.items():
            medians[path].append(statistics.median(training.step() for _ in range(args.steps)))
    first = statistics.median(medians[args.recipes[0]])
    print(f"{torch.get_num_threads()} thread(s), {os.cpu_count()} processors")
    for path, training in trainings.items():
        seconds = statistics.median(medians[path])
        speed = training.hours * 3600 / seconds
        print(
            f"{path.stem:28}{seconds:8.3f} s a step {seconds / first:8.2f} of the first {speed:8.1f} h of sound in one"
        )
        if args.profile:
            print(profile(training, args.profile))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
