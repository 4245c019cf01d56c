"""`edge-sdk card`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add `card`."""
    card = commands.add_parser("card", help="write a model card from the manifests of bundles")
    card.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE.edge", help="the same model in several recipes")
    card.add_argument(
        "--notes", type=Path, required=True, help="Markdown for what no manifest holds: use, data, limits"
    )
    card.add_argument(
        "--evaluation", type=Path, help="JSON of edge-sdk evaluate --clips --probes: adds its tables and a plot"
    )
    card.add_argument(
        "--minutes", type=Path, help="JSON of edge-sdk evaluate on long mixtures: adds how often talkers swap"
    )
    card.add_argument("--out", type=Path, required=True, help="the card, a Markdown file; overwritten")
    card.add_argument("--page", type=Path, help="a page whose part marked with the model's name gets the results too")
    card.set_defaults(run=run_card)


def run_card(args: argparse.Namespace) -> int:
    from edge_sdk.contract import read_bundle, write_files
    from edge_sdk.errors import EdgeError
    from quantization.card import card, plot_of, replace_measured, results_table

    manifests = [read_bundle(path).manifest for path in args.bundles]
    pages, plot, evaluation, minutes = {}, "", None, None
    try:
        if args.evaluation:
            evaluation = json.loads(args.evaluation.read_text(encoding="utf-8"))
            end, drawing = plot_of(evaluation, manifests[0].sources)
            plot = f"{args.out.stem}-{end}.svg"
            pages[args.out.with_name(plot)] = drawing
        if args.minutes:
            minutes = json.loads(args.minutes.read_text(encoding="utf-8"))
        notes = args.notes.read_text(encoding="utf-8")
        pages[args.out] = card(manifests, notes, evaluation, plot, minutes)
        if args.page:
            page = args.page.read_text(encoding="utf-8")
            pages[args.page] = replace_measured(page, results_table(manifests), manifests[0].name, str(args.page))
        write_files({path: text.encode() for path, text in pages.items()})
    except (OSError, ValueError) as error:
        raise EdgeError(f"card: {error}") from error
    except (KeyError, TypeError) as error:
        raise EdgeError(
            f"{args.evaluation}: expected what edge-sdk evaluate --json --clips wrote, and of several talkers for "
            f"--minutes ({error!r})"
        ) from error
    return 0
