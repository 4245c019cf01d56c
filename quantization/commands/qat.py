"""`edge-sdk qat`."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add `qat`."""
    from quantization.commands.options import add_recipe

    qat = commands.add_parser("qat", help="fine-tune a checkpoint in the numbers of a quantization recipe")
    qat.add_argument("checkpoint", type=Path, metavar="CHECKPOINT.safetensors")
    add_recipe(qat)
    qat.add_argument(
        "--training",
        type=Path,
        required=True,
        metavar="RECIPE.toml",
        help="the training recipe whose mixtures it hears",
    )
    qat.add_argument("--data", type=Path, required=True, help="folder that the recipe's folders are in")
    qat.add_argument(
        "--run", dest="folder", type=Path, required=True, help="folder of the run; goes on where it stopped"
    )
    qat.add_argument("--cache", type=Path, help="folder for decoded recordings (default: ~/.cache/edge-sdk)")
    qat.add_argument("--steps", type=int, default=500, help="of fine-tuning (default: 500)")
    qat.add_argument("--learning-rate", type=float, default=1e-4, help="default: 1e-4")
    qat.add_argument("--percentile", type=float, default=100.0, help="of ranges for fixed scales (default: 100)")
    qat.add_argument("--max-minutes", type=float, default=math.inf, help="stop in good order after so many minutes")
    qat.add_argument("--force", action="store_true", help="go on although what the run was begun with changed")
    qat.add_argument("--json", action="store_true")
    qat.set_defaults(run=run_qat)


def run_qat(args: argparse.Namespace) -> int:
    from edge_sdk.errors import EdgeError
    from models.checkpoint import load_network
    from models.training.fitting import NETWORK
    from quantization.commands.options import overrides_of
    from quantization.costs import costs, table
    from quantization.export import export
    from quantization.qat import Tuning, fine_tune
    from quantization.quantize import quantize

    if args.steps < 1 or not 0 < args.learning_rate < math.inf or not 90 <= args.percentile <= 100:
        raise EdgeError("expected --steps and --learning-rate above 0 and a --percentile of 90 to 100")
    overrides = overrides_of(args)
    tuning = Tuning(args.checkpoint, args.recipe, overrides, args.steps, args.learning_rate, args.percentile)
    tuned = fine_tune(tuning, args.training, args.data, args.folder, args.cache, args.max_minutes, args.force)
    before, _ = load_network(args.checkpoint)
    float_before, float_after = export(before, "float32"), export(tuned.network, "fine-tuned")

    def quantized(artifact: Any) -> Any:
        return quantize(artifact, args.recipe, "quantized", overrides, tuned.calibration)

    models = {
        "float32": (before, float_before),
        f"{args.recipe}, post-training": (before, quantized(float_before)),
        f"{args.recipe}, fine-tuned": (tuned.network, quantized(float_after)),
        "fine-tuned, in float32": (tuned.network, float_after),
    }
    rows = costs(models, tuned.dev, tuned.reference)
    if args.json:
        print(json.dumps({"entry": tuned.entry, "costs": [asdict(row) for row in rows]}))
    else:
        print(table(f"{args.checkpoint} after {tuned.entry['step']} steps, on its development set", rows).text())
        print(f"\n{args.folder / NETWORK}: a checkpoint for edge-sdk export --recipe {args.recipe}")
    return 0
