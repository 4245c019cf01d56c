"""Baselines: what a model scored on a set, as JSON that a person reviews and commits.

What may change and what may not. A model is *supposed* to change from one commit to the next, in weights, size and
precision, so its hash is written down for the reader and compared with nothing. What must be the same for losses to
mean anything is what the model is for: its name, its architecture, its rate, microphones and sources. The set must be
the same to the last bit, and so is its hash.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_sdk.contract import from_plain, parse_json, to_plain, write_file
from edge_sdk.errors import DataError, EdgeError

SCHEMA = 1
METRIC = "si_sdr"  # in dB, of the sources at the reference microphone
IDENTITY = ("name", "architecture", "sample_rate", "mics", "sources")
AGAIN = "write it again with: pytest --update-baseline"


@dataclass(frozen=True)
class ScoredModel:
    """Who was scored. The last two are for the reader."""

    name: str
    architecture: str
    sample_rate: int
    mics: int
    sources: int
    recipe: str
    sha256: str


@dataclass(frozen=True)
class ScoredSet:
    """On what."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Scores:
    """What a model scored, in dB by clip, rounded to 0.001; None where a clip's targets are silent.

    Written down it is the baseline of later ones. mean_db: of those that have a number.
    """

    model: ScoredModel
    set: ScoredSet
    clips: dict[str, float | None]
    mean_db: float
    versions: dict[str, str]
    metric: str = METRIC
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if (self.schema, self.metric) != (SCHEMA, METRIC):
            raise ValueError(f"schema {self.schema}, metric {self.metric!r}: expected {SCHEMA}, {METRIC!r}")
        if self.mean_db != mean(self.clips):
            raise ValueError(f"mean_db {self.mean_db} is not the mean of its clips, {mean(self.clips)}")


def mean(clips: dict[str, float | None]) -> float:
    """Of the clips that have a number; 0 where none has."""
    known = [score for score in clips.values() if score is not None]
    return round(sum(known) / len(known), 3) if known else 0.0


def read_baseline(path: Path) -> Scores:
    """The scores in a file; `DataError` where it is missing or no baseline."""
    try:
        return from_plain(Scores, parse_json(path.read_bytes()))
    except FileNotFoundError:
        raise DataError(f"{path}: no baseline there; write and commit it: pytest --update-baseline") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DataError(f"{path}: not a baseline, or edited ({error}); {AGAIN}") from error


def write_baseline(path: Path, scores: Scores) -> None:
    """Write it whole or not at all: sorted, a line per clip, so that a diff shows what moved."""
    data: dict[str, Any] = to_plain(scores)
    text = json.dumps(data, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"
    try:
        write_file(path, text.encode())
    except OSError as error:
        raise EdgeError(f"{path}: cannot be written ({error.strerror}); choose another edge_sdk_baselines") from error


def check_same(path: Path, baseline: Scores, now: Scores) -> None:
    """`DataError` where a baseline is of another set or another model than what was scored now."""
    if baseline.set.sha256 != now.set.sha256:
        raise DataError(
            f"{path}: of another set, {baseline.set.name} {baseline.set.sha256[:12]}, this is {now.set.name} "
            f"{now.set.sha256[:12]}; give the set it was made on, or {AGAIN}"
        )
    for key in IDENTITY:
        was, found = getattr(baseline.model, key), getattr(now.model, key)
        if was != found:
            raise DataError(f"{path}: of another model, whose {key} is {was}, this one's is {found}; {AGAIN}")
