"""A network's step in its exported form, its memory on the host, computes what the network computes over the whole."""

import pytest
import torch

from models.layers.narrow_band import NarrowBandConfig
from models.multichannel import SpatialConfig
from models.streaming import Streaming
from quantization.step_graph import step_graph
from quantization.step_graph.parts import MOST_JOINED, Slope, join
from quantization.step_graph.separators import separator_step
from quantization.step_graph.spatial import pick
from tests.quantization.networks import network
from tests.quantization.steps import run_form, run_graph

FLOAT32 = 1e-5  # sums in another order, outputs being of the order of one


@pytest.mark.parametrize("frames", [1, 3, 8, 40])
@pytest.mark.parametrize("norm", ["frame", "batch", "cumulative"])
def test_a_separators_form_is_the_separator(norm: str, frames: int) -> None:
    separator = network(norm).separator
    x = torch.randn(120, 24).relu()
    with torch.no_grad():
        whole = separator(x[None])[0]
    torch.testing.assert_close(run_form(separator_step(separator, frames), x, frames), whole, rtol=0, atol=FLOAT32)


PAIRS = ((0, 2), (1, 3), (3, 2), (2, 3), (0, 1))
SUM = SpatialConfig(6, 5, ("ipd", "icd"), combine="filter-and-sum")
NARROW = NarrowBandConfig(context=3, hidden=5)
MEMORY = NarrowBandConfig(context=3, hidden=5, memory=4)
NETWORKS = {
    "relu": ("cumulative", "relu", None, None),
    "sigmoid": ("frame", "sigmoid", None, None),
    "complex": ("batch", "complex", None, None),
    "complex, narrow band": ("batch", "complex", None, NARROW),
    "2 mics, learned encoder": ("frame", "relu", SpatialConfig(2, 1, ("icd",)), None),
    "4 mics": ("frame", "complex", SpatialConfig(4, 2), None),
    "4 mics, narrow band": ("frame", "complex", SpatialConfig(4, 2), NARROW),
    "4 mics, memory of bins": ("frame", "complex", SpatialConfig(4, 2), MEMORY),
    "4 mics, own pairs": ("cumulative", "complex", SpatialConfig(4, pairs=PAIRS), None),
    "6 mics, filter and sum": ("frame", "complex", SUM, None),
    "6 mics, filter and sum, narrow band": ("frame", "complex", SUM, NARROW),
}


@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_graph_is_its_network(name: str, frames: int) -> None:
    norm, mask, spatial, narrow_band = NETWORKS[name]
    net = network(norm, mask, sources=3, spatial=spatial, narrow_band=narrow_band)
    x = 0.1 * torch.randn(net.mics, net.hop * 80)
    with torch.no_grad():
        whole = net(x[None])[0]
        y = net.overlap_add(run_graph(step_graph(net, frames), net.frames(x)))
    torch.testing.assert_close(y, whole, rtol=0, atol=FLOAT32)


BACKGROUND = {
    "relu": ("cumulative", "relu", None, None),
    "complex, batch norm": ("batch", "complex", None, None),
    "6 mics, narrow band": ("frame", "complex", SUM, NARROW),
}


@pytest.mark.parametrize("frames", [1, 4, 40])
@pytest.mark.parametrize("name", BACKGROUND)
def test_a_graph_with_running_means_is_its_network(name: str, frames: int) -> None:
    norm, mask, spatial, narrow_band = BACKGROUND[name]
    net = network(norm, mask, spatial=spatial, narrow_band=narrow_band, background=(2, 10, 30))
    x, graph = 0.1 * torch.randn(net.mics, net.hop * 80), step_graph(net, frames)
    assert [c.shape for c in graph.carries[:2]] == [(3, net.background.channels), (1, 1)]  # type: ignore[union-attr]
    with torch.no_grad():
        whole = net(x[None])[0]
        y = net.overlap_add(run_graph(graph, net.frames(x)))
    torch.testing.assert_close(y, whole, rtol=0, atol=FLOAT32)


@pytest.mark.parametrize("slope", [-0.6, 0.0, 0.3])
def test_a_slope_of_any_sign_is_its_prelu(slope: float) -> None:
    prelu, x = torch.nn.PReLU(init=slope), torch.randn(4, 50)
    torch.testing.assert_close(Slope(prelu)(x), prelu(x).detach(), rtol=0, atol=0)


@pytest.mark.parametrize("mics", [[0, 0, 0], [1, 2, 3], [3, 0, 1], [2, 0, 2, 1, 3, 3, 1]])
def test_microphones_are_picked_in_their_order(mics: list[int]) -> None:
    x = torch.randn(2, 4, 5)
    assert torch.equal(pick(x, mics).expand(2, len(mics), 5), x[:, mics])


def test_what_has_no_exported_form_is_refused_by_name() -> None:
    class Odd(Streaming):
        pass

    with pytest.raises(ValueError, match="separator of type Odd has no exported form"):
        separator_step(Odd(), 1)
    with pytest.raises(ValueError, match="frames_per_step = 0"):
        step_graph(network(), 0)


@pytest.mark.parametrize("pieces", [1, MOST_JOINED, MOST_JOINED + 1, 23])
def test_joining_four_at_a_time_is_joining(pieces: int) -> None:
    parts = list(torch.randn(pieces * 2, 3).split(2))
    torch.testing.assert_close(join(parts, 0), torch.cat(parts), rtol=0, atol=0)
