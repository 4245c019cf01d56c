"""Presets cost what is listed, have the latency that is explained, and keep to what their names promise."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_sdk.cli import main
from models.checkpoint import save_network
from models.contract import tensors
from models.costs import costs, explain_latency
from models.layers.dual_path import DualPathConfig
from models.layers.filterbanks import FilterbankConfig
from models.layers.recurrent import StackedLSTMConfig
from models.layers.skim import SkiMConfig
from models.layers.tdcn import TDCNConfig
from models.tasnet import TasNetConfig
from models.zoo import PRESETS, build, preset

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit code, standard output and standard error of a command."""

    def run_command(*args: object) -> tuple[int, str, str]:
        code = main([str(arg) for arg in args])
        return code, *capsys.readouterr()

    return run_command


@pytest.mark.parametrize("name", PRESETS)
def test_the_latency_of_a_preset_is_the_sum_of_its_parts_and_what_its_name_promises(name: str) -> None:
    network = build(preset(name))
    assert sum(part.samples for part in explain_latency(network)) == network.latency
    assert sum(part.samples for part in explain_latency(network, 5)) == network.latency + 4 * network.hop
    for use, most_ms in (("hearing-aid", 4), ("speaker", 16)):
        assert use not in name or 1e3 * network.latency / network.config.sample_rate <= most_ms


N, L, H = 12, 16, 5  # coefficients, samples of a window, units of an LSTM
BANK = FilterbankConfig(window=L, hop=4, filters=N)
FILTERS = 3 * L * N  # one encoder, and a decoder for each of two sources
# Multiply-accumulates of a frame by the layers' formulas.
BY_HAND = {
    StackedLSTMConfig(hidden=H, layers=2): 4 * H * (N + H) + 4 * H * 2 * H + H * 2 * N,
    DualPathConfig(bottleneck=6, hidden=H, chunk=7, blocks=3): N * 6
    + 3 * 2 * (4 * H * (6 + H) + H * 6)
    + 6 * 12
    + 2 * (2 * 6 * 6 + 6 * N),
    # Memories run once in 7 frames: two of them between blocks.
    SkiMConfig(bottleneck=6, hidden=H, segment=7, blocks=2): N * 6
    + 2 * (4 * H * (6 + H) + H * 6)
    + 2 * (8 * H * H + H * H) / 7
    + 6 * 2 * N,
    TDCNConfig(bottleneck=6, hidden=8, kernel=3, blocks=2, repeats=3): N * 6
    + 6 * (2 * 6 * 8 + 3 * 8)
    + 3 * 6 * 6
    + 6 * 2 * N,
}


@pytest.mark.parametrize("separator", BY_HAND, ids=lambda separator: separator.kind)
def test_costs_are_those_of_the_layers_formulas(separator: object) -> None:
    network = build(TasNetConfig(sample_rate=8_000, filterbank=BANK, separator=separator))
    found = costs(network)
    assert found.macs == round((FILTERS + BY_HAND[separator]) * 8_000 / 4)
    assert found.parameters == sum(p.numel() for p in network.parameters())
    assert found.weight_bytes == 4 * found.parameters
    assert found.state_bytes == 4 * sum(t.numel() for t in tensors(network.init_state()))
    assert found.latency == L


def test_rows_that_are_computed_are_weights_but_no_parameters() -> None:
    bank = FilterbankConfig(window=L, hop=4, filters=60, start="gammatone")
    separator = StackedLSTMConfig(hidden=H, layers=1)
    config = TasNetConfig(filterbank=bank, separator=separator)
    computed = costs(build(config))
    learned = costs(build(replace(config, filterbank=replace(bank, start="random"))))
    assert computed.parameters == learned.parameters - 60 * L
    assert (computed.weight_bytes, computed.macs) == (learned.weight_bytes, learned.macs)


def test_networks_that_need_the_future_have_no_streaming_costs() -> None:
    teacher = build(TasNetConfig(filterbank=BANK, separator=StackedLSTMConfig(hidden=H, causal=False)))
    for ask in (costs, explain_latency):
        with pytest.raises(ValueError, match="cannot stream: LSTMs of both directions"):
            ask(teacher)


def test_models_all_lists_the_presets_beside_what_is_shipped(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.zoo.PRESETS", {"enhance-hearing-aid": PRESETS["enhance-hearing-aid"]})
    code, out, _ = run("models", "--all", "--json")
    shipped, (row,) = json.loads(run("models", "--json")[1]), json.loads(out)["presets"]
    network = build(preset("enhance-hearing-aid"))
    found = costs(network)
    assert code == 0 and json.loads(out)["shipped"] == shipped
    assert row == {
        "name": "enhance-hearing-aid",
        "sample_rate_hz": 16_000,
        "mics": 1,
        "sources": 1,
        "latency_ms": 4.0,
        "parameters": found.parameters,
        "macs_per_second": found.macs,
        "weight_bytes": found.weight_bytes,
        "state_bytes": found.state_bytes,
    }
    code, out, _ = run("models", "--all")
    assert code == 0 and "enhance-hearing-aid" in out and out.startswith(run("models")[1])


def test_latency_explains_presets_checkpoints_and_bundles_alike(
    run: Run, tmp_path: Path, exported_bundle: Callable[[str], Path]
) -> None:
    code, out, _ = run("latency", "enhance-hearing-aid", "--frames-per-step", 3, "--json")
    found = json.loads(out)
    parts = {part["name"]: part["samples"] for part in found["parts"]}
    assert code == 0 and (found["samples"], found["ms"]) == (64 + 2 * 32, 8.0)
    assert parts == {"hop": 32, "window": 32, "alignment": 0, "frames per step": 64, "context": 0, "layers": 0}
    save_network(tmp_path / "n.safetensors", build(preset("fasnet-tac-edge")), {})
    code, out, _ = run("latency", tmp_path / "n.safetensors")
    assert code == 0 and "144 samples at 16000 Hz, 9 ms" in out and "1.000 ms  alignment" in out
    code, out, _ = run("latency", exported_bundle("carry"))
    assert code == 0 and "64 samples at 16000 Hz, 4 ms" in out and "frames per step: the first of 3 frames" in out
    assert "128 samples at 16000 Hz, 8 ms" in run("latency", "enhance-mono")[1], "shipped, and a preset too"


def test_latency_refuses_in_one_line(run: Run, tmp_path: Path) -> None:
    teacher = build(TasNetConfig(filterbank=BANK, separator=StackedLSTMConfig(hidden=H, causal=False)))
    save_network(tmp_path / "teacher.safetensors", teacher, {})
    for model, message in (
        ("none", "unknown model 'none'"),
        (tmp_path / "teacher.safetensors", "TasNet cannot stream: LSTMs of both directions need the future"),
        (tmp_path / "none.safetensors", "no such checkpoint"),
    ):
        code, out, err = run("latency", model)
        assert code == 1 and not out and err.count("\n") == 1 and message in err
