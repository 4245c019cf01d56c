"""Checkpoints rebuild their networks, are found by name, and say in one line why they cannot be used."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edge_sdk.errors import CheckpointError
from models.checkpoint import find_checkpoint, load_network, save_network, save_tensors, start_from
from models.zoo import PRESETS, build, config_from_dict, config_to_dict, preset


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_the_trip_through_plain_data(name: str) -> None:
    assert config_from_dict(json.loads(json.dumps(config_to_dict(preset(name))))) == preset(name)


def test_a_checkpoint_rebuilds_its_network(tmp_path: Path) -> None:
    network = build(preset("conv-tasnet-edge")).eval()
    save_network(tmp_path / "n.safetensors", network, {"step": 1})
    again, about = load_network(tmp_path / "n.safetensors")
    x = torch.randn(1, 1, 640)
    assert torch.equal(again(x), network(x)) and about == {"step": 1}


def test_a_checkpoint_is_found_as_a_file_as_a_run_and_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("beside/own.safetensors", "runs/first/network.safetensors", "checkpoints/shipped.safetensors"):
        Path(file).parent.mkdir(parents=True)
        Path(file).touch()
    beside = tmp_path / "beside"
    assert find_checkpoint("own.safetensors", beside) == beside / "own.safetensors"
    assert find_checkpoint("beside/own.safetensors", Path("elsewhere")) == Path("beside/own.safetensors")
    for name in ("runs/first", "first", str(tmp_path / "runs/first")):
        assert find_checkpoint(name, beside).resolve() == tmp_path / "runs/first/network.safetensors"
    assert find_checkpoint("shipped", beside) == Path("checkpoints/shipped.safetensors")
    with pytest.raises(CheckpointError, match="none: no such checkpoint; looked for .*runs/none"):
        find_checkpoint("none", beside)


def test_weights_of_another_configuration_are_refused_by_the_first_difference(tmp_path: Path) -> None:
    save_network(tmp_path / "n.safetensors", build(preset("conv-tasnet-edge")), {})
    with pytest.raises(CheckpointError, match="network.sources = 2, the recipe's has 1") as caught:
        start_from(build(preset("enhance-mono")), tmp_path / "n.safetensors")
    assert "\n" not in str(caught.value)
    start_from(build(preset("conv-tasnet-edge")), tmp_path / "n.safetensors")


def test_weights_that_do_not_fit_their_configuration_are_refused_in_one_line(tmp_path: Path) -> None:
    network, other = build(preset("conv-tasnet-edge")), build(preset("enhance-mono"))
    path = tmp_path / "n.safetensors"
    header = {"format": 1, "kind": "network", "config": config_to_dict(other.config)}
    save_tensors(path, {f"network.{name}": t for name, t in network.state_dict().items()}, header)
    with pytest.raises(CheckpointError, match="do not fit together") as caught:
        load_network(path)
    assert "\n" not in str(caught.value)


def test_damaged_checkpoints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.safetensors"
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_network(path)
    save_network(path, build(preset("conv-tasnet-edge")), {})
    data = path.read_bytes()
    for damaged in (data[: len(data) // 2], b"", b"\x00" * 100):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            load_network(path)
    network = build(preset("conv-tasnet-edge"))
    with torch.no_grad():
        network.separator.bottleneck.bias[0] = math.nan
    save_network(path, network, {})
    with pytest.raises(CheckpointError, match="NaN"):
        load_network(path)


def test_a_part_of_a_checkpoint_starts_another_network(tmp_path: Path) -> None:
    """The separator of a network of long windows serves one of short windows, where its features are as many."""
    network = build(preset("enhance-hearing-aid"))
    bank_of_8_ms = preset("enhance-mono").filterbank
    save_network(tmp_path / "n.safetensors", build(replace(network.config, filterbank=bank_of_8_ms)), {})
    bank = {name: t.clone() for name, t in network.filterbank.state_dict().items()}
    start_from(network, tmp_path / "n.safetensors", "separator")
    theirs = load_network(tmp_path / "n.safetensors")[0].separator.state_dict()
    assert all(torch.equal(t, theirs[name]) for name, t in network.separator.state_dict().items())
    assert all(torch.equal(t, bank[name]) for name, t in network.filterbank.state_dict().items())
    with pytest.raises(CheckpointError, match=r"its separator does not fit the recipe's"):
        start_from(build(preset("conv-tasnet-edge")), tmp_path / "n.safetensors", "separator")
