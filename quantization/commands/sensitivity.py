"""`edge-sdk sensitivity`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

SEGMENT_S = 10.0


def register(commands: Any) -> None:
    """Add `sensitivity`."""
    from quantization.commands.options import add_calibration, add_set

    sensitivity = commands.add_parser(
        "sensitivity", help="what a network loses when one layer alone is quantized, or pruned, layer by layer"
    )
    sensitivity.add_argument("checkpoint", type=Path, metavar="CHECKPOINT.safetensors")
    add_set(sensitivity)
    sensitivity.add_argument("--recipe", default="dynamic_int8", help="of quantization (default: dynamic_int8)")
    sensitivity.add_argument("--prune", type=float, metavar="RATIO", help="instead: this share of a layer's channels")
    sensitivity.add_argument(
        "--stream",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help=f"also the error along a stream of so many, each {SEGMENT_S:g} of them (default: 60; 0: not)",
    )
    add_calibration(sensitivity)
    sensitivity.add_argument("--json", action="store_true")
    sensitivity.set_defaults(run=run_sensitivity)


def run_sensitivity(args: argparse.Namespace) -> int:
    from edge_sdk.errors import EdgeError
    from models.checkpoint import load_network
    from quantization.commands.options import calibration_of, pairs_of
    from quantization.export import export
    from quantization.quantize import quantize
    from quantization.recipes import get_recipe
    from quantization.sensitivity import growth, growth_table, layers_table, pruned_alone, quantized_alone

    get_recipe(args.recipe)
    if args.stream and args.stream < SEGMENT_S:
        raise EdgeError(f"--stream {args.stream:g}: expected {SEGMENT_S:g} seconds or more, or 0")
    if args.prune is not None and not 0 < args.prune < 1:
        raise EdgeError(f"--prune {args.prune:g}: expected a share of the channels between 0 and 1")
    network, _ = load_network(args.checkpoint)
    mixtures = pairs_of(args, network)
    segments = []
    if args.prune is not None:
        try:
            rows = list(pruned_alone(network, args.prune, mixtures, network.reference))
        except ValueError as error:
            raise EdgeError(f"{args.checkpoint}: not pruned ({error})") from error
        title = f"{args.prune:.0%} of the channels of one layer pruned"
    else:
        whole = export(network, "whole")
        calibration = calibration_of(args, whole)
        rows = list(quantized_alone(whole, args.recipe, mixtures, network.reference, calibration))
        title = f"One layer in {args.recipe}"
        if args.stream:
            quantized = quantize(whole, args.recipe, "quantized", calibration=calibration)
            segments = growth(whole, quantized, mixtures, args.stream, SEGMENT_S)
    if args.json:
        print(json.dumps({"layers": [asdict(row) for row in rows], "stream": [asdict(s) for s in segments]}))
        return 0
    print(layers_table(f"{title}, on {len(mixtures)} mixtures of {args.set}", rows).text())
    if segments:
        print(f"\n{growth_table(segments).text()}")
    return 0
