"""`edge-sdk export`, `quantize`, `evaluate` and `card`."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import replace
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add the commands that this installation can run."""
    if any(find_spec(package) is None for package in ("torch", "safetensors", "soundfile", "soxr", "rich")):
        return
    evaluate = commands.add_parser("evaluate", help="score a checkpoint, an exported model or a bundle on a set")
    evaluate.add_argument("model", help="checkpoint.safetensors, model.tflite, bundle.edge or a shipped name")
    evaluate.add_argument("--set", dest="recipe", type=Path, required=True, help="recipe whose [dev] table is the set")
    evaluate.add_argument("--data", type=Path, required=True, help="folder that the recipe's folders are in")
    evaluate.add_argument("--cache", type=Path, help="folder for decoded recordings (default: ~/.cache/edge-sdk)")
    evaluate.add_argument("--backend", default="auto", help="interpreter of exported models (default: auto)")
    evaluate.add_argument("--clips", action="store_true", help="print every mixture's scores too")
    evaluate.add_argument("--json", action="store_true")
    evaluate.set_defaults(run=run_evaluate)
    card = commands.add_parser("card", help="write a model card from the manifests of bundles")
    card.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE.edge", help="the same model in several recipes")
    card.add_argument(
        "--notes", type=Path, required=True, help="Markdown for what no manifest holds: use, data, limits"
    )
    card.add_argument("--out", type=Path, required=True, help="the card, a Markdown file; overwritten")
    card.add_argument("--page", type=Path, help="a page whose marked part gets the table of results too")
    card.set_defaults(run=run_card)
    if find_spec("litert_torch") is None or find_spec("ai_edge_quantizer") is None:
        return
    export = commands.add_parser("export", help="turn a checkpoint into a float32 .tflite with its manifest")
    export.add_argument("checkpoint", type=Path, metavar="CHECKPOINT.safetensors")
    export.add_argument("--frames-per-step", type=int, default=1, help="more: faster per second, later (default: 1)")
    add_output(export)
    export.set_defaults(run=run_export)
    quantize = commands.add_parser("quantize", help="quantize an exported model by a named recipe")
    quantize.add_argument("model", type=Path, metavar="MODEL.tflite")
    quantize.add_argument("--recipe", required=True, help="float16 or dynamic_int8")
    quantize.add_argument(
        "--checkpoint", type=Path, required=True, help="the network it came from, for the parity gate"
    )
    add_output(quantize)
    quantize.set_defaults(run=run_quantize)


def add_output(parser: argparse.ArgumentParser) -> None:
    """Where an artifact goes, and the mixture of its parity gate."""
    parser.add_argument("--out", type=Path, required=True, help="folder for NAME.tflite and NAME.json")
    parser.add_argument("--name", required=True, help="name of the model: small letters, digits, '.', '_' and '-'")
    parser.add_argument("--mixture", type=Path, help="sound file for the parity gate (default: one that comes along)")
    parser.add_argument("--force", action="store_true", help="overwrite")
    parser.add_argument("--json", action="store_true")


def run_export(args: argparse.Namespace) -> int:
    from edge_sdk.errors import EdgeError
    from models.checkpoint import load_network
    from quantization.export import export

    check_output(args)
    network, about = load_network(args.checkpoint)
    if args.frames_per_step < 1:
        raise EdgeError(f"--frames-per-step {args.frames_per_step}: expected 1 or more")
    return finish(args, network, export(network, args.name, args.frames_per_step, about))


def run_quantize(args: argparse.Namespace) -> int:
    from models.checkpoint import load_network
    from quantization.artifact import read_artifact
    from quantization.quantize import quantize

    check_output(args)
    network, _ = load_network(args.checkpoint)
    return finish(args, network, quantize(read_artifact(args.model), args.recipe, args.name))


def check_output(args: argparse.Namespace) -> None:
    """Before the work: the name is one, and nothing is overwritten."""
    from edge_sdk.contract import NAME
    from edge_sdk.errors import EdgeError
    from quantization.artifact import check_free

    if not NAME.fullmatch(args.name):
        raise EdgeError(f"--name {args.name!r}: expected small letters, digits, '.', '_' and '-', at most 64")
    if not args.force:
        check_free(args.out, args.name)


def finish(args: argparse.Namespace, network: Any, artifact: Any) -> int:
    """Prove, write, say what was written."""
    from quantization.artifact import write_artifact
    from quantization.parity import check, record

    parity = record(check(network, artifact, args.mixture))
    manifest = replace(artifact.manifest, provenance={**artifact.manifest.provenance, "parity": parity})
    path = write_artifact(replace(artifact, manifest=manifest), args.out, args.force)
    if args.json:
        print(json.dumps({"model": str(path), "bytes": manifest.size, "sha256": manifest.sha256, "parity": parity}))
    else:
        print(
            f"{path}: {manifest.recipe}, {manifest.size / 1e6:.2f} MB, latency "
            f"{1000 * manifest.latency / manifest.sample_rate:g} ms, {parity['model_db']} dB from the network "
            f"(at least {parity['floor_db']:g} expected)"
        )
    return 0


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


def run_card(args: argparse.Namespace) -> int:
    from edge_sdk.contract import read_bundle, write_files
    from edge_sdk.errors import EdgeError
    from quantization.card import card, replace_measured, results_table

    manifests = [read_bundle(path).manifest for path in args.bundles]
    try:
        pages = {args.out: card(manifests, args.notes.read_text(encoding="utf-8"))}
        if args.page:
            page = args.page.read_text(encoding="utf-8")
            pages[args.page] = replace_measured(page, results_table(manifests), str(args.page))
        write_files({path: text.encode() for path, text in pages.items()})
    except (OSError, UnicodeDecodeError) as error:
        raise EdgeError(f"card: {error}") from error
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
