"""Versions of a network on the same mixtures: what each loses in dB against the first, and gains in size and time.

Losses are paired: the first version's SI-SDR on a mixture less this one's. Their mean comes with the interval of the
regression gate (`quantization.regression.verdict`). Steps are timed side by side, so ratios hold on a busy machine too.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from typing import Any

import numpy as np

from edge_sdk.bench import cpu_name
from edge_sdk.errors import DataError
from models.evaluation.scores import Score, reference_first, score
from models.spread import spread
from quantization.artifact import Artifact
from quantization.delegate import Delegation, delegation
from quantization.evaluation import describe, figure
from quantization.parity import Parity, on_record
from quantization.regression.baseline import METRIC
from quantization.regression.verdict import FEWEST, PRECISION, interval
from quantization.scoring import one_thread, outputs, reference_of
from quantization.tables import Table
from quantization.timing import step_times
from quantization.versions import Version

STEPS = 1000  # of each version that are timed
COLUMNS = (
    *("version", "SI-SDR, dB", "mean loss, dB (95 %)", "worst loss, dB", "KiB", "million MAC/s"),
    *("step p50, µs", "step p99, µs", "times as fast", "XNNPACK partitions", "parity, dB (floor)"),
)


@dataclass(frozen=True)
class Mixture:
    """A mixture of the set: its name, what it is made of, and its own SI-SDR in dB."""

    name: str
    about: str
    si_sdr: float | None = None


@dataclass(frozen=True)
class Loss:
    """dB that a version loses against the first: by mixture, None where its targets are silent; on the mean, with the
    95 % interval where there are mixtures enough; and on the mixture where it loses most, by its place in the set."""

    by_mixture: tuple[float | None, ...]
    mean: float
    low: float | None
    high: float | None
    worst: float
    worst_at: int


@dataclass(frozen=True)
class Speed:
    """Step times of one run in which all versions took turns. of_real_time: the median step over the time of a block.
    times_as_fast: as the first, for the same seconds of sound."""

    p50_us: float
    p99_us: float
    of_real_time: float
    times_as_fast: float


@dataclass(frozen=True)
class Row:
    """A version's figures. macs: multiply-accumulates per second of sound. parity: what the gate found when the model
    was written. What is not known is None."""

    label: str
    recipe: str
    si_sdr: float
    loss: Loss
    sha256: str = ""
    size: int | None = None
    macs: int | None = None
    speed: Speed | None = None
    delegation: Delegation | None = None
    parity: Parity | None = None


@dataclass(frozen=True)
class Comparison:
    """Everything measured, the reference's row first."""

    set: str
    set_sha256: str
    mixtures: tuple[Mixture, ...]
    rows: tuple[Row, ...]
    steps: int = 0
    machine: str = ""
    date: str = ""

    def data(self) -> dict[str, Any]:
        """Plain, as JSON holds it."""
        return asdict(self)

    @property
    def counted(self) -> int:
        """Mixtures that have a score."""
        return sum(loss is not None for loss in self.rows[0].loss.by_mixture)


def compare(versions: Sequence[Version], examples: Any, count: int | None = None, steps: int = STEPS) -> Comparison:
    """The comparison on the first `count` mixtures of a set, all by default."""
    indices = range(min(len(examples), count or len(examples)))
    found = [list(spread(partial(scored, version, examples), indices, version.label, 0)) for version in versions]
    mixtures = tuple(Mixture(name_of(examples, s.index), describe(s.about), known(s.before[METRIC])) for s in found[0])
    scores = [[known(s.after[METRIC]) for s in one] for one in found]
    rows = rows_of(versions, scores, speeds([v.artifact for v in versions if v.artifact], steps))
    return Comparison(examples.name, examples.sha256, mixtures, rows, steps, machine(), date.today().isoformat())


def scored(version: Version, examples: Any, index: int) -> Score:
    """What a version scores on one mixture."""
    model = version.model
    if model is None:
        raise ValueError(f"{version.label} has no model to be scored")
    reference = reference_of(examples)
    example = reference_first(examples[index], reference)
    with one_thread():
        return score(lambda x: outputs(model, x, reference), example, index, model.sample_rate, (METRIC,))


def rows_of(
    versions: Sequence[Version], scores: Sequence[Sequence[float | None]], timed: Sequence[Speed] = ()
) -> tuple[Row, ...]:
    """The rows from each version's SI-SDR by mixture; `timed` are those that have an artifact, in their order."""
    rows, left = list[Row](), iter(timed)
    for version, found in zip(versions, scores, strict=True):
        loss = lost([None if a is None or b is None else a - b for a, b in zip(scores[0], found, strict=True)])
        mean = float(np.mean([s for s in found if s is not None]))
        row = Row(version.label, version.recipe, round(mean, PRECISION), loss)
        if artifact := version.artifact:
            m = artifact.manifest
            split, speed = delegation(artifact.model), next(left, None)
            row = Row(row.label, row.recipe, row.si_sdr, loss, m.sha256, m.size, m.macs, speed, split, on_record(m))
        rows.append(row)
    return tuple(rows)


def lost(by_mixture: Sequence[float | None]) -> Loss:
    """The losses in few numbers; `DataError` where all mixtures are silent."""
    losses = tuple(None if loss is None else round(loss, PRECISION) for loss in by_mixture)
    heard = {index: loss for index, loss in enumerate(losses) if loss is not None}
    if not heard:
        raise DataError("the targets of all mixtures are silent, so there is nothing to compare; use another set")
    values = np.array(list(heard.values()))
    low, high = interval(values) if len(heard) >= FEWEST else (None, None)
    worst = max(heard, key=lambda index: (heard[index], -index))
    return Loss(losses, round(float(values.mean()), 2 * PRECISION), low, high, heard[worst], worst)


def speeds(artifacts: Sequence[Artifact], steps: int) -> list[Speed]:
    """Step times of models on one thread, side by side."""
    if not artifacts:
        return []
    times = step_times(artifacts, steps)
    (p50, p99), blocks = np.percentile(times, [50, 99], axis=0), [block_s(a) for a in artifacts]
    share = p50 / blocks
    columns = (1e6 * p50, 1e6 * p99, share, share[0] / share)
    return [Speed(*map(float, row)) for row in zip(*columns, strict=True)]


def block_s(artifact: Artifact) -> float:
    """Seconds of sound that a step takes."""
    return artifact.manifest.block / artifact.manifest.sample_rate


def known(value: float) -> float | None:
    """The score, or None where the targets are silent."""
    return None if math.isnan(value) else round(value, PRECISION)


def name_of(examples: Any, index: int) -> str:
    """A mixture's name: its file's, or its number."""
    return str(examples.names[index]) if hasattr(examples, "names") else str(index)


def machine() -> str:
    """What the times are of."""
    return f"{platform.machine()}, {cpu_name()}, one thread"


def table(found: Comparison) -> Table:
    """A row for each version, the reference first, and a column for everything that is known of any."""
    rows = [cells(number, row, found) for number, row in enumerate(found.rows, 1)]
    told = [place for place in range(len(COLUMNS)) if any(row[place] not in ("", "-") for row in rows)]
    header, *shown = (tuple(row[place] for place in told) for row in (COLUMNS, *rows))
    return Table(f"{found.counted} mixtures of {found.set}", header, tuple(shown))


def cells(number: int, row: Row, found: Comparison) -> tuple[str, ...]:
    """What the table says of a version; of the reference's losses, nothing."""
    worst = f"{row.loss.worst:+.3f} ({found.mixtures[row.loss.worst_at].name})"
    speed, split = row.speed, row.delegation
    return (
        f"{number} {row.label}",
        f"{row.si_sdr:.2f}",
        *(("", "") if number == 1 else (with_interval(row.loss), worst)),
        figure(row.size and row.size / 1024, 0),
        figure(row.macs and row.macs / 1e6, 0),
        *(figure(value, digits) for value, digits in times(speed)),
        "-" if split is None else f"{split.partitions}" + (f" and {outside}" if (outside := left_out(split)) else ""),
        "-" if split is None else proved(row.parity),
    )


def times(speed: Speed | None) -> tuple[tuple[float | None, int], ...]:
    """The columns of a step's time, and their digits."""
    if speed is None:
        return (None, 0), (None, 0), (None, 2)
    return (speed.p50_us, 0), (speed.p99_us, 0), (speed.times_as_fast, 2)


def proved(parity: Parity | None) -> str:
    """How near a model is to its own network, and how near its recipe has to be."""
    return f"{parity.model_db:.1f} ({parity.floor_db:g})" if parity else "not proved"


def left_out(split: Delegation) -> str:
    """How many operators run outside of the partitions, in words."""
    count = sum(split.outside.values())
    return f"{count} other op{'s' * (count > 1)}" if count else ""


def with_interval(loss: Loss) -> str:
    """A mean loss with its interval."""
    if loss.low is None:
        return f"{loss.mean:+.3f}"
    return f"{loss.mean:+.3f} ({loss.low:+.3f} to {loss.high:+.3f})"
