"""`edge-sdk evaluate`."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


def register(commands: Any) -> None:
    """Add `evaluate`."""
    evaluate = commands.add_parser(
        "evaluate", help="score a checkpoint, an exported model or a bundle beside baselines and ceilings"
    )
    evaluate.add_argument("model", help="checkpoint.safetensors, model.tflite, bundle.edge or a shipped name")
    evaluate.add_argument(
        "--set", type=Path, required=True, metavar="SET", help="folder of a frozen set, or a recipe: its [dev] table"
    )
    evaluate.add_argument("--data", type=Path, help="folder that the recipe's folders are in")
    evaluate.add_argument("--cache", type=Path, help="folder for decoded recordings (default: ~/.cache/edge-sdk)")
    evaluate.add_argument("--backend", default="auto", help="interpreter of exported models (default: auto)")
    evaluate.add_argument("--workers", type=int, help="processes here; 0: this one alone (default: one per core)")
    evaluate.add_argument(
        "--cluster", metavar="ADDRESS", help="a Ray cluster to work on: auto, ray://HOST:10001, local"
    )
    evaluate.add_argument(
        "--report", type=Path, metavar="DIR", help="write a page with plots and sounds, and all as JSON"
    )
    evaluate.add_argument("--force", action="store_true", help="overwrite an earlier report")
    evaluate.add_argument("--probes", action="store_true", help="also clean speech, silence, levels and odd sounds")
    evaluate.add_argument("--clips", action="store_true", help="print every mixture's scores too")
    evaluate.add_argument(
        "--quick", action="store_true", help="SI-SDR and swaps alone, without methods to compare with"
    )
    evaluate.add_argument(
        "--alone", action="store_true", help="every metric, but no methods to compare with: they take most of the time"
    )
    evaluate.add_argument("--json", action="store_true")
    evaluate.set_defaults(run=run_evaluate)


def run_evaluate(args: argparse.Namespace) -> int:
    from edge_sdk.errors import EdgeError
    from models.runs import default_cache
    from quantization.evaluation import clips, note, plain, results, tables
    from quantization.scoring import Task, opened, probe_model, references_of, score_set

    if args.workers is not None and args.workers < 0:
        raise EdgeError(f"--workers {args.workers}: expected a number of processes, 0 for none besides this one")
    for name in ("quick", "alone"):
        if getattr(args, name) and args.report:
            raise EdgeError(f"--{name} with --report: a report shows every metric and method; leave one of them out")
    if args.report:
        from quantization.evaluation_report import check_free

        check_free(args.report, args.force)
    started = time.monotonic()
    task = Task(args.model, args.set, args.data, args.cache or default_cache(), args.backend, args.quick, args.alone)
    scores = score_set(task, args.workers, args.cluster)
    model, examples = opened(task)
    found = results(args.model, examples, scores, references_of(task, examples))
    if args.probes:
        found["probes"] = plain(probe_model(task))
    log.info("%d mixtures scored in %.1f s", len(scores), time.monotonic() - started)
    if args.report:
        from quantization.evaluation_report import write_report

        write_report(args.report, task, model, found, scores)
        log.info("%s written after %.1f s", args.report / "index.html", time.monotonic() - started)
    if args.json:
        print(json.dumps({**found, "clips": clips(scores)} if args.clips else found))
        return 0
    if args.clips:
        for s in scores:
            pairs = (f"{name} {s.before[name]:7.3f} > {s.after[name]:7.3f}" for name in s.after)
            print("  ".join([f"{s.index:4d}", *pairs]))
    print("\n\n".join(table.text() for table in tables(found)))
    print("\n".join(["", *note(found)]))
    for name in ("pesq", "stoi"):
        if name not in found and not args.quick:
            why = (
                "is for 16000 Hz" if name == "pesq" and model.sample_rate != 16_000 else "its package is not installed"
            )
            print(f"edge-sdk: no {name}: {why}", file=sys.stderr)
    if args.report:
        print(f"\n{args.report / 'index.html'}: open it in a browser to look and listen; it needs no network")
    return 0
