"""A network that looks at an array from two sides, exported and quantized, computes what it computes in torch."""

import numpy as np
import pytest
import torch

from edge_sdk import Separator
from models.layers.narrow_band import NarrowBandConfig
from models.multichannel import SpatialConfig
from models.tasnet import TasNet
from quantization.artifact import Artifact
from quantization.delegate import delegation
from quantization.export import export
from quantization.parity import check
from quantization.quantize import quantize
from quantization.step_graph import step_graph
from tests.quantization.networks import network
from tests.quantization.steps import run_graph

FRAMES = 3
SPATIAL = SpatialConfig(4, 2, combine="filter-and-sum", views=((2, 0, 1, 3), (0, 3, 2, 1)))


def looking(norm: str = "frame") -> TasNet:
    return network(norm, "complex", spatial=SPATIAL, narrow_band=NarrowBandConfig(3, 5, memory=6))


@pytest.fixture(scope="module")
def array() -> TasNet:
    return looking()


@pytest.fixture(scope="module")
def model(array: TasNet) -> Artifact:
    return export(array, "views", FRAMES)


@pytest.mark.parametrize("frames", [1, 4, 40])
@pytest.mark.parametrize("norm", ["frame", "batch", "cumulative"])
def test_a_graph_of_two_views_is_its_network(norm: str, frames: int) -> None:
    net = looking(norm)
    x = 0.1 * torch.randn(net.mics, net.hop * 80)
    with torch.no_grad():
        whole = net(x[None])[0]
        y = net.overlap_add(run_graph(step_graph(net, frames), net.frames(x)))
    torch.testing.assert_close(y, whole, rtol=0, atol=1e-5)


def test_the_exported_model_is_its_network_in_one_partition(array: TasNet, model: Artifact) -> None:
    parity = check(array, model)
    assert parity.model_db >= 80 and parity.step_db >= 100
    assert delegation(model.model).partitions == 1


def test_blocks_of_samples_through_the_runtime_equal_the_network(array: TasNet, model: Artifact) -> None:
    x = (0.1 * np.random.default_rng(5).standard_normal((4, 9000))).astype(np.float32)
    separator = Separator(model.bundle)
    parts = [separator.process(block) for block in np.split(x, [1, 50, 51, 3000, 7007], axis=1)]
    with torch.no_grad():
        whole = array(torch.from_numpy(np.pad(x, ((0, 0), (0, array.delay))))[None])[0].numpy()
    np.testing.assert_allclose(np.concatenate([*parts, separator.flush()], axis=1), whole, rtol=0, atol=1e-5)


def test_int8_passes_its_gate_and_stays_in_one_partition(array: TasNet, model: Artifact) -> None:
    quantized = quantize(model, "dynamic_int8", "views-int8")
    assert check(array, quantized).floor_db == 30
    assert delegation(quantized.model).partitions == 1


def test_the_manifest_counts_the_separator_for_every_view(array: TasNet, model: Artifact) -> None:
    weights = dict(array.named_parameters())
    encoder, decoder = (weights.pop(f"filterbank.{name}.weight").numel() for name in ("encoder", "decoder"))
    memory = [f"narrow_band.memory.lstm.weight_{kind}_l0" for kind in ("ih", "hh")]
    shared = 2 * sum(weights.pop(name).numel() for name in ("narrow_band.hidden.weight", *memory))
    shared += sum(weights.pop(f"narrow_band.output.{view}.weight").numel() for view in range(2))
    layers = sum(p.numel() for p in weights.values() if p.ndim == 2)
    per_frame = 4 * encoder + 2 * layers + array.config.levels * shared + 2 * decoder
    assert model.manifest.macs == per_frame * array.config.sample_rate // array.hop
