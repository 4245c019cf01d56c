"""Pruned networks are exported as any other: layers of unequal widths, missing blocks, odd numbers of filters."""

import pytest
import torch

from models.costs import costs
from models.layers.filterbanks import FilterbankConfig
from models.layers.recurrent import StackedLSTMConfig
from models.layers.tcn import TCNConfig
from models.layers.tdcn import TDCNConfig
from models.zoo import build, preset
from quantization.delegate import delegation
from quantization.export import export
from quantization.parity import check
from quantization.pruning import PruneConfig, prune
from quantization.quantize import quantize
from quantization.step_graph import step_graph
from tests.quantization.pruning.networks import network
from tests.quantization.steps import run_graph

SIZES = {"bottleneck": 6, "blocks": 2, "repeats": 2, "horizon": 70}
UNEVEN = {
    **{norm: TCNConfig(**SIZES, norm=norm, skip=4, widths=(5, 0, 8, 5)) for norm in ("frame", "batch", "cumulative")},
    "every width another": TCNConfig(**SIZES, skip=0, widths=(1, 7, 8, 5)),
    "tdcn": TDCNConfig(**SIZES, widths=(5, 3, 8, 5)),
    "tdcn, cumulative": TDCNConfig(**SIZES, norm="cumulative", widths=(5, 3, 8, 5)),
    "lstm": StackedLSTMConfig(layers=5, widths=(5, 4, 7, 4, 9)),
}


@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize("name", UNEVEN)
def test_a_graph_of_unequal_widths_is_its_network_and_counts_its_layers(name: str, frames: int) -> None:
    net = network(UNEVEN[name])
    x, graph = 0.3 * torch.randn(1, net.hop * 60), step_graph(net, frames)
    with torch.no_grad():
        y = net.overlap_add(run_graph(graph, net.frames(x)))
        torch.testing.assert_close(y, net(x[None])[0], rtol=0, atol=1e-5)  # float32, sums in another order
    assert graph.macs_per_frame() * 8000 // net.hop == costs(net).macs


def test_a_network_of_unequal_widths_passes_the_parity_gate_in_one_partition() -> None:
    bank = FilterbankConfig(window=32, hop=16, context=32, filters=62)  # of what was an STFT of 66
    net = network(TCNConfig(**SIZES, skip=0, widths=(8, 0, 24, 16)), bank, "complex")
    model = export(net, "pruned")
    assert sorted(group.width for group in model.manifest.delays) == [8, 16, 24]
    assert check(net, model).model_db >= 80
    assert delegation(model.model).partitions == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["enhance-mono", "lstm-tasnet-edge", "tdcn-tasnet-edge"])
def test_a_pruned_preset_passes_the_parity_gate(name: str) -> None:
    torch.manual_seed(0)
    config = PruneConfig(importance="norm", scope="global")
    net = prune(build(preset(name)).eval(), [], config)
    model = export(net, "pruned")
    assert check(net, model).model_db >= 80
    assert delegation(model.model).partitions == 1
    assert check(net, quantize(model, "dynamic_int8", "pruned-int8")).model_db >= 30
