"""`edge-sdk pack` and `edge-sdk inspect`; the other commands of this package are beside it."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_sdk.errors import EdgeError, ManifestError
from firmware_bridge import board_commands, fleet_commands, install_commands, service_commands, signing_commands


def register(commands: Any) -> None:
    """Add the commands that this installation can run."""
    pack = commands.add_parser("pack", help="pack a model, or several variants of it, into one bundle for the board")
    pack.add_argument(
        "model", type=Path, metavar="MODEL.tflite", help="or RELEASE.toml, which names variants and what each fits"
    )
    pack.add_argument("--manifest", type=Path, metavar="MODEL.json", help="default: beside the model")
    pack.add_argument("--out", type=Path, required=True, metavar="NAME.edge")
    pack.add_argument("--name", help="name of the model in the bundle")
    pack.add_argument("--quality", type=Path, metavar="FILE.json", help="what was measured, kept in the manifest")
    pack.add_argument("--sign", type=Path, action="append", default=[], metavar="KEY", help="sign it; again for more")
    pack.add_argument("--force", action="store_true", help="overwrite the bundle")
    fleet_commands.add_fleet(pack)
    pack.set_defaults(run=run_pack)

    inspect = commands.add_parser("inspect", help="check a bundle for damage and show what is in it")
    inspect.add_argument("bundle", type=Path, metavar="FILE.edge")
    inspect.add_argument(
        "--variant", metavar="NAME", help="of several: default is what fits this machine, or the first"
    )
    inspect.add_argument("--json", action="store_true", help="print it as JSON")
    inspect.set_defaults(run=run_inspect)

    signing_commands.register(commands)
    install_commands.register(commands)
    service_commands.register(commands)
    board_commands.register(commands)
    fleet_commands.register(commands)


def run_pack(args: argparse.Namespace) -> int:
    from firmware_bridge.bundle import pack, pack_release, write_whole
    from firmware_bridge.release_file import read_release_file
    from firmware_bridge.signing import load_key

    if args.out.exists() and not args.force:
        raise EdgeError(f"{args.out} exists; choose another --out or give --force")
    if args.format != "edge":
        fleet_commands.run_pack_fleet(args)
        return 0
    fleet_commands.check_not_fleet(args)
    if args.model.suffix == ".toml":
        if args.manifest or args.name or args.quality:
            raise EdgeError(f"{args.model} names manifests and models; leave --manifest, --name and --quality out")
        release, variants = read_release_file(args.model)
        keys = [load_key(path) for path in args.sign]
        times = release.created, release.expires
        data = pack_release(release.name, release.version, variants, keys, release.security_epoch, *times)
    else:
        manifest, model = described_model(args)
        data = pack(manifest, model, [load_key(path) for path in args.sign])
    write_whole(args.out, data)
    print(args.out)
    return 0


def described_model(args: argparse.Namespace) -> tuple[Any, bytes]:
    """The manifest, with the name and figures that were asked for, and the model."""
    from edge_sdk.contract import manifest_from_json, parse_json
    from firmware_bridge.release_file import read_file

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
    return manifest, model


def run_inspect(args: argparse.Namespace) -> int:
    from edge_sdk.contract import Machine, read_bundle, to_plain

    bundle = read_bundle(args.bundle, machine=Machine(), variant=args.variant)
    signatures = [] if bundle.envelope is None else [signature.key for signature in bundle.envelope.signatures]
    release = None if bundle.release is None else to_plain(bundle.release)
    plain = bundle.manifest.to_plain()
    if args.json:
        print(json.dumps({"release": release, "manifest": plain, "signatures": signatures}))
        return 0
    for name, value in {**(release or {}), **plain}.items():
        print(f"{name:16} {value if isinstance(value, str) else json.dumps(value)}")
    for key in signatures:
        print(f"{'signed by':16} {key} (not checked: edge-sdk verify)")
    if not signatures:
        print(f"{'signed by':16} nobody")
    return 0
