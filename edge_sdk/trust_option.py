"""`--trust`: only bundles that trusted keys have signed are opened."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_sdk.errors import EdgeError

if TYPE_CHECKING:
    from edge_sdk.contract import TrustPolicy


def add_trust(command: argparse.ArgumentParser) -> None:
    """Add the options, which mean what they mean to `edge-sdk verify`."""
    trusted = command.add_argument_group("trust")
    trusted.add_argument(
        "--trust", type=Path, metavar="TRUST.json", help="open only bundles that its release keys have signed"
    )
    trusted.add_argument("--unlocked", action="store_true", help="as a device that takes development keys, too")


def policy_of(args: argparse.Namespace) -> TrustPolicy | None:
    """Whose bundles may be opened; None where nobody asked. Signatures are checked in Python alone."""
    from edge_sdk.contract import MAX_ENVELOPE, SignatureError, TrustPolicy, trust_from_bytes

    if args.trust is None:
        if args.unlocked:
            raise EdgeError("--unlocked is about the keys in a trust file; say which with --trust")
        return None
    try:
        with args.trust.open("rb") as file:
            data = file.read(MAX_ENVELOPE + 1)
    except OSError as error:
        raise SignatureError(
            f"{args.trust}: cannot be read ({error.strerror}); give what edge-sdk trust made"
        ) from error
    return TrustPolicy(trust_from_bytes(data, str(args.trust)), args.unlocked)
