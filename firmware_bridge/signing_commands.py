"""`edge-sdk keygen`, `trust` and `sign`; `verify` is beside it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from edge_sdk.errors import EdgeError
from firmware_bridge import verify_command


def register(commands: Any) -> None:
    """Add the commands that this installation can run."""
    keygen = commands.add_parser("keygen", help="make an Ed25519 key: NAME.key for its owner alone, NAME.pub for all")
    keygen.add_argument("key", type=Path, metavar="NAME.key")
    keygen.add_argument("--force", action="store_true", help="overwrite, which destroys the key that is there")
    keygen.add_argument("--json", action="store_true", help="print the result as JSON")
    keygen.set_defaults(run=run_keygen)

    trust = commands.add_parser("trust", help="make the trust file that tells devices whose bundles to take")
    for role, what in (("root", "sign trust files"), ("release", "sign bundles"), ("dev", "sign for unlocked devices")):
        trust.add_argument(
            f"--{role}", type=Path, action="append", default=[], metavar="NAME.pub", help=f"may {what}; again for more"
        )
        trust.add_argument(f"--{role}-threshold", type=int, default=1, metavar="N", help="keys that must sign")
    trust.add_argument("--sign", type=Path, action="append", required=True, metavar="ROOT.key", help="again for more")
    trust.add_argument("--after", type=Path, metavar="TRUST.json", help="the one it follows: its roots must sign too")
    trust.add_argument("--out", type=Path, required=True, metavar="TRUST.json")
    trust.add_argument("--force", action="store_true", help="overwrite the file")
    trust.set_defaults(run=run_trust)

    sign = commands.add_parser("sign", help="add signatures to a bundle")
    sign.add_argument("bundle", type=Path, metavar="FILE.edge")
    sign.add_argument("--key", type=Path, action="append", required=True, metavar="KEY", help="again for more")
    sign.add_argument("--out", type=Path, metavar="FILE.edge", help="default: the same file")
    sign.add_argument("--force", action="store_true", help="overwrite --out")
    sign.set_defaults(run=run_sign)

    verify_command.register(commands)


def run_keygen(args: argparse.Namespace) -> int:
    from firmware_bridge.signing import generate_key

    key = generate_key(args.key, args.force)
    if args.json:
        print(json.dumps({"key": str(args.key), "public": str(args.key.with_suffix(".pub")), "id": key.id}))
    else:
        print(f"{args.key}: key {key.id}")
    return 0


def run_trust(args: argparse.Namespace) -> int:
    from edge_sdk.contract import Role, Trust
    from edge_sdk.contract.keys import ROLES
    from firmware_bridge.bundle import write_whole
    from firmware_bridge.signing import load_key, load_public
    from firmware_bridge.trust import make_trust, read_trust

    if args.out.exists() and not args.force:
        raise EdgeError(f"{args.out} exists; choose another --out or give --force")
    given, after = vars(args), read_trust(args.after) if args.after else None
    root, release, dev = (Role(tuple(load_public(p).hex() for p in given[r]), given[f"{r}_threshold"]) for r in ROLES)
    keys = [load_key(path) for path in args.sign]
    try:
        trust = Trust(1 if after is None else after.version + 1, root, release, dev)
    except ValueError as error:
        raise EdgeError(f"{args.out}: not made ({error})") from error
    write_whole(args.out, make_trust(trust, keys, after, str(args.out)))
    print(args.out)
    return 0


def run_sign(args: argparse.Namespace) -> int:
    from firmware_bridge.bundle import sign_bundle
    from firmware_bridge.signing import load_key

    if args.out and args.out.exists() and not args.force:
        raise EdgeError(f"{args.out} exists; choose another --out or give --force")
    sign_bundle(args.bundle, args.out or args.bundle, [load_key(path) for path in args.key])
    print(args.out or args.bundle)
    return 0
