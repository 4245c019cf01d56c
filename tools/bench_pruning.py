"""Step times of pruned networks beside the whole one, on one thread.

    python tools/bench_pruning.py [PRESET | CHECKPOINT.safetensors ...] [--variants ...] [--ratio R]

Shapes decide the time of a step and not weights, so presets have random ones and channels go by their norms.

layers      the same share of each        ranked      the least important of all layers, in multiples of 16
any-width   ranked, in no multiples       blocks      some blocks whole, then the same share of each other
zeros 2:4   zeros in nine of ten weights, or in two of every four, and all shapes as before

Each is timed in a run of its own with the whole network and a second copy of that, as `quantization.timing` does.
`faster` is against the first copy, `control` what the second comes out at: as far as that is from 1.00, `faster` says
nothing.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from edge_sdk.bench import cpu_name
from models.checkpoint import load_network
from models.costs import costs
from models.network import Network
from models.zoo import build, preset
from quantization.export import export
from quantization.pruning.config import PruneConfig
from quantization.pruning.dimensions import hidden_dimensions
from quantization.pruning.importance import norm_importance
from quantization.pruning.selection import keep_globally, keep_layers
from quantization.pruning.sparsity import compressed_bytes, n_of_m, sparse
from quantization.pruning.surgery import shrink
from quantization.quantize import quantize
from quantization.timing import speedups, step_times

VARIANTS = ("layers", "ranked", "any-width", "blocks", "zeros", "2:4")


def variant(name: str, network: Network, ratio: float, blocks: int) -> Network:
    """The network pruned in one way."""
    if name == "zeros":
        return sparse(network, 0.9)
    if name == "2:4":
        return n_of_m(network, 2, 4)
    dimensions = hidden_dimensions(network)
    # Layers that matter unequally, as after training.
    slopes = zip(norm_importance(network, dimensions).items(), np.linspace(1.2, 0.8, len(dimensions)), strict=True)
    scores = {layer: score / score.mean() * slope for (layer, score), slope in slopes}
    config, gone = PruneConfig(ratio, importance="taylor"), list[str]()  # whose scores are ranked as they are
    if name in ("ranked", "any-width"):
        config = replace(config, scope="global", multiple=config.multiple if name == "ranked" else 1)
        return shrink(network, dimensions, keep_globally(dimensions, scores, config, gone))
    if name == "blocks":
        gone = [d.name for d in dimensions[1 :: max(1, len(dimensions) // blocks)]][:blocks]
    return shrink(network, dimensions, keep_layers(dimensions, scores, config, gone))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=["enhance-mono", "conv-tasnet-paper"])
    parser.add_argument("--ratio", type=float, default=0.5, help="of hidden channels that go (default: 0.5)")
    parser.add_argument("--blocks", type=int, default=4, help="that go as a whole in one variant (default: 4)")
    parser.add_argument("--variants", nargs="+", default=VARIANTS, choices=VARIANTS, help="default: all")
    parser.add_argument("--steps", type=int, default=1000, help="of each model (default: 1000)")
    args = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    print(f"{cpu_name()}, one thread, {args.steps} steps of each model", flush=True)
    for name in args.networks:
        torch.manual_seed(0)
        network = load_network(Path(name))[0] if name.endswith(".safetensors") else build(preset(name)).eval()
        made = {"whole": network} | {v: variant(v, network, args.ratio, args.blocks) for v in args.variants}
        floating = [export(n, "model") for n in made.values()]
        for recipe in ("float32", "dynamic_int8"):
            models = floating if recipe == "float32" else [quantize(a, recipe, "model") for a in floating]
            print(f"\n{name}, {recipe}\n{'':12s}{'MMAC/s':>8s}{'kB':>8s}{'zipped':>8s}{'p50 us':>8s}", end="")
            print(f"{'faster':>8s}{'control':>9s}", flush=True)
            for label, model in zip(made, models, strict=True):
                times = step_times([models[0], model, models[0]], args.steps)
                _, faster, control = speedups(times)
                macs, p50 = costs(made[label]).macs / 1e6, 1e6 * np.median(times[:, 1])
                sizes = f"{len(model.model) / 1e3:8.0f}{compressed_bytes(model.model) / 1e3:8.0f}"
                print(f"{label:12s}{macs:8.0f}{sizes}{p50:8.0f}{faster:8.2f}{control:9.2f}", flush=True)


if __name__ == "__main__":
    main()
