"""Recurrent separators and TDCN++ compute in their exported form what they compute, in one partition, and as int8."""

import pytest
import torch
from torch import nn

from models.costs import costs
from models.layers.dual_path import DualPathConfig
from models.layers.filterbanks import FilterbankConfig
from models.layers.recurrent import StackedLSTMConfig
from models.layers.separators import SEPARATORS, SeparatorConfig, make_separator
from models.layers.skim import SkiMConfig
from models.layers.tcn import TCNConfig
from models.layers.tdcn import TDCNConfig
from models.tasnet import TasNet, TasNetConfig
from models.zoo import PRESETS, build, preset
from quantization.delegate import delegation
from quantization.export import export
from quantization.layers import POINTWISE, layers
from quantization.parity import check
from quantization.quantize import quantize
from quantization.step_graph import step_graph
from quantization.step_graph.running_means import running_mean_weights
from quantization.step_graph.separators import STEP_FORMS, separator_step
from tests.quantization.steps import run_form, run_graph

FLOAT32 = 1e-5  # sums in another order, outputs being of the order of one
CASES: list[SeparatorConfig] = [
    *(StackedLSTMConfig(hidden=6, layers=4, norm=norm, horizon=100) for norm in ("frame", "batch", "cumulative")),
    StackedLSTMConfig(hidden=6, layers=3, skip=False),
    *(
        DualPathConfig(bottleneck=6, hidden=4, chunk=8, blocks=2, norm=norm, horizon=100)
        for norm in ("frame", "batch", "cumulative")
    ),
    *(SkiMConfig(bottleneck=6, hidden=4, segment=8, blocks=3, norm=norm) for norm in ("frame", "batch")),
    SkiMConfig(bottleneck=6, hidden=4, segment=8, blocks=1),
    *(
        TDCNConfig(bottleneck=6, hidden=8, blocks=3, repeats=3, norm=norm, horizon=100)
        for norm in ("channel", "frame", "batch", "cumulative")
    ),
]


def shaken(module: nn.Module) -> nn.Module:
    """Weights of every size, so that a wrong gate, tap or fold shows; but for matrices, which have their own."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "prelu" in name:
                parameter.uniform_(0.05, 0.6)
            elif parameter.ndim < 2 or not parameter.any():
                parameter.add_(0.3 * torch.randn_like(parameter))
    return module


def test_every_separator_has_an_exported_form() -> None:
    assert set(STEP_FORMS) == set(SEPARATORS.values())
    assert {type(config) for config in CASES} == set(SEPARATORS) - {TCNConfig}  # which has tests of its own


@pytest.mark.parametrize("frames", [1, 4, 12])  # parts of a chunk, and more than one
@pytest.mark.parametrize("config", CASES, ids=lambda config: f"{config.kind}-{config.norm}")
def test_a_separators_form_is_the_separator(config: SeparatorConfig, frames: int) -> None:
    torch.manual_seed(1)
    separator, x = shaken(make_separator(config, 5, 14, sources=2)), torch.randn(120, 5)
    with torch.no_grad():
        separator(3 + torch.randn(4, 200, 5))  # for the statistics of batch norms
        whole = separator.eval()(x[None])[0]
    torch.testing.assert_close(run_form(separator_step(separator, frames), x, frames), whole, rtol=0, atol=FLOAT32)


@pytest.mark.parametrize("frames", [1, 2, 40])
@pytest.mark.parametrize("count", [0, 1, 50, 70])
def test_weights_of_running_means_are_those_of_the_recursion(count: int, frames: int) -> None:
    past, new, horizon = torch.rand(()), torch.rand(frames), 70
    decay, weights = running_mean_weights(torch.tensor([[float(count)]]), frames, horizon)
    mean = past = past if count else torch.zeros(())
    for t in range(frames):
        mean = mean + (new[t] - mean) / min(count + t + 1, horizon)
        found = decay[0, t] * past + weights[0, t] @ new
        torch.testing.assert_close(found, mean, rtol=0, atol=1e-6)


PLAIN = FilterbankConfig(window=64, hop=32, filters=32)
GATED = FilterbankConfig(window=32, hop=32, filters=32, activation="gated")  # windows that do not overlap
SMALL = {
    "lstm": (StackedLSTMConfig(hidden=24, layers=2), PLAIN, 6),
    "dual-path": (DualPathConfig(bottleneck=16, hidden=16, chunk=6, blocks=2), PLAIN, 4),  # two pieces in a step
    "skim": (SkiMConfig(bottleneck=16, hidden=16, segment=6, blocks=3), GATED, 2),  # memories, three to a segment
    "tdcn": (TDCNConfig(bottleneck=16, hidden=24, blocks=3, repeats=2), PLAIN, 3),
}


def small(name: str) -> TasNet:
    torch.manual_seed(2)
    separator, bank, _ = SMALL[name]
    return shaken(TasNet(TasNetConfig(mask="sigmoid", filterbank=bank, separator=separator))).eval()


@pytest.mark.parametrize("name", SMALL)
def test_a_graph_is_its_network_and_counts_its_layers(name: str) -> None:
    network, frames = small(name), SMALL[name][2]
    x, graph = 0.1 * torch.randn(1, network.hop * 72), step_graph(network, frames)
    with torch.no_grad():
        whole = network(x[None])[0]
        y = network.overlap_add(run_graph(graph, network.frames(x)))
    torch.testing.assert_close(y, whole, rtol=0, atol=FLOAT32)
    if name != "skim":  # whose memories run in every step, needed or not
        assert graph.macs_per_frame() * 16_000 // network.hop == costs(network).macs


@pytest.mark.parametrize("name", [name for name, config in PRESETS.items() if type(config) is TasNetConfig])
def test_a_presets_graph_multiplies_as_often_as_the_preset(name: str) -> None:
    network = build(preset(name)).eval()
    frames = getattr(network.config.separator, "segment", 1)
    found = step_graph(network, frames).macs_per_frame() * network.config.sample_rate / network.hop
    assert found == pytest.approx(costs(network).macs, rel=1e-5)  # of a whole number of products in a frame


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("lstm", marks=pytest.mark.slow),
        "dual-path",
        "skim",
        pytest.param("tdcn", marks=pytest.mark.slow),
    ],
)
def test_an_exported_network_is_one_partition_with_its_weights_once_and_passes_both_gates(name: str) -> None:
    network, frames = small(name), SMALL[name][2]
    model = export(network, name, frames)
    assert check(network, model).model_db >= 80
    assert delegation(model.model).partitions == 1
    matrices = [n for n, p in network.named_parameters() if p.ndim == 2 and "depthwise" not in n]
    found = [layer for layer in layers(model.model) if layer.op == POINTWISE]
    assert len(found) == len(matrices), "unrolled frames share them"
    quantized = quantize(model, "dynamic_int8", f"{name}-int8")
    assert check(network, quantized).model_db >= 30
    assert delegation(quantized.model).partitions == 1


@pytest.mark.parametrize("config", [StackedLSTMConfig(causal=False, hidden=6), DualPathConfig(causal=False, hidden=6)])
def test_what_needs_the_future_is_refused_by_name(config: SeparatorConfig) -> None:
    network = TasNet(TasNetConfig(filterbank=PLAIN, separator=config)).eval()
    with pytest.raises(ValueError, match="TasNet cannot stream: .*LSTMs of both directions"):
        step_graph(network, 1)


def test_what_a_skim_cannot_be_exported_with_is_said() -> None:
    config = SkiMConfig(bottleneck=6, hidden=4, segment=8, norm="cumulative")
    with pytest.raises(ValueError, match="SkiM with norm = 'cumulative' has no exported form yet"):
        separator_step(make_separator(config, 5, 14), 1)
