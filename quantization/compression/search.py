"""Which candidates are worth measuring, and in which order; what they cost is measured elsewhere.

Networks come from the whole one to the most pruned, each in its recipes from the most to the fewest bits. What is
harsher in both ways than one that lost far more than the budget is skipped. Where int8 keeps the budget and int4 does
not, layers are narrowed in the order of what each loses per weight alone: the k least harmful ones in int4, the rest in
int8, and the largest k that keeps the budget is found by bisection. Losses of single layers do not add up exactly, but
they put layers in an order, and every k that counts is measured as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from quantization.compression.candidates import NARROW, REFERENCE, WIDE, Candidate, Measured, Origin
from quantization.recipes import RECIPES

# Beyond the budget by more than this, fewer channels or bits are not tried. Rounding and refitting shift a mean over
# some mixtures either way by chance, by hundredths of a decibel (`edge-sdk compare`), so a harsher candidate can be
# better than a gentler one, but not by so much.
MARGIN_DB = 0.2
RESOLUTION = 1 / 16  # of the weights that can be narrowed: bisection ends when less is left to decide

Measure = Callable[[Candidate], Measured]
Order = Callable[[Origin], Sequence[tuple[str, int]]]  # layers, the least harmful first, and their weights


def search(
    origins: Sequence[Origin], recipes: Sequence[str], loss_db: float, measure: Measure, order: Order
) -> Iterator[Measured]:
    """All that is measured, one after the other, `REFERENCE` first; the same again where the answers are the same."""
    found = [measure(REFERENCE)]
    yield found[0]
    for origin in sorted(origins, key=lambda origin: (origin.checkpoint, origin.ratio)):
        uniform = dict[str, Measured]()
        for recipe in (recipe for recipe in RECIPES if recipe in recipes):
            candidate = Candidate(origin, recipe)
            if not hopeless(candidate, found, loss_db):
                uniform[recipe] = found[0] if candidate == REFERENCE else measure(candidate)
                if candidate != REFERENCE:
                    found.append(uniform[recipe])
                    yield found[-1]
        wide, narrow = uniform.get(WIDE), uniform.get(NARROW)
        if wide and kept(wide, loss_db) and NARROW in recipes and not (narrow and kept(narrow, loss_db)):
            for mixed in bisect(origin, loss_db, measure, order(origin)):
                found.append(mixed)
                yield mixed


def bisect(origin: Origin, loss_db: float, measure: Measure, layers: Sequence[tuple[str, int]]) -> Iterator[Measured]:
    """Candidates on the way to the most weights in int4 that keep the budget, between none and all."""
    names, saved = [name for name, _ in layers], [0, *accumulate(weights for _, weights in layers)]
    good, bad = 0, len(names)
    while bad - good > 1 and saved[bad] - saved[good] > RESOLUTION * saved[-1]:
        half = (saved[good] + saved[bad]) / 2
        k = min(range(good + 1, bad), key=lambda k: abs(saved[k] - half))
        mixed = measure(Candidate(origin, WIDE, tuple(names[:k])))
        yield mixed
        good, bad = (k, bad) if kept(mixed, loss_db) else (good, k)


def kept(measured: Measured, loss_db: float) -> bool:
    """Whether there is such a model, and it loses no more than it may."""
    return not measured.refused and measured.loss_db <= loss_db


def hopeless(candidate: Candidate, found: Sequence[Measured], loss_db: float) -> bool:
    """Whether something gentler, of the same checkpoint, already lost far more than the budget."""
    return any(gentler(m.candidate, candidate) and not m.refused and m.loss_db > loss_db + MARGIN_DB for m in found)


def gentler(one: Candidate, other: Candidate) -> bool:
    """Whether one has no fewer channels and no fewer bits than another."""
    bits = list(RECIPES)
    return (
        one.origin.checkpoint == other.origin.checkpoint
        and one.origin.ratio <= other.origin.ratio
        and bits.index(one.recipe) <= bits.index(other.recipe)
        and not one.narrow
    )
