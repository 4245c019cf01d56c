"""A strict reader of Prometheus' text format, version 0.0.4, for tests."""

from __future__ import annotations

import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
PAIR = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({PAIR}(?:,{PAIR})*)\}})? (\S+)")
KINDS = ("counter", "gauge", "histogram")
Labels = frozenset[tuple[str, str]]


def parse(text: str) -> dict[str, dict[Labels, float]]:
    """Values by name and labels; `AssertionError` for whatever the format, or its rules for names, do not allow."""
    assert text.endswith("\n") and "\r" not in text
    values: dict[str, dict[Labels, float]] = {}
    seen: set[str] = set()
    name = kind = ""
    rows = text.split("\n")[:-1]
    for i, row in enumerate(rows):
        if found := re.fullmatch(rf"# HELP ({NAME}) (.+)", row):
            name = found[1]
            assert name not in seen, f"{name} stands in two places"
            seen.add(name)
            found = re.fullmatch(rf"# TYPE {name} ({'|'.join(KINDS)})", rows[i + 1])
            assert found, rows[i + 1]
            kind = found[1]
            assert (kind == "counter") == name.endswith("_total"), name
        elif not row.startswith("# TYPE "):
            found = SAMPLE.fullmatch(row)
            assert found, row
            allowed = [f"{name}{end}" for end in ("_bucket", "_sum", "_count")] if kind == "histogram" else [name]
            assert found[1] in allowed, f"{found[1]} under {name}"
            pairs = re.findall(PAIR, found[2] or "")
            labels = frozenset((key, re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), v)) for key, v in pairs)
            assert len({key for key, _ in labels}) == len(pairs), row
            of_name = values.setdefault(found[1], {})
            assert labels not in of_name, f"twice: {row}"
            of_name[labels] = value = float(found[found.re.groups].replace("Inf", "inf"))
            assert kind == "gauge" or value >= 0, row
    for bucket in [name for name in values if name.endswith("_bucket")]:
        check_histogram(values, bucket.removesuffix("_bucket"))
    return values


def check_histogram(values: dict[str, dict[Labels, float]], name: str) -> None:
    rungs = sorted(
        (float(dict(labels)["le"].replace("Inf", "inf")), v) for labels, v in values[f"{name}_bucket"].items()
    )
    assert [v for _, v in rungs] == sorted(v for _, v in rungs), f"{name} is not cumulative"
    assert rungs[-1] == (math.inf, values[f"{name}_count"][frozenset()])
    assert f"{name}_sum" in values
