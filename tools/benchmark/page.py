"""python -m tools.benchmark.page REPORT.json ... --out PAGE.html [--force]

Reports of any number of machines, which `make bench` and `edge-sdk bench --out` write, side by side on one page.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path

from edge_sdk.bench_report import Report, Row, read_report
from edge_sdk.contract import write_file
from edge_sdk.errors import EdgeError
from quantization.page import PLACE, asset, definitions
from quantization.tables import Table
from tools.benchmark.plots import plots

LEAD = (
    "Every column is a machine, every figure of one run on it. Compare within a column: machines differ in more than "
    "their processors. Below are the claims as they came out on the first, whose figures are drawn too."
)
TITLES = {
    "claims": "Claims: ratios within one run, and their limits",
    "alternatives": "Other ways to compute the same step",
    "models": "Shipped models",
    "presets": "Presets",
    "small": "Networks of the claims that are no presets",
    "scale": "Cost against size",
    "drift": "Long streams",
    "beams": "Spatial filters",
    "core": "The core",
    "estimates": "Estimates for boards, from published figures, not measured",
}


def page(reports: Sequence[Report], files: Sequence[str]) -> str:
    """The whole page; it loads nothing from anywhere. files: where the reports come from."""
    names, parts = labels(reports), list[str]()
    parts += [f"<h2>{escape(title)}</h2>{drawing}" for title, drawing in plots(reports[0])]
    for group in dict.fromkeys([*TITLES, *(row.group for report in reports for row in report.rows)]):
        columns = [{key(row): row for row in report.rows if row.group == group} for report in reports]
        if keys := list(dict.fromkeys(k for column in columns for k in column)):
            parts.append(table(TITLES.get(group, group), names, columns, keys).html())
    machines = (
        (name, ", ".join(f"{field} {value}" for field, value in report.machine.items() if field != "name"))
        for name, report in zip(names, reports, strict=True)
    )
    filled = {
        "title": "edge-sdk benchmarks",
        "lead": LEAD,
        "headline": definitions((row.subject, f"{row.value:.2f}") for row in reports[0].rows if row.group == "claims"),
        "main": "".join(parts),
        "about": definitions(machines),
        "data": escape(", ".join(files)),
        "style": asset("page.css"),
        "script": "",
    }
    return PLACE.sub(lambda place: filled[place[1]], asset("page.html"))


def key(row: Row) -> tuple[str, str, str]:
    return row.subject, row.variant, row.measure


def table(
    title: str,
    names: Sequence[str],
    columns: Sequence[dict[tuple[str, str, str], Row]],
    keys: Sequence[tuple[str, ...]],
) -> Table:
    """One line per measure, one column per machine."""
    lines = []
    for each in keys:
        cells = [column.get(each) for column in columns]
        unit = next(cell.unit for cell in cells if cell)
        label = ", ".join(part for part in each if part) + (f" [{unit}]" if unit else "")
        lines.append((label, *(f"{cell.value:.4g}" if cell else "" for cell in cells)))
    return Table(title, ("", *names), tuple(lines))


def labels(reports: Sequence[Report]) -> list[str]:
    """The machines' names, numbered where two are alike."""
    names = [str(report.machine.get("name", "unknown")) for report in reports]
    return [f"{name} ({number})" if names.count(name) > 1 else name for number, name in enumerate(names, 1)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", nargs="+", type=Path, metavar="REPORT.json")
    parser.add_argument("--out", type=Path, required=True, metavar="PAGE.html")
    parser.add_argument("--force", action="store_true", help="overwrite it")
    args = parser.parse_args()
    if args.out.exists() and not args.force:
        raise EdgeError(f"{args.out} exists; choose another --out or give --force")
    html = page([read_report(path) for path in args.reports], [path.name for path in args.reports])
    try:
        write_file(args.out, html.encode())
    except OSError as error:
        raise EdgeError(f"{args.out}: cannot be written ({error.strerror}); choose another --out") from error
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EdgeError as error:
        sys.exit(f"edge-sdk: {error}")
