"""What quantization costs and gains: dB SI-SDR, bytes and time of a step, of several models on the same mixtures.

Every mixture goes through each model as the stream that runs on a board. Times are of this machine, on one thread.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge_sdk import Separator
from models.evaluation.metrics import improvement
from models.network import Network
from models.runs import Pairs
from quantization.artifact import Artifact
from quantization.delegate import delegation
from quantization.parity import check
from quantization.tables import Table
from quantization.timing import step_times

log = logging.getLogger(__name__)

STEPS = 1000  # of each model that are timed


@dataclass(frozen=True)
class Cost:
    """One model beside the first, in float.

    parity_db: from its own network, as the gate has it. improvement_db: mean SI-SDR above the mixtures'. loss_db,
    worst_db: what it loses against the first model, on the mean and on the mixture where it loses most, `worst_clip`.
    step_us: the median of a step.
    """

    label: str
    recipe: str
    kib: float
    step_us: float
    partitions: int
    parity_db: float
    improvement_db: float
    loss_db: float
    worst_db: float
    worst_clip: int


def costs(
    models: Mapping[str, tuple[Network, Artifact]], mixtures: Pairs, reference: int = 0, steps: int = STEPS
) -> list[Cost]:
    """The cost of every model by its label, given with its own network; the first is what others lose to.

    Mixtures `[mics, n]` and sources `[S, n]`; `reference` is the microphone of the targets. `ParityError` where a model
    is not its network.
    """
    times = np.median(step_times([artifact for _, artifact in models.values()], steps), axis=0)
    rows, first = list[Cost](), np.empty(0)
    for (label, (network, artifact)), step_s in zip(models.items(), times, strict=True):
        parity = check(network, artifact)
        gains = gains_of(artifact, mixtures, reference)
        first = first if rows else gains
        lost = first - gains
        m, worst = artifact.manifest, int(np.nanargmax(lost))
        rows.append(
            Cost(
                label,
                m.recipe,
                m.size / 1024,
                1e6 * step_s,
                delegation(artifact.model).partitions,
                parity.model_db,
                float(np.nanmean(gains)),
                float(np.nanmean(lost)),
                float(lost[worst]),
                worst,
            )
        )
        log.info("%s: %.2f dB", label, rows[-1].improvement_db)
    return rows


def gains_of(artifact: Artifact, mixtures: Pairs, reference: int) -> np.ndarray:
    """SI-SDR improvement of every mixture by the stream that runs on a board, in dB."""
    separator = Separator(artifact.bundle)
    return np.array(
        [improvement(separator.separate(mixture), sources, mixture[[reference]]) for mixture, sources in mixtures]
    )


def table(title: str, rows: Sequence[Cost]) -> Table:
    """The costs for people to read."""
    header = ("", "KiB", "step us", "XNNPACK", "parity dB", "SI-SDRi dB", "loss dB", "worst clip dB")
    cells = [
        (
            row.label,
            f"{row.kib:.0f}",
            f"{row.step_us:.0f}",
            f"{row.partitions}",
            f"{row.parity_db:.1f}",
            f"{row.improvement_db:.2f}",
            f"{row.loss_db:.3f}",
            f"{row.worst_db:.3f}",
        )
        for row in rows
    ]
    return Table(title, header, tuple(cells))
