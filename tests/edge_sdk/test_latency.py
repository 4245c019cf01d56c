"""The parts of a latency add up to what manifests and networks declare."""

import pytest

from edge_sdk.contract import latency_parts


@pytest.mark.parametrize("frames_per_step", [1, 4])
@pytest.mark.parametrize("alignment", [0, 16])
@pytest.mark.parametrize(("window", "hop"), [(40, 40), (64, 32), (64, 8)])
def test_the_parts_of_a_latency_add_up_and_name_what_costs_nothing(
    window: int, hop: int, alignment: int, frames_per_step: int
) -> None:
    parts = {p.name: p.samples for p in latency_parts(window, hop, 448, alignment, frames_per_step)}
    assert sum(parts.values()) == window + alignment + (frames_per_step - 1) * hop
    assert list(parts) == ["hop", "window", "alignment", "frames per step", "context", "layers"]
    assert parts["context"] == parts["layers"] == 0
