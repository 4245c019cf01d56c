"""Imported causal networks have an exported form with the same output; those that need the future are refused."""

from pathlib import Path

import pytest
import torch

from models.importing import import_checkpoint
from quantization.step_graph import step_graph
from tests.models.imported import load_frozen
from tests.quantization.steps import run_graph

# Of these, two have a linear encoder, one a ReLU and one a gate; the TCNs have the published norms' bias.
CAUSAL = ["conv-tasnet-causal-cLN", "conv-tasnet-causal-cgLN", "conv-tasnet-no-skip", "lstm-tasnet"]


@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize("name", CAUSAL)
def test_the_graph_of_an_imported_network_is_the_network(name: str, frames: int, tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = import_checkpoint(load_frozen(name).save(tmp_path)).network
    x = torch.randn(1, network.hop * 80)
    with torch.no_grad():
        whole = network(x[None])[0]
        y = network.overlap_add(run_graph(step_graph(network, frames), network.frames(x)))
    torch.testing.assert_close(y, whole, rtol=0, atol=1e-5)  # sums in another order, outputs of the order of one


@pytest.mark.parametrize("name", ["conv-tasnet-gLN", "dprnn-tasnet-gLN", "lstm-tasnet-both-ways", "fasnet-tac-gLN"])
def test_what_needs_the_future_is_not_exported(name: str, tmp_path: Path) -> None:
    network = import_checkpoint(load_frozen(name).save(tmp_path)).network
    with pytest.raises(ValueError, match="need the future"):
        step_graph(network, 1)
