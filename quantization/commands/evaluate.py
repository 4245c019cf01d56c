"""`edge-sdk evaluate`."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from datetime import date
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add `evaluate`."""
    evaluate = commands.add_parser("evaluate", help="score a checkpoint, an exported model or a bundle on a set")
    evaluate.add_argument("model", help="checkpoint.safetensors, model.tflite, bundle.edge or a shipped name")
    evaluate.add_argument("--set", dest="recipe", type=Path, required=True, help="recipe whose [dev] table is the set")
    evaluate.add_argument("--data", type=Path, required=True, help="folder that the recipe's folders are in")
    evaluate.add_argument("--cache", type=Path, help="folder for decoded recordings (default: ~/.cache/edge-sdk)")
    evaluate.add_argument("--backend", default="auto", help="interpreter of exported models (default: auto)")
    evaluate.add_argument("--clips", action="store_true", help="print every mixture's scores too")
    evaluate.add_argument("--json", action="store_true")
    evaluate.set_defaults(run=run_evaluate)


def run_evaluate(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from models.evaluation import evaluate, summarize
    from models.recipe import load_set
    from models.runs import default_cache, evaluation_set

    separate, sample_rate = open_model(args.model, args.backend)
    examples = evaluation_set(load_set(args.recipe), args.data, sample_rate, args.cache or default_cache())
    scores = evaluate(separate, examples, sample_rate)
    about = {"model": Path(args.model).name, "set": args.recipe.name, "machine": platform.machine()}
    summary = {**about, "date": date.today().isoformat(), **summarize(scores)}
    if args.json:
        print(json.dumps({**summary, "clips": [asdict(s) for s in scores]} if args.clips else summary))
        return 0
    if args.clips:
        for s in scores:
            print(
                "  ".join(
                    [f"{s.index:4d}", *(f"{name} {s.before[name]:7.3f} > {s.after[name]:7.3f}" for name in s.after)]
                )
            )
    print(f"{summary['model']} on {summary['mixtures']} mixtures of {summary['set']}")
    for name, unit in (("si_sdr", " dB"), ("pesq", ""), ("stoi", "")):
        if name in summary:
            print(f"  {name:7s} {summary[name + '_mixture']:7.3f} -> {summary[name]:7.3f}{unit}")
        else:
            print(f"edge-sdk: no {name}: its package is not installed", file=sys.stderr)
    low, high, worst = (summary[f"si_sdr_improvement_{key}"] for key in ("low", "high", "worst"))
    print(f"  SI-SDR improvement {summary['si_sdr_improvement']} dB (95 % {low} .. {high}), worst mixture {worst} dB")
    return 0


def open_model(model: str, backend: str) -> tuple[Any, int]:
    """A function from mixture to sources, and the rate it works at, for anything that separates."""
    if model.endswith(".safetensors"):
        from models.checkpoint import load_network
        from models.evaluation import separate_with

        network, _ = load_network(Path(model))
        return separate_with(network), network.config.sample_rate
    from edge_sdk import Separator

    if model.endswith(".tflite"):
        from quantization.artifact import read_artifact

        separator = Separator(read_artifact(Path(model)).bundle, backend=backend)
    else:
        separator = Separator.open(model, backend=backend)
    return separator.separate, separator.sample_rate
