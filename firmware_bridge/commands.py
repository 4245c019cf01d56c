"""`edge-sdk pack` and `edge-sdk inspect`."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_sdk.errors import BundleError, EdgeError, ManifestError


def register(commands: Any) -> None:
    """Add the commands that this installation can run."""
    pack = commands.add_parser("pack", help="pack a model and its manifest into one bundle for the board")
    pack.add_argument("model", type=Path, metavar="MODEL.tflite")
    pack.add_argument("--manifest", type=Path, metavar="MODEL.json", help="default: beside the model")
    pack.add_argument("--out", type=Path, required=True, metavar="NAME.edge")
    pack.add_argument("--name", help="name of the model in the bundle")
    pack.add_argument("--quality", type=Path, metavar="FILE.json", help="what was measured, kept in the manifest")
    pack.add_argument("--force", action="store_true", help="overwrite the bundle")
    pack.set_defaults(run=run_pack)

    inspect = commands.add_parser("inspect", help="verify a bundle and show its manifest")
    inspect.add_argument("bundle", type=Path, metavar="FILE.edge")
    inspect.add_argument("--json", action="store_true", help="print the manifest as JSON")
    inspect.set_defaults(run=run_inspect)


def run_pack(args: argparse.Namespace) -> int:
    from edge_sdk.contract import manifest_from_json, parse_json
    from firmware_bridge.bundle import write_bundle

    if args.out.exists() and not args.force:
        raise EdgeError(f"{args.out} exists; choose another --out or give --force")
    beside = args.manifest or args.model.with_suffix(".json")
    model, manifest = read_file(args.model), manifest_from_json(read_file(beside), str(beside))
    try:
        if args.name is not None:
            manifest = replace(manifest, name=args.name)
        if args.quality:
            quality = parse_json(read_file(args.quality))
            if not isinstance(quality, dict):
                raise ValueError(f"{args.quality}: expected a JSON object")
            # Single figures; what a report adds in tables and lists would fill the manifest.
            figures = {key: value for key, value in quality.items() if not isinstance(value, dict | list)}
            manifest = replace(manifest, quality=figures)
    except ValueError as error:
        raise ManifestError(f"{args.out}: not packed ({error})") from error
    write_bundle(args.out, manifest, model)
    print(args.out)
    return 0


def run_inspect(args: argparse.Namespace) -> int:
    from edge_sdk.contract import read_bundle

    plain = read_bundle(args.bundle).manifest.to_plain()
    if args.json:
        print(json.dumps(plain))
    else:
        for name, value in plain.items():
            print(f"{name:16} {value if isinstance(value, str) else json.dumps(value)}")
    return 0


def read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be read ({error.strerror}); give a file that edge-sdk export writes"
        ) from error
