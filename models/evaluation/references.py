"""What a separator is shown beside: baselines that know nothing but the mixture, and ceilings that know the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.data.example import Example
from models.evaluation import oracles
from models.evaluation.baselines import arrays, nmf, omlsa


@dataclass(frozen=True)
class Reference:
    """A method that needs no training: `make(example, sample_rate, positions_m)` gives its sources, `[S, n]`.

    kind: `baseline`, or `ceiling` where it uses the targets. positions_m: of the microphones, the reference first.
    """

    title: str
    kind: str
    make: Callable[[Example, int, np.ndarray | None], np.ndarray]


def references(mics: int, sources: int, positions_known: bool) -> dict[str, Reference]:
    """Those that apply to mixtures of so many microphones and sources, by name."""
    chosen = {"omlsa": OMLSA} if sources == 1 else {"nmf": NMF}
    if mics > 1 and positions_known:
        chosen |= ARRAYS
    chosen |= MASKS
    if mics > 1:
        chosen |= FILTERS
    return chosen


OMLSA = Reference("OM-LSA, IMCRA noise", "baseline", lambda e, rate, _: omlsa.enhance(e.mixture, rate))
NMF = Reference("blind NMF, grouped by pitch", "baseline", lambda e, rate, _: nmf.separate(e.mixture, rate, count(e)))


def count(example: Example) -> int:
    return len(example.sources)


def array_baseline(title: str, method: Callable[..., np.ndarray]) -> Reference:
    return Reference(title, "baseline", lambda e, rate, positions: method(e.mixture, rate, count(e), positions))


def mask_ceiling(title: str, mask: str) -> Reference:
    return Reference(title, "ceiling", lambda e, rate, _: oracles.masked(e.mixture, e.sources, rate, mask))


def filter_ceiling(title: str, filter: str) -> Reference:
    return Reference(title, "ceiling", lambda e, rate, _: oracles.filtered(e.mixture, e.sources, rate, filter))


ARRAYS = {
    "delay_and_sum": array_baseline("delay-and-sum, SRP-PHAT directions", arrays.delay_and_sum),
    "mvdr": array_baseline("MVDR, masks by SRP-PHAT directions", arrays.mvdr),
    "mwf": array_baseline("MWF, masks by SRP-PHAT directions", arrays.mwf),
}
MASKS = {
    "ideal_binary_mask": mask_ceiling("ideal binary mask", "ibm"),
    "ideal_ratio_mask": mask_ceiling("ideal ratio mask", "irm"),
    "wiener_like_mask": mask_ceiling("ideal Wiener-like mask", "wiener"),
    "phase_sensitive_mask": mask_ceiling("ideal phase-sensitive mask", "psm"),
}
FILTERS = {
    "ideal_mvdr": filter_ceiling("MVDR of the ideal ratio mask", "mvdr"),
    "ideal_mwf": filter_ceiling("MWF of the ideal ratio mask", "mwf"),
}
