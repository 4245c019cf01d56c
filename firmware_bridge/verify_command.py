"""`edge-sdk verify`: who signed a bundle, whether it is whole, and what machines its variants are for."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_sdk.contract import Machine, Release
    from edge_sdk.contract.release import Fits


def register(commands: Any) -> None:
    """Add `verify`."""
    verify = commands.add_parser(
        "verify",
        help="check a bundle: who signed it, every byte of it, and what its variants are for",
        epilog="example: edge-sdk verify FILE.edge --trust TRUST.json --cpu armv7l --runtime tflite-runtime",
    )
    verify.add_argument("bundle", type=Path, metavar="FILE.edge")
    accepted = verify.add_mutually_exclusive_group(required=True)
    accepted.add_argument("--trust", type=Path, metavar="TRUST.json", help="take what its release keys have signed")
    accepted.add_argument("--allow-unsigned", action="store_true", help="look for damage only, not at signatures")
    verify.add_argument("--unlocked", action="store_true", help="as a device that takes development keys")
    machine = verify.add_argument_group(
        "machine", "refuse a bundle of which no variant is for it (default: any machine)"
    )
    machine.add_argument("--board-type", metavar="NAME", help="a known board, or its TOML file (edge-sdk boards)")
    machine.add_argument("--cpu", metavar="NAME", help="as uname -m says it: aarch64, armv7l, x86_64")
    machine.add_argument("--runtime", metavar="NAME", help="package of the interpreter: ai-edge-litert, tflite-runtime")
    machine.add_argument("--array", metavar="NAME", help="the microphones (edge-sdk arrays)")
    verify.add_argument("--json", action="store_true", help="print the result as JSON")
    verify.set_defaults(run=run_verify)


def run_verify(args: argparse.Namespace) -> int:
    from edge_sdk.contract import Machine, fits_of, read_bundle, to_plain
    from firmware_bridge.trust import read_policy

    policy = read_policy(args.trust, args.unlocked) if args.trust else None
    machine = asked_for(args)
    bundle = read_bundle(args.bundle, policy, machine)
    about, release = bundle.release or bundle.manifest, bundle.release
    result = {
        "bundle": str(args.bundle),
        "name": about.name,
        "version": about.version,
        "security_epoch": bundle.security_epoch,
        "variants": [variant.name for variant in release.variants] if release else [],
        "fits": {variant.name: to_plain(variant.fits) for variant in release.variants} if release else {},
        "runs": release.choose(machine, None, str(args.bundle)).name if release else None,
        "role": bundle.role,
    }
    if args.json:
        print(json.dumps(result))
        return 0
    signed = f"signed by a {bundle.role} key" if bundle.role else "whole, signatures not checked"
    print(f"{args.bundle}: {about.name} {about.version}, {signed}")
    if release is not None:
        print("\n".join(rows(release, machine)))
    elif machine != Machine():
        print(f"  one variant, for {described(fits_of(bundle.manifest))}")
    return 0


def asked_for(args: argparse.Namespace) -> Machine:
    """The machine of the options, whatever this one is; what nobody named refuses nothing."""
    from edge_sdk.contract import Machine
    from firmware_bridge.boards import load_board

    machine = load_board(args.board_type).machine if args.board_type else Machine()
    named = {what: getattr(args, what) for what in ("cpu", "array", "runtime") if getattr(args, what) is not None}
    return replace(machine, **named)


def rows(release: Release, machine: Machine) -> list[str]:
    """A line for every variant: what it is for, and whether it is what would run there."""
    found, chosen = [], release.choose(machine, None, release.name)
    for variant in release.variants:
        refusal = variant.fits.refusal(machine)
        said = f"no: {refusal}" if refusal else "runs" if variant is chosen else "fits, but one before it does too"
        found.append(f"  {variant.name:16} for {described(variant.fits)}: {said}")
    return found


def described(fits: Fits) -> str:
    """The machines that a variant is for."""
    allowed = {"processor": fits.cpus, "runtime": fits.runtimes, "array": fits.arrays}
    return "; ".join(f"{what} {' or '.join(names)}" for what, names in allowed.items() if names) or "any machine"
