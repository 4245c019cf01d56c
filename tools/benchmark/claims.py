"""What the README says of speed, each as a ratio of two rows of the same run and a limit that it stays below."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge_sdk.bench_report import Row
from tools.benchmark.alternatives import CONTEXTS, MATRICES, ONNX, OURS
from tools.benchmark.host import EXTENSION

Key = tuple[str, str, str, str]  # group, subject, variant, measure


@dataclass(frozen=True)
class Claim:
    """One row over another, or one row alone."""

    text: str
    row: Key
    limit: float
    beside: Key | None = None


def way(subject: str, frames: int, name: str) -> Key:
    return "alternatives", f"{subject}, {frames} frame{'s' if frames > 1 else ''} per step", name, "p50"


def real_time(name: str, frames: int) -> Key:
    return "presets", name, f"dynamic_int8, {frames} frame{'s' if frames > 1 else ''}", "real-time factor"


PAPER, INT8 = "conv-tasnet-paper", "dynamic_int8"
CLAIMS = (
    Claim(
        "paper-size Conv-TasNet, int8, 8 frames: a block beside its matrices alone",
        way(PAPER, 8, f"{OURS}, {INT8}"),
        1.5,
        way(PAPER, 8, f"{MATRICES}, {INT8}"),
    ),
    Claim(
        "the same beside whole contexts in and out",
        way(PAPER, 8, f"{OURS}, {INT8}"),
        0.75,
        way(PAPER, 8, f"{CONTEXTS}, {INT8}"),
    ),
    Claim("the same beside onnxruntime in float32", way(PAPER, 8, f"{OURS}, {INT8}"), 0.35, way(PAPER, 8, ONNX)),
    Claim(
        "1 frame: beside whole contexts in and out",
        way(PAPER, 1, f"{OURS}, {INT8}"),
        0.55,
        way(PAPER, 1, f"{CONTEXTS}, {INT8}"),
    ),
    Claim(
        "small Conv-TasNet, int8, 8 frames of 2 ms windows: of real time",
        ("small", "conv-tasnet-small", INT8, "real-time factor"),
        0.015,
    ),
    Claim(
        "enhance-mono, int8, paced, C extension: the host's share of a block",
        ("host", "enhance-mono", f"{INT8}, paced, {EXTENSION}", "host share"),
        0.25,
    ),
    Claim(
        "paper-size Conv-TasNet, int8, 8 frames, C extension: the host's share of a block",
        ("host", f"{PAPER}, 8 frames per step", f"{INT8}, hot, {EXTENSION}", "host share"),
        0.1,
    ),
    Claim(
        "FaSNet-TAC with 4 microphones, int8: of real time",
        ("small", "fasnet-tac-edge, 4 microphones", INT8, "real-time factor"),
        0.25,
    ),
    Claim("lstm-tasnet-edge, int8: of real time", real_time("lstm-tasnet-edge", 1), 0.1),
)


def rows(measured: Iterable[Row]) -> list[Row]:
    """A row for every claim whose figures were measured; `holds` is 1 or 0."""
    values = {(row.group, row.subject, row.variant, row.measure): row.value for row in measured}
    found = []
    for claim in CLAIMS:
        if claim.row in values and (claim.beside is None or claim.beside in values):
            ratio = values[claim.row] / (values[claim.beside] if claim.beside else 1.0)
            found.append(Row("claims", claim.text, f"at most {claim.limit:g}", "ratio", ratio))
    return found


def holds(row: Row) -> bool:
    """Whether a row of the group `claims` is below its limit."""
    return row.value <= float(row.variant.removeprefix("at most "))
