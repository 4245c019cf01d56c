#!/usr/bin/env python3
"""Name the authors of the recordings that a model was trained on, as a Markdown page on standard output.

usage: tools/data_attribution.py MODEL DATA/manifest.csv FOLDER...
  FOLDER  of the recipe's [data]: only recordings whose path begins so are named

The manifest has the columns path, corpus, seconds, licence and attribution.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict


def main(model: str, manifest: str, *folders: str) -> None:
    with open(manifest, newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["path"].startswith(tuple(folders))]
    if not rows:
        sys.exit(f"{manifest}: no recording's path begins with {' or '.join(folders)}")
    by_corpus: dict[tuple[str, str], dict[tuple[str, str], int]] = defaultdict(lambda: defaultdict(int))
    minutes: dict[tuple[str, str], float] = defaultdict(float)
    for row in rows:
        corpus = next(f for f in folders if row["path"].startswith(f)), row["corpus"]
        by_corpus[corpus][row["licence"], row["attribution"]] += 1
        minutes[corpus] += float(row["seconds"]) / 60
    print(f"# Recordings that {model} was trained on\n")
    print("Author and source, licence, number of files. The recordings were cut, resampled and levelled, then mixed.")
    for corpus in sorted(by_corpus):
        folder, name = corpus
        print(f"\n## {folder}: {name}, {minutes[corpus]:.1f} minutes\n")
        for (licence, attribution), files in sorted(by_corpus[corpus].items(), key=lambda item: item[0][::-1]):
            print(f"- {attribution} ({licence}), {files}")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
