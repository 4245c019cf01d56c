"""`edge-sdk card`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add `card`."""
    card = commands.add_parser("card", help="write a model card from the manifests of bundles")
    card.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE.edge", help="the same model in several recipes")
    card.add_argument(
        "--notes", type=Path, required=True, help="Markdown for what no manifest holds: use, data, limits"
    )
    card.add_argument("--out", type=Path, required=True, help="the card, a Markdown file; overwritten")
    card.add_argument("--page", type=Path, help="a page whose marked part gets the table of results too")
    card.set_defaults(run=run_card)


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
