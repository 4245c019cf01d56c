"""`edge-sdk prune`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add `prune`."""
    prune = commands.add_parser("prune", help="make a network smaller: fewer channels, units, filters or blocks")
    prune.add_argument("checkpoint", type=Path, metavar="CHECKPOINT.safetensors")
    prune.add_argument("--ratio", type=float, default=0.5, help="share of hidden channels that go (default: 0.5)")
    prune.add_argument("--filters", type=float, default=0.0, help="share of the encoder's filters that go (default: 0)")
    prune.add_argument(
        "--blocks",
        type=int,
        default=0,
        metavar="N",
        help="blocks of a TCN that go whole, counted in the ratio",
    )
    prune.add_argument("--importance", default="activation", help="activation, taylor or norm (default: activation)")
    prune.add_argument("--scope", default="layer", help="layer: the same share of each; global: the least important")
    prune.add_argument("--multiple", type=int, default=16, help="widths are multiples of it (default: 16)")
    prune.add_argument("--minimum", type=int, default=16, help="channels a layer keeps in global scope (default: 16)")
    prune.add_argument("--recipe", type=Path, help="its mixtures say what is important, its [fit] how to train on")
    prune.add_argument("--data", type=Path, help="folder that the recipe's folders are in")
    prune.add_argument("--cache", type=Path, help="folder for decoded recordings (default: ~/.cache/edge-sdk)")
    prune.add_argument("--mixtures", type=int, default=16, help="to measure importance on (default: 16)")
    prune.add_argument("--run", dest="folder", type=Path, help="train on after pruning, in this folder; resumes there")
    prune.add_argument("--rounds", type=int, default=1, help="of pruning a share and training on (default: 1)")
    prune.add_argument(
        "--distill",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="of the loss then: distance to the unpruned network",
    )
    prune.add_argument("--measure", action="store_true", help="export both and compare their step times, in one run")
    prune.add_argument("--out", type=Path, required=True, metavar="PRUNED.safetensors")
    prune.add_argument("--force", action="store_true", help="overwrite")
    prune.add_argument("--json", action="store_true")
    prune.set_defaults(run=run_prune)


def run_prune(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from edge_sdk.errors import EdgeError
    from models.checkpoint import load_network, save_network
    from models.training.provenance import sha256_of
    from quantization.pruning import PruneConfig

    check(args)
    network, about = load_network(args.checkpoint)
    try:
        config = PruneConfig(
            args.ratio, args.filters, args.blocks, args.importance, args.scope, args.multiple, args.minimum
        )
        pruned = pruned_as(args, network, config)
        found = figures(args, network, pruned)
        args.out.parent.mkdir(parents=True, exist_ok=True)
    except ValueError as error:
        raise EdgeError(f"{args.checkpoint}: not pruned ({error})") from error
    except OSError as error:
        raise EdgeError(f"{error.filename}: {error.strerror}; free space or choose another --out or --run") from error
    origin = {"from": str(args.checkpoint), "sha256": sha256_of(args.checkpoint), **asdict(config)}
    save_network(args.out, pruned, {**about, "pruned": origin})
    report(args, pruned, found)
    return 0


def check(args: argparse.Namespace) -> None:
    """`EdgeError` for what does not go together, before the work."""
    from edge_sdk.errors import EdgeError

    if args.out.exists() and not args.force:
        raise EdgeError(f"{args.out} exists; choose another --out or give --force")
    if args.rounds < 1 or args.mixtures < 1:
        raise EdgeError(f"--rounds {args.rounds}, --mixtures {args.mixtures}: expected 1 or more")
    if not 0 <= args.distill <= 1:
        raise EdgeError(f"--distill {args.distill}: expected a share from 0 to 1")
    if (args.recipe is None) != (args.data is None):
        raise EdgeError("--recipe and --data belong together: give both, or neither with --importance norm")
    if args.folder and args.recipe is None:
        raise EdgeError(f"--run {args.folder}: training on takes --recipe and --data")
    if (args.rounds > 1 or args.distill) and not args.folder:
        raise EdgeError("--rounds and --distill are of training on: give --run DIR, or leave them out")
    if args.recipe is None and args.importance != "norm":
        raise EdgeError(
            f"--importance {args.importance} is measured on mixtures: give --recipe and --data, or --importance norm"
        )


def pruned_as(args: argparse.Namespace, network: Any, config: Any) -> Any:
    """The smaller network, trained on where that is asked for."""
    from quantization.pruning import prune
    from quantization.pruning.fine_tuning import objective_of, prune_and_fine_tune, recipe_for, training_mixtures

    if args.recipe is None:
        return prune(network, [], config)
    if args.folder:
        return prune_and_fine_tune(
            network,
            args.checkpoint,
            config,
            args.recipe,
            args.data,
            args.folder,
            args.rounds,
            args.distill,
            args.mixtures,
            args.cache,
        )
    recipe = recipe_for(network, args.recipe)
    mixtures = training_mixtures(network, recipe, args.data, args.cache, args.mixtures)
    return prune(network, mixtures, config, objective_of(network, recipe))


def figures(args: argparse.Namespace, network: Any, pruned: Any) -> dict[str, Any]:
    """What the network cost, and what the pruned one costs."""
    from models.costs import costs

    before, after = costs(network), costs(pruned)
    found: dict[str, Any] = {
        "checkpoint": str(args.out),
        "parameters": [before.parameters, after.parameters],
        "macs_per_second": [before.macs, after.macs],
    }
    return {**found, "step_us": measured(network, pruned)} if args.measure else found


def report(args: argparse.Namespace, pruned: Any, found: dict[str, Any]) -> None:
    """What became of the network."""
    if args.json:
        print(json.dumps(found))
        return
    print(f"{args.out}: {pruned.config.separator}")
    (whole, part), (macs, fewer) = found["parameters"], found["macs_per_second"]
    print(f"parameters {whole / 1e6:.2f} > {part / 1e6:.2f} million, ", end="")
    print(f"multiply-accumulates {macs / 1e6:.0f} > {fewer / 1e6:.0f} million per second")
    for recipe, (before, after) in found.get("step_us", {}).items():
        print(f"a step in {recipe}: {before:.0f} > {after:.0f} us, {before / after:.2f} times faster")


def measured(network: Any, pruned: Any) -> dict[str, list[float]]:
    """Median step times of both in microseconds, taken in turn on one thread, in float32 and dynamic int8."""
    import numpy as np

    from quantization.export import export
    from quantization.quantize import quantize
    from quantization.timing import step_times

    models = [export(network, "whole"), export(pruned, "pruned")]
    recipes = {"float32": models, "dynamic_int8": [quantize(model, "dynamic_int8", "int8") for model in models]}
    return {
        recipe: [round(1e6 * float(p50), 1) for p50 in np.median(step_times(both), axis=0)]
        for recipe, both in recipes.items()
    }
