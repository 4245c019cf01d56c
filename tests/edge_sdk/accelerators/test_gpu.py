"""LiteRT's way to a GPU, on a GPU in software: in processes that are started, because drivers do not unload well."""

from pathlib import Path

import pytest
import torch

from edge_sdk import find_model, read_bundle
from edge_sdk.accelerators.accelerator import CPU, GPU
from edge_sdk.accelerators.choice import Wanted, choose
from edge_sdk.backends import load_model
from edge_sdk.contract import Bundle
from edge_sdk.errors import BackendError
from quantization.export import export
from tests.quantization.networks import network


@pytest.mark.usefixtures("software_gpu")
def test_the_gpu_gives_what_the_cpu_gives(tiny: Bundle, tmp_path: Path) -> None:
    choice = choose(tiny, Wanted(GPU), folder=tmp_path)
    assert choice.accelerator == GPU
    assert choice.verdict is not None
    assert choice.verdict.trial is not None
    assert choice.verdict.trial.adapter.startswith("SwiftShader")
    assert choice.verdict.trial.agreement_db is not None
    assert choice.verdict.trial.agreement_db > 90  # both float32; half precision would give about 60
    # The verdict is kept, and a processor that imitates a GPU is slower than itself: no trial, and the CPU.
    slower = choose(tiny, Wanted(GPU, if_faster=True), folder=tmp_path)
    assert slower.accelerator == CPU
    assert "the CPU computes, not gpu: it takes p50" in slower.reason
    assert slower.verdict == choice.verdict


@pytest.mark.usefixtures("software_gpu")
def test_negative_slopes_are_what_they_are_on_the_gpu_too(tmp_path: Path) -> None:
    net = network(mask="complex")
    for prelu in (layer for layer in net.modules() if isinstance(layer, torch.nn.PReLU)):
        torch.nn.init.constant_(prelu.weight, -0.3)
    choice = choose(export(net, "falling").bundle, Wanted(GPU), folder=tmp_path)
    assert choice.accelerator == GPU and choice.verdict is not None and choice.verdict.trial is not None
    assert choice.verdict.trial.agreement_db is not None and choice.verdict.trial.agreement_db > 90


@pytest.mark.usefixtures("software_gpu")
@pytest.mark.parametrize("name", ["enhance-mono", "enhance-hearing-aid", "separate-2spk", "array4-2spk"])
def test_what_is_shipped_runs_on_a_gpu_as_on_the_cpu(name: str, tmp_path: Path) -> None:
    choice = choose(read_bundle(find_model(f"{name}-float32")), Wanted(GPU), folder=tmp_path)
    assert choice.accelerator == GPU and choice.verdict is not None and choice.verdict.trial is not None
    assert choice.verdict.trial.agreement_db is not None and choice.verdict.trial.agreement_db > 90


@pytest.mark.slow
@pytest.mark.usefixtures("software_gpu")
@pytest.mark.parametrize("name", ["carry", "array"])
def test_the_gpu_is_taken_only_where_it_agrees(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    bundle: Bundle = request.getfixturevalue(name)
    choice = choose(bundle, Wanted(GPU), folder=tmp_path)
    assert choice.verdict is not None
    assert choice.verdict.trial is not None
    agreement_db = choice.verdict.trial.agreement_db
    if agreement_db is not None and agreement_db >= 40:
        assert choice.accelerator == GPU
    else:
        assert choice.accelerator == CPU
        assert "expected 40 or more" in choice.reason or "not finite" in choice.reason


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_the_cpu_computes(tiny: Bundle, tmp_path: Path) -> None:
    choice = choose(tiny, Wanted(GPU), folder=tmp_path)
    assert choice.accelerator == CPU
    assert choice.reason.startswith("the CPU computes, not gpu: LiteRT finds no GPU that takes the model")
    assert not list(tmp_path.iterdir())  # a driver may be installed before the next start


def test_other_interpreters_have_no_gpu() -> None:
    with pytest.raises(BackendError, match="backend tensorflow has no GPU; choose --backend ai-edge-litert"):
        load_model(b"", "tensorflow", 1, GPU)
