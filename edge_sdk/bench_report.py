"""Benchmark results as one JSON file per machine, so that those of several boards can stand side by side.

Every figure is a row: what was measured on what, in which variant. `edge-sdk bench --out` writes such a file on a
device, `make bench` one of the whole suite; `python -m tools.benchmark.page` renders any number of them.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_sdk.bench import Figures, cpu_name
from edge_sdk.contract import from_plain, parse_json, to_plain, write_file
from edge_sdk.errors import EdgeError

FORMAT = "edge-sdk bench 1"
UNITS = {"us": "us", "ms": "ms", "s": "s", "mb": "MB", "share": "", "factor": ""}


@dataclass(frozen=True)
class Row:
    """One figure. group: what is compared with what, such as `models`; subject: a model or network; variant: how it
    was run; measure: of what, such as `p50`; unit: `us`, `MB`, `GMAC/s`, or empty for a ratio."""

    group: str
    subject: str
    variant: str
    measure: str
    value: float
    unit: str = ""


@dataclass(frozen=True)
class Report:
    """All figures of a machine."""

    machine: dict[str, Any]
    rows: tuple[Row, ...]
    format: str = FORMAT


def this_machine(label: str = "") -> dict[str, Any]:
    """What the figures depend on besides the software; label: what its owner calls it."""
    import numpy as np

    return {
        "name": label or cpu_name(),
        "cpu": cpu_name(),
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def rows_of(figures: Figures) -> list[Row]:
    """The figures of a model as rows: every number whose name ends in its unit."""
    variant = f"{figures.recipe}, {'paced' if figures.paced else 'hot'}, {figures.backend}"
    if figures.accelerator != "cpu":
        variant += f", {figures.accelerator}"
    if figures.threads > 1:
        variant += f", {figures.threads} threads"
    if figures.host != "NumPy":
        variant += f", {figures.host}"
    rows = []
    for name, value in asdict(figures).items():
        measure, _, unit = name.rpartition("_")
        if unit in UNITS and not isinstance(value, str):
            measure = f"{measure} {unit}" if not UNITS[unit] else measure
            rows.append(Row("models", figures.model, variant, measure.replace("_", " "), float(value), UNITS[unit]))
    return rows


def write_report(report: Report, path: Path, force: bool = False) -> None:
    """Write the JSON file, whole or not at all; `EdgeError` where it exists and not `force`, or cannot be written."""
    if path.exists() and not force:
        raise EdgeError(f"{path} exists; choose another --out or give --force")
    try:
        write_file(path, json.dumps(to_plain(report), indent=1).encode() + b"\n")
    except OSError as error:
        raise EdgeError(f"{path}: cannot be written ({error.strerror}); choose another --out") from error


def read_report(path: Path) -> Report:
    """The report in a file; `EdgeError` where it is none."""
    try:
        report = from_plain(Report, parse_json(path.read_bytes()))
    except OSError as error:
        raise EdgeError(f"{path}: {error.strerror}; expected a file that edge-sdk bench --out wrote") from error
    except ValueError as error:
        raise EdgeError(f"{path}: not a benchmark report ({error}); edge-sdk bench --out writes one") from error
    if report.format != FORMAT:
        raise EdgeError(f"{path}: {report.format!r}, expected {FORMAT!r}; write it with the same version of edge-sdk")
    return report
