"""`edge-sdk compare`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

USUAL = "float32,float16,weight_int8,dynamic_int8,dynamic_int4"
FIXED = "static_int8,int16x8"


def register(commands: Any) -> None:
    """Add `compare`."""
    from quantization.commands.options import add_calibration, add_set

    compare = commands.add_parser(
        "compare", help="what each quantization recipe costs in dB and gains in size and time"
    )
    compare.add_argument("checkpoint", type=Path, metavar="CHECKPOINT.safetensors")
    add_set(compare)
    compare.add_argument("--recipes", help=f"default: {USUAL}, and {FIXED} with --calibration")
    add_calibration(compare)
    compare.add_argument("--frames-per-step", type=int, default=1)
    compare.add_argument("--json", action="store_true")
    compare.set_defaults(run=run_compare)


def run_compare(args: argparse.Namespace) -> int:
    from edge_sdk.errors import EdgeError
    from models.checkpoint import load_network
    from quantization.commands.options import calibration_of, pairs_of
    from quantization.costs import costs, table
    from quantization.export import export
    from quantization.quantize import quantize
    from quantization.recipes import get_recipe

    names = (args.recipes or USUAL + (f",{FIXED}" if args.calibration else "")).split(",")
    for name in names:
        get_recipe(name)
    if args.frames_per_step < 1:
        raise EdgeError(f"--frames-per-step {args.frames_per_step}: expected 1 or more")
    network, _ = load_network(args.checkpoint)
    mixtures = pairs_of(args, network)
    floating = export(network, "float32", args.frames_per_step)
    calibration = calibration_of(args, floating)
    models = {"float32": (network, floating)}
    models |= {name: (network, quantize(floating, name, name, calibration=calibration)) for name in names}
    rows = costs(models, mixtures, network.reference)
    if args.json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        print(table(f"{args.checkpoint} on {len(mixtures)} mixtures of {args.set}", rows).text())
    return 0
