"""`edge-sdk boards`."""

from __future__ import annotations

import argparse
import json
from typing import Any


def register(commands: Any) -> None:
    """Add `boards`."""
    boards = commands.add_parser("boards", help="list known boards, or show one and where its facts come from")
    boards.add_argument("board", nargs="?", metavar="NAME", help="a known board, or a TOML file that describes yours")
    boards.add_argument("--json", action="store_true", help="print what is known as JSON")
    boards.set_defaults(run=run_boards)


def run_boards(args: argparse.Namespace) -> int:
    from edge_sdk.contract import to_plain
    from firmware_bridge.boards import known_boards, load_board

    if args.board is None:
        boards = [load_board(name) for name in known_boards()]
        if args.json:
            print(json.dumps([to_plain(board) for board in boards]))
            return 0
        print(f"{'name':22} {'cpu':8} {'MiB':>5} {'runtime':15} {'array':17} title")
        for board in boards:
            about = f"{board.memory_mib:5} {board.runtime:15} {board.array or '-':17}"
            print(f"{board.name:22} {board.cpu:8} {about} {board.title}")
        return 0
    plain = to_plain(load_board(args.board))
    if args.json:
        print(json.dumps(plain))
        return 0
    sources = plain.pop("sources")
    for name, value in plain.items():
        why = f"  ({sources[name]})" if name in sources else ""
        print(f"{name:12} {'-' if value is None else value}{why}")
    return 0
