"""`edge-sdk train`."""

from __future__ import annotations

import argparse
import json
import logging
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
    train.add_argument("--device", default="cpu", help="cpu, cuda, or another torch device (default: cpu)")
    train.add_argument(
        "--devices", type=int, help="how many of them on every node (default: 1, or what torchrun started)"
    )
    train.add_argument("--nodes", type=int, help="machines that run this command together (default: 1)")
    train.add_argument("--strategy", default="auto", help="how they share the work: auto, ddp (default: auto)")
    train.add_argument("--max-minutes", type=float, default=math.inf, help="stop in good order after so many minutes")
    train.add_argument(
        "--replan", action="store_true", help="the recipe has more or fewer steps than the run was started with"
    )
    train.add_argument("--force", action="store_true", help="go on although the recordings or rooms changed")
    train.add_argument("--json", action="store_true", help="print the last log entry as JSON")
    train.set_defaults(run=run_train)


def run_train(args: argparse.Namespace) -> int:
    from models.runs import train
    from models.training.fabric import Hardware, is_main_process
    from models.training.memory import keep_freed_memory

    keep_freed_memory()
    logging.getLogger("lightning_fabric").setLevel(logging.getLogger().level)  # it would always tell of its processes
    hardware = Hardware(args.device, args.devices, args.nodes, args.strategy)
    folder, entry = train(
        args.recipe, args.data, args.folder, args.cache, hardware, args.max_minutes, args.replan, args.force
    )
    if not is_main_process():
        return 0
    if args.json:
        print(json.dumps(entry))
    else:
        gain = entry.get("dev_si_sdr_improvement", math.nan)
        print(f"step {entry['step']}: SI-SDR improvement {gain:.2f} dB on the dev set; network in {folder}")
    return 0
