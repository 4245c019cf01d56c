"""`edge-sdk import`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.importing import Imported


def register(commands: Any) -> None:
    """Add `import`."""
    parser = commands.add_parser("import", help="take over a checkpoint of Asteroid or torchaudio")
    parser.add_argument("source", type=Path, metavar="SOURCE", help="what torch.save has written; nothing in it is run")
    parser.add_argument("--out", type=Path, required=True, metavar="CHECKPOINT.safetensors")
    parser.add_argument(
        "--set",
        dest="given",
        type=argument,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument of the network that is not in the file, in the words of its toolkit; may be repeated",
    )
    parser.add_argument("--force", action="store_true", help="overwrite the checkpoint")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run_import)


def argument(text: str) -> tuple[str, Any]:
    """Name and value, which is a number, true, false, null, or else text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text}: expected NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def run_import(args: argparse.Namespace) -> int:
    from edge_sdk.errors import EdgeError
    from models.checkpoint import save_network
    from models.importing import import_checkpoint

    if args.out.exists() and not args.force:
        raise EdgeError(f"{args.out} exists; choose another --out or give --force")
    imported = import_checkpoint(args.source, dict(args.given))
    save_network(args.out, imported.network, imported.about)
    print(json.dumps(result(args.out, imported)) if args.json else sentence(args.out, imported))
    return 0


def result(out: Path, imported: Imported) -> dict[str, Any]:
    """What was imported, as plain data."""
    network = imported.network
    return {
        "out": str(out),
        "toolkit": imported.toolkit,
        "network": imported.name,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "sources": network.config.sources,
        "sample_rate_hz": network.config.sample_rate,
        "causal": not network.future,
        "future": list(network.future),
        "latency_samples": None if network.future else network.latency,
    }


def sentence(out: Path, imported: Imported) -> str:
    """What was imported, for people."""
    network, size, config = imported.network, result(out, imported)["parameters"], imported.network.config
    made = f"{out}: {imported.name} of {imported.toolkit}, {size:,} parameters, {config.sources} sources"
    if network.future:
        parts = ", ".join(network.future)
        use = f"not causal: {parts} need the future, so evaluate it or learn from it; it neither streams nor exports"
    else:
        use = f"causal, latency {network.latency} samples ({1000 * network.latency / config.sample_rate:.1f} ms)"
    return f"{made} at {config.sample_rate} Hz, {use}"
