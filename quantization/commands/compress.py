"""`edge-sdk compress`."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.network import Network
    from quantization.compression.budget import Budget
    from quantization.compression.candidates import Measured
    from quantization.compression.choice import Choice
    from quantization.compression.front import Point
    from quantization.compression.origins import Origins

RATIOS = "0,0.25,0.5,0.625"
RECIPES = "float32,float16,dynamic_int8,dynamic_int4"


def register(commands: Any) -> None:
    """Add `compress`."""
    from quantization.commands.options import add_set

    compress = commands.add_parser(
        "compress", help="find the smallest and fastest form of a network that keeps a budget of dB, size and time"
    )
    compress.add_argument(
        "checkpoints",
        nargs="+",
        type=Path,
        metavar="CHECKPOINT.safetensors",
        help="what others lose to, and is pruned; more, pruned and trained on elsewhere: tried as they are",
    )
    compress.add_argument("--max-loss-db", type=float, required=True, help="of the mean SI-SDR improvement")
    compress.add_argument("--max-worst-db", type=float, default=math.inf, help="of the mixture that loses most")
    compress.add_argument("--max-kib", type=float, default=math.inf, help="size of the .tflite")
    compress.add_argument("--max-rtf", type=float, default=math.inf, help="real-time factor of the median step, here")
    add_set(compress, 12, "candidates are compared on the first mixtures, what is chosen is confirmed on all")
    compress.add_argument("--data", type=Path, help="folder that a recipe's folders are in")
    compress.add_argument("--cache", type=Path, help="folder for decoded recordings (default: ~/.cache/edge-sdk)")
    compress.add_argument(
        "--training",
        type=Path,
        metavar="RECIPE.toml",
        help="pruned networks are fitted to some of its mixtures (default: the --set, where that is a recipe)",
    )
    compress.add_argument("--ratios", default=RATIOS, help=f"shares of the hidden channels that go (default: {RATIOS})")
    compress.add_argument("--multiple", type=int, default=16, help="pruned widths are multiples of it (default: 16)")
    compress.add_argument("--recipes", default=RECIPES, help=f"without calibration (default: {RECIPES})")
    compress.add_argument("--frames-per-step", type=int, default=1)
    compress.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="of the search, which goes on there; holds what it found"
    )
    compress.add_argument("--json", action="store_true")
    compress.set_defaults(run=run_compress)


def run_compress(args: argparse.Namespace) -> int:
    from edge_sdk.errors import EdgeError
    from models.checkpoint import load_network
    from models.runs import default_cache
    from quantization.commands.options import pairs_of
    from quantization.compression.bench import Bench
    from quantization.compression.candidates import Origin
    from quantization.compression.choice import choose
    from quantization.compression.front import points
    from quantization.compression.identity import identity
    from quantization.compression.journal import Journal
    from quantization.compression.origins import Origins, Pruning
    from quantization.compression.search import search

    budget, ratios, recipes = budget_of(args), ratios_of(args), recipes_of(args)
    networks = [load_network(path)[0] for path in args.checkpoints]
    check_networks(args, networks, budget, ratios, recipes)
    args.cache = args.cache or default_cache()
    training = args.training or (args.set if args.set.is_file() else None)
    if any(ratios) and (training is None or args.data is None):
        raise EdgeError("pruned networks are fitted to training mixtures: give --training and --data, or --ratios 0")
    if (count := args.count) < 1:
        raise EdgeError(f"--count {count}: expected 1 or more")
    args.count = None
    mixtures = pairs_of(args, networks[0])
    count = min(count, len(mixtures))
    pruning = Pruning(training, args.data, args.cache, args.multiple) if training and args.data else None
    about = identity(args.checkpoints, mixtures, count, pruning, args.frames_per_step)
    tried = [*(Origin(0, ratio) for ratio in ratios), *(Origin(n) for n in range(1, len(networks)))]
    with Journal(args.out, about) as journal, progress() as say:
        origins = Origins(args.out, args.checkpoints, pruning, args.frames_per_step)
        bench = Bench(args.out, origins, mixtures, count, networks[0].reference, journal, say)
        measured = list(search(tried, recipes, budget.loss_db, bench.measure, bench.order))
        manifest = bench.whole().manifest
        found = points(measured, manifest.block / manifest.sample_rate)
        choice = choose(budget, found, bench.confirm)
        say("writing what was chosen")
        write(args, origins, found, choice, budget)
    report(args, budget, measured, found, choice, count)
    if not choice.chosen:
        on = f" on all {len(mixtures)} mixtures" if choice.confirmed else ""
        short = budget.shortfall(choice.confirmed or found)
        raise EdgeError(f"{args.out}: none of {len(found)} keeps the budget{on}; {short}")
    return 0


def budget_of(args: argparse.Namespace) -> Budget:
    """The limits, checked."""
    from edge_sdk.errors import EdgeError
    from quantization.compression.budget import Budget

    try:
        return Budget(args.max_loss_db, args.max_kib, args.max_rtf, args.max_worst_db)
    except ValueError as error:
        raise EdgeError(f"--max-loss-db, --max-worst-db, --max-kib, --max-rtf: {error}") from error


def ratios_of(args: argparse.Namespace) -> list[float]:
    """The shares that go, and 0, in order."""
    from edge_sdk.errors import EdgeError

    try:
        ratios = {float(word) for word in args.ratios.split(",")}
    except ValueError:
        raise EdgeError(f"--ratios {args.ratios}: expected shares such as {RATIOS}") from None
    if not all(0 <= ratio < 1 for ratio in ratios):
        raise EdgeError(f"--ratios {args.ratios}: expected shares from 0 up to, not including, 1")
    return sorted({0.0, *ratios})


def recipes_of(args: argparse.Namespace) -> list[str]:
    """The names of recipes, checked."""
    from edge_sdk.errors import EdgeError
    from quantization.recipes import get_recipe

    names = args.recipes.split(",")
    if fixed := [name for name in names if get_recipe(name).name in ("static_int8", "int16x8")]:
        raise EdgeError(f"--recipes {fixed[0]}: needs calibration, which compress has not; edge-sdk compare tries it")
    return list(names)


def check_networks(
    args: argparse.Namespace, networks: list[Network], budget: Budget, ratios: list[float], recipes: list[str]
) -> None:
    """`EdgeError` for what cannot be, before the work."""
    from edge_sdk.errors import EdgeError
    from quantization.compression.origins import check_ratios, least_kib

    if args.frames_per_step < 1:
        raise EdgeError(f"--frames-per-step {args.frames_per_step}: expected 1 or more")
    first = networks[0]
    for path, other in zip(args.checkpoints, networks, strict=True):
        ours, theirs = ((n.config.sample_rate, n.mics, n.config.sources, n.hop) for n in (first, other))
        if ours != theirs:
            raise EdgeError(
                f"{path}: rate, microphones, sources and hop are {theirs}, of {args.checkpoints[0]} {ours}; give "
                "checkpoints for the same task"
            )
    check_ratios(first, [ratio for ratio in ratios if ratio], args.multiple)
    least = min(least_kib(first, recipes, max(ratios)), *(least_kib(n, recipes, 0.0) for n in networks))
    if least > budget.kib:
        raise EdgeError(
            f"--max-kib {budget.kib:g}: the weights alone take {least:.0f} KiB or more, pruned by {max(ratios):g} and "
            "in the fewest bits; raise it, or start from a smaller network"
        )


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Takes what is being done; one line where standard error is a terminal, nothing elsewhere."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda words: None
        return
    with console.status("") as status:
        yield status.update


def write(args: argparse.Namespace, origins: Origins, found: list[Point], choice: Choice, budget: Budget) -> None:
    """The plot, and every chosen artifact with its card."""
    from quantization.compression.result import PLOT, write_chosen, write_plot
    from quantization.scoring import Task

    task = Task("", args.set, args.data, args.cache)
    for name, point in choice.chosen.items():
        write_chosen(name, point, origins, args.out, task, str(args.checkpoints[0]))
    if find_spec("matplotlib") is not None:
        write_plot(args.out / PLOT, found, budget, list(choice.chosen.values()))


def report(
    args: argparse.Namespace, budget: Budget, measured: list[Measured], found: list[Point], choice: Choice, count: int
) -> None:
    """The table, and what was written."""
    from quantization.artifact import paths
    from quantization.compression.front import front
    from quantization.compression.result import LEGEND, PLOT, table

    files = {name: str(paths(args.out, name)[0]) for name in choice.chosen}
    if find_spec("matplotlib") is not None:
        files["plot"] = str(args.out / PLOT)
    if args.json:
        best, on_all = front(found), {point.candidate: point.loss_db for point in choice.confirmed}
        rows = [
            {
                **asdict(point),
                "label": point.label,
                "front": point in best,
                "within": budget.keeps(point),
                "loss_on_all_db": on_all.get(point.candidate),
            }
            for point in found
        ]
        refused = {m.candidate.label: m.refused for m in measured if m.refused}
        print(json.dumps({"candidates": rows, "refused": refused, "written": files}))
        return
    title = f"{args.checkpoints[0]} on {count} mixtures of {args.set}"
    print(table(title, found, measured, budget, choice.confirmed).text())
    print(f"\n{LEGEND}\n")
    for name, path in files.items():
        print(f"{name}: {path}")
