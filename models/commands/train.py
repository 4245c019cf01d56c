"""`edge-sdk train`."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add `train`."""
    train = commands.add_parser("train", help="train a network from a recipe, resuming where it stopped")
    train.add_argument("recipe", type=Path, metavar="RECIPE.toml")
    train.add_argument("--data", type=Path, required=True, help="folder that the recipe's folders are in")
    train.add_argument("--run", dest="folder", type=Path, help="folder of the run (default: runs/NAME)")
    train.add_argument("--cache", type=Path, help="folder for decoded recordings (default: ~/.cache/edge-sdk)")
    train.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    train.add_argument("--max-minutes", type=float, default=math.inf, help="stop in good order after so many minutes")
    train.add_argument("--json", action="store_true", help="print the last log entry as JSON")
    train.set_defaults(run=run_train)


def run_train(args: argparse.Namespace) -> int:
    from models.runs import train

    folder, entry = train(args.recipe, args.data, args.folder, args.cache, args.device, args.max_minutes)
    if args.json:
        print(json.dumps(entry))
    else:
        gain = entry.get("dev_si_sdr_improvement", math.nan)
        print(f"step {entry['step']}: SI-SDR improvement {gain:.2f} dB on the dev set; network in {folder}")
    return 0
