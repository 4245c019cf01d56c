"""`edge-sdk models --all`, and presets and checkpoints in `edge-sdk latency`."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_sdk.contract import LatencyPart
    from models.network import Network


def register(commands: Any) -> None:
    """Add to `models` and `latency`, which every installation has, what takes torch."""
    models, latency = commands.choices["models"], commands.choices["latency"]
    models.add_argument(
        "--all", action="store_true", help="list the presets too: networks to train, and what they cost"
    )
    shipped: Callable[[argparse.Namespace], int] = models.get_default("run")
    models.set_defaults(run=lambda args: run_presets(args, shipped) if args.all else shipped(args))
    latency.set_defaults(finders=(*latency.get_default("finders"), of_network))


def run_presets(args: argparse.Namespace, shipped: Callable[[argparse.Namespace], int]) -> int:
    """What is shipped, then the presets."""
    from models.zoo import PRESETS, build

    if args.json:
        with contextlib.redirect_stdout(io.StringIO()) as text:
            shipped(args)
        rows = [describe(name, build(config)) for name, config in PRESETS.items()]
        print(json.dumps({"shipped": json.loads(text.getvalue()), "presets": rows}))
        return 0
    shipped(args)
    print(f"\n{'preset':28} {'Hz':>6} {'mics':>4} {'sources':>7} {'ms':>5}", end=" ")
    print(f"{'M par.':>7} {'MMAC/s':>7} {'MB':>6} {'state kB':>8}")
    for name, config in PRESETS.items():
        row = describe(name, build(config))
        print(
            f"{name:28} {row['sample_rate_hz']:6} {row['mics']:4} {row['sources']:7} {row['latency_ms']:5.1f}"
            f" {row['parameters'] / 1e6:7.2f} {row['macs_per_second'] / 1e6:7.0f} {row['weight_bytes'] / 1e6:6.2f}"
            f" {row['state_bytes'] / 1e3:8.1f}"
        )
    return 0


def describe(name: str, network: Network) -> dict[str, Any]:
    """What a user chooses a preset by; bytes are those of float32."""
    from models.costs import costs

    found, rate_hz = costs(network.eval()), network.config.sample_rate
    return {
        "name": name,
        "sample_rate_hz": rate_hz,
        "mics": network.mics,
        "sources": network.config.sources,
        "latency_ms": 1e3 * found.latency / rate_hz,
        "parameters": found.parameters,
        "macs_per_second": found.macs,
        "weight_bytes": found.weight_bytes,
        "state_bytes": found.state_bytes,
    }


def of_network(args: argparse.Namespace) -> tuple[int, tuple[LatencyPart, ...]] | None:
    """Sample rate in Hz and parts of a preset or of the network in a checkpoint."""
    from edge_sdk.errors import EdgeError
    from models.checkpoint import load_network
    from models.costs import explain_latency
    from models.zoo import PRESETS, build

    path = Path(args.model)
    if path.suffix == ".safetensors":
        network, _ = load_network(path)
    elif args.model in PRESETS and not path.exists():
        network = build(PRESETS[args.model])
    else:
        return None
    try:
        return network.config.sample_rate, explain_latency(network, args.frames_per_step or 1)
    except ValueError as error:
        raise EdgeError(f"{args.model}: {error}") from error
