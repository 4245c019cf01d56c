#!/usr/bin/env python3
"""Name the authors of the recordings that a model was trained on, as a Markdown page on standard output.

usage: tools/data_attribution.py MODEL MANIFEST.csv [FOLDER...] [MANIFEST.csv [FOLDER...]]...
  FOLDER  of the recipe's [data], seen from the manifest: only recordings in it are named; none: all of the manifest

A manifest has the columns path, corpus, seconds, licence and attribution; mail addresses in the last are left out.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import defaultdict
from pathlib import Path

Corpus = tuple[str, str]  # its folder and its name
MAIL = re.compile(r"\s*[<(]?[^\s<>(),;]+@[^\s<>(),;]+[>)]?")  # with the brackets around it


def corpora(manifest: Path, folders: list[str]) -> dict[Corpus, list[dict[str, str]]]:
    """The rows of a manifest that are in the folders, by corpus; without folders all, as of the manifest's own one.

    Raises `SystemExit` where a folder has none.
    """
    with manifest.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    found: dict[Corpus, list[dict[str, str]]] = defaultdict(list)
    for folder in folders or [""]:
        inside = [row for row in rows if row["path"].startswith(folder)]
        if not inside:
            sys.exit(f"{manifest}: no recording's path begins with {folder or 'anything'}")
        for row in inside:
            found[folder or manifest.absolute().parent.name, row["corpus"]].append(row)
    return found


def authors(rows: list[dict[str, str]]) -> list[str]:
    """A line for every author and licence, with the number of files."""
    files: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        files[MAIL.sub("", row["attribution"]), row["licence"]] += 1
    return [f"- {attribution} ({licence}), {count}" for (attribution, licence), count in sorted(files.items())]


def main(model: str, *places: str) -> None:
    manifests: dict[Path, list[str]] = {}
    for place in places:
        if place.endswith(".csv"):
            folders = manifests.setdefault(Path(place), [])
        else:
            folders.append(place)
    print(f"# Recordings that {model} was trained on\n")
    print("Author and source, licence, number of files. The recordings were cut, resampled and levelled, then mixed.")
    for manifest, folders in manifests.items():
        for (folder, name), rows in sorted(corpora(manifest, folders).items()):
            minutes = sum(float(row["seconds"]) for row in rows) / 60
            print(f"\n## {folder}: {name}, {minutes:.1f} minutes\n")
            print("\n".join(authors(rows)))


if __name__ == "__main__":
    if len(sys.argv) < 3 or not sys.argv[2].endswith(".csv"):
        sys.exit(__doc__)
    main(*sys.argv[1:])
