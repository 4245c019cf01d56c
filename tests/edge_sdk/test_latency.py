"""The parts of a latency add up to what manifests and networks declare."""

import json
from math import gcd

import pytest

from edge_sdk.cli import main
from edge_sdk.contract import latency_parts, read_bundle
from edge_sdk.library import find_model
from edge_sdk.live.presets import PRESETS, stream_latency


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


@pytest.mark.parametrize("period", [32, 64, 128, 160, 441])
@pytest.mark.parametrize("name", ["enhance-mono", "enhance-hearing-aid"])
def test_from_microphone_to_loudspeaker_are_the_period_the_delay_the_block_and_the_queue(
    name: str, period: int
) -> None:
    m = read_bundle(find_model(name)).manifest
    parts = stream_latency(m, period, 3 * period)
    assert sum(p.samples for p in parts) == 4 * period + m.delay + m.block - gcd(m.block, period)
    if period == m.block:
        assert sum(p.samples for p in parts) - 3 * period == m.latency, "without the queue, the model's own"


def test_a_wearer_of_the_hearing_aid_preset_waits_less_than_ten_milliseconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["latency", "--preset", "hearing-aid", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ms"] < 10 and found["model"] == PRESETS["hearing-aid"].model
    assert found["samples"] == sum(part["samples"] for part in found["parts"])


def test_a_model_or_a_preset_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["latency", "--period", "32"]) == 1
    assert "no model given: expected one, or --preset" in capsys.readouterr().err
