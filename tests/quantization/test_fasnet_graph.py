"""The exported step of a filter-and-sum network, host and memory around it, computes what the network computes."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.fasnet import FaSNetTAC
from models.filter_network import FilterAndSumNetwork
from models.layers.dual_path import DualPathConfig
from models.layers.filter_and_sum import filter_and_sum, shares, similarity
from quantization.step_graph import step_graph
from quantization.step_graph.form import Memory
from quantization.step_graph.graph import StepGraph
from tests.quantization.filter_networks import filter_network
from tests.quantization.steps import HostMemory

every_kind = pytest.mark.parametrize("kind", ["tac", "tac dual-path", "two-stage"])


@torch.no_grad()
def run(graph: StepGraph, network: FilterAndSumNetwork, x: Tensor) -> Tensor:
    """Sources of a mixture `[M, n]` by the graph; what is the host's by the network's own functions."""
    at, beamformer = network.config.reference, network.config.beamformer
    frames = network.frames(x)  # [M, T, frame]
    given = {
        "frames": frames,
        "likeness": similarity(frames[None], frames[None, at : at + 1, :, beamformer.wanted])[0, 0],
        "shares": shares(frames[None])[0],
        "windows": frames.unfold(-1, beamformer.window, 1),
    }
    memory = {name: tensor for name, tensor in graph.inputs.items() if name not in given}
    host, filters = HostMemory(graph.delays, graph.carries, memory, graph.frames), []

    def step(begin: int, tensors: Memory) -> Memory:
        block = {name: given[name][:, begin : begin + graph.frames].transpose(0, 1) for name in given}
        after = graph(**{name: block[name] for name in given if name in graph.inputs}, **tensors)
        filters.append(after.pop("filters"))
        return after

    for begin in range(0, frames.shape[1], graph.frames):
        host.step(lambda tensors, begin=begin: step(begin, tensors))
    taps = torch.cat(filters).transpose(0, 1)  # [M, T, S, taps]
    return network.overlap_add(filter_and_sum(frames[None], taps[None])[0])


@every_kind
@pytest.mark.parametrize("frames", [1, 3, 12])
@pytest.mark.parametrize("norm", ["frame", "batch", "cumulative"])
def test_a_graph_is_its_network(kind: str, norm: str, frames: int) -> None:
    network = filter_network(kind, norm)
    check(network, frames)


@every_kind
@pytest.mark.parametrize(("mics", "reference", "sources"), [(2, 0, 3), (2, 1, 1), (4, 2, 2), (8, 0, 2)])
def test_any_number_of_microphones_and_any_reference(kind: str, mics: int, reference: int, sources: int) -> None:
    check(filter_network(kind, mics=mics, reference=reference, sources=sources), 2)


@every_kind
@pytest.mark.parametrize("mics", [2, 5])
def test_weights_serve_fewer_microphones_than_the_network_declares(kind: str, mics: int) -> None:
    whole = filter_network(kind, mics=6)
    fewer, x = whole.with_mics(mics), 0.1 * torch.randn(mics, whole.hop * 60)
    with torch.no_grad():
        torch.testing.assert_close(fewer(x[None]), whole(x[None]), rtol=0, atol=0)
    check(fewer, 1)


def test_one_microphone_is_filtered_too() -> None:
    check(filter_network("tac", mics=3).with_mics(1), 2)


@every_kind
def test_a_microphone_that_dies_is_left_out_in_both(kind: str) -> None:
    x = 0.1 * torch.randn(3, 16 * 60)
    x[1, 300:700] = 0
    x[:, 500:600] = 0
    check(filter_network(kind), 3, x)


def check(network: FilterAndSumNetwork, frames: int, x: Tensor | None = None) -> None:
    x = 0.1 * torch.randn(network.mics, network.hop * 60) if x is None else x
    with torch.no_grad():
        whole = network(x[None])[0]
    got = run(step_graph(network, frames), network, x)
    # Sums in another order through a dozen layers.
    torch.testing.assert_close(got, whole, rtol=0, atol=2e-5 * float(whole.abs().max()))


@pytest.mark.parametrize("mics", [2, 4])
def test_macs_are_the_products_that_are_computed(mics: int) -> None:
    network = filter_network("tac", mics=mics)
    c, b = network.config, network.config.beamformer
    blocks = 4 * (12 * 16 + 3 * 16 + 16 * 12)
    exchange = 12 * 10 + 10 * 12  # for a microphone; of the mean once a frame: 10 * 10 + 10 * 12
    each = b.frame * 12 + (12 + b.taps) * 12 + blocks + 2 * exchange + 12 * 24 + c.sources * 2 * 12 * b.taps
    samples = (1 + c.sources) * b.taps * b.window
    assert step_graph(network, 3).macs_per_frame() == mics * (each + samples) + 2 * (100 + 120)


def test_what_has_no_exported_form_is_refused_by_name() -> None:
    config = filter_network("tac").config
    offline = FaSNetTAC(replace(config, separator=DualPathConfig(12, 16, 10, 1, causal=False))).eval()
    with pytest.raises(ValueError, match="FaSNetTAC cannot stream: intra-chunk LSTMs of both directions"):
        step_graph(offline, 1)
    with pytest.raises(ValueError, match="two-stage network of one microphone"):
        step_graph(filter_network("two-stage").with_mics(1), 1)


@every_kind
def test_numbers_of_microphones_that_cannot_be_are_refused(kind: str) -> None:
    network = filter_network(kind, reference=1)
    for mics in (0, 1, 4):
        with pytest.raises(ValueError, match=f"{mics} microphones: this network takes 2 to 3"):
            network.with_mics(mics)
