"""`edge-sdk report`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quantization.artifact import Artifact
    from quantization.sensitivity import Sensitivity
    from quantization.versions import Version

    Layers = tuple[str, Sequence[Sensitivity]]  # what was done to them, and what that cost


def register(commands: Any) -> None:
    """Add `report`."""
    report = commands.add_parser("report", help="one page that compares versions of a network, to read and to hear")
    report.add_argument(
        "versions",
        nargs="+",
        metavar="VERSION",
        help="checkpoint.safetensors, model.tflite, bundle.edge or a shipped name; the first is what others lose to",
    )
    report.add_argument(
        "--set",
        type=Path,
        required=True,
        metavar="SET",
        help="folder of a frozen set, or of mixtures/ and sources/, or a recipe: its [dev] table",
    )
    report.add_argument("--data", type=Path, help="folder that the recipe's folders are in")
    report.add_argument("--cache", type=Path, help="folder for decoded recordings (default: ~/.cache/edge-sdk)")
    report.add_argument("--count", type=int, help="only the first mixtures of the set")
    report.add_argument(
        "--layers",
        metavar="RECIPE|FILE.json",
        help="also the loss by single layers: of the first version in a recipe such as dynamic_int8, which takes "
        "minutes, or as edge-sdk sensitivity --json wrote it",
    )
    report.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for index.html, comparison.json")
    report.add_argument("--force", action="store_true", help="write into a folder that holds something")
    report.add_argument("--json", action="store_true")
    report.set_defaults(run=run_report)


def run_report(args: argparse.Namespace) -> int:
    from edge_sdk.errors import EdgeError
    from quantization.comparison import compare
    from quantization.comparison_report import printed, write_report
    from quantization.page import PAGE, check_free
    from quantization.regression.clips import check_fits
    from quantization.versions import check_versions, open_versions

    if args.out.is_dir() and any(args.out.iterdir()) and not args.force:
        raise EdgeError(f"{args.out}: not empty; choose another --out or give --force")
    check_free(args.out, "--out", args.force)
    if args.count is not None and args.count < 1:
        raise EdgeError(f"--count {args.count}: expected 1 or more")
    layers: Layers = ("", ())
    if written := args.layers and args.layers.endswith(".json"):
        layers = read_layers(Path(args.layers))
    examples = examples_of(args, check_versions(args.versions))
    versions = open_versions(args.versions)
    floating = whole(args.layers, versions[0]) if args.layers and not written else None
    if versions[0].model:
        check_fits(args.set, versions[0].label, versions[0].model, examples)
    found = compare(versions, examples, args.count)
    if floating:
        layers = measured_layers(args.layers, floating, examples, len(found.mixtures))
    write_report(args.out, found, versions, examples, layers)
    if args.json:
        print(json.dumps(found.data()))
    else:
        print(f"{printed(found)}\n\n{args.out / PAGE}: open it in a browser to look and listen; it needs no network")
    return 0


def examples_of(args: argparse.Namespace, rate: int) -> Any:
    """The set that was given, at the rate of the versions."""
    from models.evaluation.sets import open_examples
    from models.runs import default_cache
    from quantization.regression.clips import open_clips

    if args.set.is_dir():
        return open_clips(args.set, rate)
    return open_examples(args.set, args.data, args.cache or default_cache(), rate)


def read_layers(path: Path) -> Layers:
    """The losses by single layers that `edge-sdk sensitivity --json` wrote."""
    from edge_sdk.contract import parse_json
    from edge_sdk.errors import DataError
    from quantization.sensitivity import Sensitivity

    try:
        found: Any = parse_json(path.read_bytes())
        rows = [
            Sensitivity(str(row["layer"]), *(float(row[key]) for key in ("share", "loss_db", "worst_db")))
            for row in found["layers"]
        ]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give what sensitivity --json wrote") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not what edge-sdk sensitivity --json writes ({error!r})") from error
    return f"Loss by single layers, from {path.name}", rows


def whole(recipe: str, version: Version) -> Artifact:
    """The model whose single layers are put into a recipe; `EdgeError` where that cannot be done here."""
    from edge_sdk.errors import EdgeError
    from quantization.layers import layers
    from quantization.recipes import get_recipe

    precision = get_recipe(recipe).precision
    if version.artifact is None or version.recipe != "float32":
        raise EdgeError(f"--layers {recipe}: {version.label} is {version.recipe}; give a float32 version first")
    if any(precision(layer).static for layer in layers(version.artifact.model)):
        raise EdgeError(
            f"--layers {recipe}: it has fixed scales for activations; measure with edge-sdk sensitivity "
            "--calibration MIXTURES --json > FILE.json and give that file"
        )
    return version.artifact


def measured_layers(recipe: str, artifact: Artifact, examples: Any, count: int) -> Layers:
    """The losses by single layers of a float32 model."""
    from quantization.scoring import reference_of
    from quantization.sensitivity import quantized_alone

    reference = reference_of(examples)
    pairs = [(example.mixture, example.sources) for example in (examples[index] for index in range(count))]
    if artifact.manifest.mics == 1:
        pairs, reference = [(mixture[[reference]], sources) for mixture, sources in pairs], 0
    rows = list(quantized_alone(artifact, recipe, pairs, reference))
    return f"Loss by one layer alone in {recipe}", rows
