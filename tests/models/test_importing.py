"""Checkpoints of Asteroid and torchaudio become networks of ours with the same output, also by command."""

import json
from pathlib import Path

import pytest
import torch

from edge_sdk.cli import main
from models.checkpoint import load_network, save_network
from models.contract import check_blocks_equal_whole, check_latency
from models.evaluation.scores import separate_with
from models.importing import import_checkpoint
from models.importing.folding import RATIO
from models.layers.norms import FrameNorm
from tests.models.imported import TOLERANCE, TORCHAUDIO, changed, difference, frozen_names, load_frozen, separated

CAUSAL = ["conv-tasnet-causal-cLN", "conv-tasnet-causal-cgLN", "conv-tasnet-no-skip", "lstm-tasnet"]
GAIN = "masker.TCN.1.shared_block.2.gamma"


@pytest.mark.parametrize("name", frozen_names())
def test_an_imported_network_computes_what_its_original_has_computed(name: str, tmp_path: Path) -> None:
    frozen = load_frozen(name)
    network = import_checkpoint(frozen.save(tmp_path), frozen.given).network
    found = difference(separated(network, frozen.toolkit, frozen.mixture), frozen.sources)
    assert frozen.sources.abs().max() > 1e-3 * frozen.mixture.abs().max()
    assert found <= TOLERANCE


@pytest.mark.parametrize("name", CAUSAL)
def test_an_imported_causal_network_streams_with_the_latency_it_declares(name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = import_checkpoint(load_frozen(name).save(tmp_path)).network
    assert not network.future
    x = torch.randn(1, 1, 30 * network.hop)
    check_blocks_equal_whole(network, x, axis=-1, unit=network.hop)
    check_latency(network, x)


@pytest.mark.parametrize("name", sorted({*frozen_names()} - {*CAUSAL}))
def test_an_imported_network_that_needs_the_future_says_so_and_refuses_to_stream(name: str, tmp_path: Path) -> None:
    frozen = load_frozen(name)
    network = import_checkpoint(frozen.save(tmp_path), frozen.given).network
    with pytest.raises(ValueError, match=f"cannot stream: {network.future[0]}.* need the future"):
        network.init_state()


@pytest.mark.parametrize("name", ["conv-tasnet-gLN", "dprnn-tasnet-gLN", "torchaudio-relu"])
def test_what_evaluation_scores_is_the_originals_output(name: str, tmp_path: Path) -> None:
    frozen = load_frozen(name)
    separate = separate_with(import_checkpoint(frozen.save(tmp_path), frozen.given).network)
    assert difference(torch.from_numpy(separate(frozen.mixture.numpy())), frozen.sources) <= TOLERANCE


@pytest.mark.parametrize("name", ["conv-tasnet-gLN", "lstm-tasnet", "fasnet-tac-gLN"])
def test_a_checkpoint_of_an_imported_network_gives_it_again(name: str, tmp_path: Path) -> None:
    frozen = load_frozen(name)
    imported = import_checkpoint(frozen.save(tmp_path))
    save_network(tmp_path / "ours.safetensors", imported.network, imported.about)
    network, about = load_network(tmp_path / "ours.safetensors")
    expected = separated(imported.network, frozen.toolkit, frozen.mixture)
    assert torch.equal(separated(network, frozen.toolkit, frozen.mixture), expected)
    assert about["imported"]["arguments"] == frozen.contents["model_args"]


def test_a_factor_before_a_norm_changes_what_is_added_to_its_variance() -> None:
    x = 1e-4 * torch.randn(1, 50, 9, dtype=torch.float64)  # a variance of the size of what is added
    published = torch.nn.functional.layer_norm(x, (9,), eps=1e-8)
    torch.testing.assert_close(FrameNorm()(RATIO * x), published, rtol=0, atol=1e-12)  # float64 rounding
    assert difference(FrameNorm()(x), published) > 0.1


def test_a_gain_of_zero_before_a_convolution_is_the_limit_of_small_ones(tmp_path: Path) -> None:
    outputs = []
    for gain in (0.0, 1e-9, -1e-9, 1e-40):
        contents = changed("conv-tasnet-causal-cLN", lambda c, gain=gain: c["state_dict"][GAIN][::2].fill_(gain))
        torch.save(contents, tmp_path / "model.pth")
        network = import_checkpoint(tmp_path / "model.pth").network
        outputs.append(separated(network, "asteroid", load_frozen("conv-tasnet-causal-cLN").mixture))
    assert max(difference(other, outputs[0]) for other in outputs[1:]) < TOLERANCE


def test_the_command_writes_a_checkpoint_and_says_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = load_frozen("conv-tasnet-causal-cgLN").save(tmp_path), tmp_path / "ours.safetensors"
    assert main(["import", str(source), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{out}: ConvTasNet of asteroid, 3,") and said.endswith(
        "2 sources at 8000 Hz, causal, latency 16 samples (2.0 ms)\n"
    )
    assert load_network(out)[0].latency == 16

    assert main(["import", str(source), "--out", str(out)]) == 1
    assert "exists; choose another --out or give --force" in capsys.readouterr().err
    assert main(["import", str(source), "--out", str(out), "--force", "--set", "sample_rate=16000", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["causal"] and result["sample_rate_hz"] == 16_000 and result["network"] == "ConvTasNet"


def test_the_command_says_that_a_network_is_not_causal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = load_frozen("torchaudio-relu").save(tmp_path), tmp_path / "ours.safetensors"
    options = [text for name, value in TORCHAUDIO.items() for text in ("--set", f"{name}={value}")]
    assert main(["import", str(source), "--out", str(out), *options]) == 0
    said = capsys.readouterr().out
    assert (
        "not causal: depthwise convolutions, global norm need the future" in said
        and "neither streams nor exports" in said
    )

    assert main(["import", str(source), "--out", str(tmp_path / "other")]) == 1
    assert "--set msk_activate=relu" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["import", str(source), "--out", str(out), "--set", "sample_rate"])
    assert "expected NAME=VALUE" in capsys.readouterr().err
