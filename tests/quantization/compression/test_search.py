"""The search finds what trying everything would, and measures less."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from quantization.compression.candidates import NARROW, REFERENCE, WIDE, Candidate, Measured, Origin
from quantization.compression.search import MARGIN_DB, RESOLUTION, search

RATIOS, RECIPES = (0.0, 0.25, 0.5, 0.75), ("float32", "float16", WIDE, NARROW)
BITS = {"float32": 0.0, "float16": 0.001, WIDE: 0.05}
Layers = list[tuple[int, float]]  # weights, and what narrowing them loses

LAYERS = st.lists(st.tuples(st.integers(1, 100), st.floats(0.0, 0.2)), min_size=1, max_size=20)


def landscape(layers: Layers, pruning_db: float) -> Callable[[Candidate], float]:
    """Losses that add up: of pruning, of the recipe, and of every narrow layer."""

    def loss(candidate: Candidate) -> float:
        narrow = candidate.narrow if candidate.recipe == WIDE else ()
        narrowed = range(len(layers)) if candidate.recipe == NARROW else map(int, narrow)
        bits = BITS[WIDE if candidate.recipe == NARROW else candidate.recipe]
        return pruning_db * candidate.origin.ratio + bits + sum(layers[i][1] for i in narrowed)

    return loss


def run(layers: Layers, pruning_db: float, loss_db: float, refused: tuple[str, ...] = ()) -> list[Measured]:
    """A search over all ratios and recipes of a landscape."""
    loss, seen = landscape(layers, pruning_db), list[Candidate]()

    def measure(candidate: Candidate) -> Measured:
        assert candidate not in seen, "measured once"
        seen.append(candidate)
        return Measured(candidate, loss_db=loss(candidate), refused="no kernel" if candidate.recipe in refused else "")

    def order(_: Origin) -> list[tuple[str, int]]:
        ranked = sorted(range(len(layers)), key=lambda i: layers[i][1] / layers[i][0])
        return [(str(i), layers[i][0]) for i in ranked]

    found = list(search([Origin(0, ratio) for ratio in RATIOS], RECIPES, loss_db, measure, order))
    assert [m.candidate for m in found] == seen and seen[0] == REFERENCE
    return found


@given(LAYERS, st.floats(0, 3), st.floats(0.01, 1))
def test_nothing_that_keeps_the_budget_is_skipped(layers: Layers, pruning_db: float, loss_db: float) -> None:
    found, loss = {m.candidate for m in run(layers, pruning_db, loss_db)}, landscape(layers, pruning_db)
    for ratio in RATIOS:
        for recipe in RECIPES:
            candidate = Candidate(Origin(0, ratio), recipe)
            assert candidate in found or loss(candidate) > loss_db + MARGIN_DB


@given(LAYERS, st.floats(0, 3), st.floats(0.01, 1))
def test_bisection_narrows_as_much_as_trying_every_prefix(layers: Layers, pruning_db: float, loss_db: float) -> None:
    found, loss = run(layers, pruning_db, loss_db), landscape(layers, pruning_db)
    ranked = sorted(range(len(layers)), key=lambda i: layers[i][1] / layers[i][0])
    total = sum(weights for weights, _ in layers)
    for ratio in RATIOS:
        origin = Origin(0, ratio)
        wide, narrow = Candidate(origin, WIDE), Candidate(origin, NARROW)
        if loss(wide) > loss_db or loss(narrow) <= loss_db:
            continue
        prefixes = [ranked[:k] for k in range(len(layers))]
        within = [p for p in prefixes if loss(Candidate(origin, WIDE, tuple(map(str, p)))) <= loss_db]
        most = max(sum(layers[i][0] for i in prefix) for prefix in within)
        mixed = [m.candidate.narrow for m in found if m.candidate.origin == origin and m.loss_db <= loss_db]
        reached = max(sum(layers[int(name)][0] for name in names) for names in mixed)
        assert reached <= most
        assert most - reached <= RESOLUTION * total


@given(LAYERS)
def test_a_search_stops_early_where_pruning_ruins_the_network(layers: Layers) -> None:
    found = run(layers, pruning_db=8.0, loss_db=0.3)  # 2 dB by the smallest ratio
    assert [m.candidate.recipe for m in found if m.candidate.origin.ratio == 0.25] == ["float32"]
    assert not any(m.candidate.origin.ratio > 0.25 for m in found)


def test_a_recipe_without_kernels_says_nothing_about_others() -> None:
    found = run([(10, 0.0)], 0.0, 0.3, refused=("float16", NARROW))
    assert {m.candidate.recipe for m in found if not m.refused} == {"float32", WIDE}
    assert len(found) == len(RATIOS) * len(RECIPES)


def test_further_checkpoints_are_tried_whatever_pruning_did() -> None:
    seen = []

    def measure(candidate: Candidate) -> Measured:
        seen.append(candidate)
        return Measured(candidate, loss_db=5.0 if candidate.origin == Origin(0, 0.5) else 0.0)

    list(search([Origin(0), Origin(0, 0.5), Origin(1)], ["float32", WIDE], 0.3, measure, lambda _: []))
    assert [c.label for c in seen] == [
        "network float32",
        "network dynamic_int8",
        "network-pruned-50 float32",
        "network-2 float32",
        "network-2 dynamic_int8",
    ]
