"""`python -m edge_sdk.verifier FILE.edge`: check the model in a bundle, try it, and print what it takes as JSON.

Apart from `edge-sdk`, so that an installer can ask without loading any of this into its own process.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from edge_sdk.contract import Machine, read_bundle, this_machine
from edge_sdk.errors import EdgeError
from edge_sdk.verifier import admit, verify_model


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m edge_sdk.verifier", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundle", type=Path, metavar="FILE.edge")
    parser.add_argument("--array", metavar="NAME", help="of several variants, the one for these microphones")
    parser.add_argument("--no-trial", action="store_true", help="look at the model, do not run it")
    args = parser.parse_args(argv)
    try:
        bundle = read_bundle(args.bundle, machine=Machine(this_machine().cpu, args.array))
        verified = verify_model(bundle.model, bundle.manifest)
        trial = None if args.no_trial else asdict(admit(bundle))
    except EdgeError as error:
        print(f"edge-sdk: {error}", file=sys.stderr)
        return 1
    print(json.dumps({**asdict(verified), "trial": trial}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
