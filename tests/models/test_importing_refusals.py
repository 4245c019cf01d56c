"""What is no network of Asteroid or torchaudio, or none ours can be, is refused by name; no code in it is run."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edge_sdk.errors import CheckpointError
from models.importing import import_checkpoint
from models.importing.reading import read_checkpoint
from tests.models.imported import TORCHAUDIO, changed, load_frozen


def refusal(contents: Any, folder: Path, given: dict[str, Any] | None = None) -> str:
    """What is said of a file with these contents."""
    path = folder / "model.pth"
    torch.save(contents, path)
    with pytest.raises(CheckpointError) as refused:
        import_checkpoint(path, given)
    message = str(refused.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message.removeprefix(f"{path}: ")


NAME = "masker.TCN.1.shared_block.5.gamma"
TENSORS = {
    "missing": (lambda t: t.pop(NAME), f"tensor {NAME} is missing"),
    "extra": (lambda t: t.update(odd=torch.ones(1)), "has tensors that this network does not: 'odd'"),
    "many extra": (lambda t: t.update({f"x{n}": t[NAME] for n in range(9)}), "'x0', 'x1', 'x2' and 6 more"),
    "misshapen": (lambda t: t.update({NAME: torch.ones(5)}), f"{NAME} has shape (5,), expected (12,)"),
    "NaN": (lambda t: t[NAME].fill_(torch.nan), f"{NAME} holds NaN or infinite weights"),
    "infinite": (lambda t: t[NAME][3:4].fill_(-torch.inf), f"{NAME} holds NaN or infinite weights"),
    "whole numbers": (
        lambda t: t.update({NAME: torch.ones(12, dtype=torch.int64)}),
        f"{NAME} is not a tensor of float",
    ),
    "no tensor": (lambda t: t.update({NAME: [1.0] * 12}), f"{NAME} is not a tensor of float"),
}


@pytest.mark.parametrize("fault", TENSORS)
def test_a_wrong_tensor_is_named(fault: str, tmp_path: Path) -> None:
    change, expected = TENSORS[fault]
    assert expected in refusal(changed("conv-tasnet-causal-cLN", lambda c: change(c["state_dict"])), tmp_path)


ARGUMENTS = [
    (
        "conv-tasnet-gLN",
        {"mask_act": "softmax"},
        "mask_act = 'softmax' cannot be imported: expected 'sigmoid' or 'relu'",
    ),
    ("conv-tasnet-gLN", {"fb_name": "STFTFB"}, "fb_name = 'STFTFB' cannot be imported"),
    ("conv-tasnet-gLN", {"norm_type": "fgLN"}, "norm_type = 'fgLN' cannot be imported"),
    ("conv-tasnet-gLN", {"norm_type": ["gLN"]}, "norm_type = ['gLN'] cannot be imported"),
    ("conv-tasnet-gLN", {"encoder_activation": "prelu"}, "encoder_activation = 'prelu' cannot be imported"),
    ("conv-tasnet-gLN", {"out_chan": 7}, "out_chan = 7 cannot be imported: expected 20"),
    ("conv-tasnet-gLN", {"n_src": "two"}, "n_src = 'two': expected a whole number"),
    ("conv-tasnet-gLN", {"n_blocks": -3}, "n_blocks = -3: expected a whole number"),
    ("conv-tasnet-gLN", {"hid_chan": float("nan")}, "hid_chan = nan: expected a whole number"),
    ("conv-tasnet-gLN", {"stride": 3}, "window a multiple of the hop"),
    ("conv-tasnet-gLN", {"stride": 0}, "lengths must be positive"),
    ("conv-tasnet-gLN", {"conv_kernel_size": 4}, "kernel = 4"),
    ("conv-tasnet-gLN", {"causal": True}, "norm 'global' (it averages over the future"),
    ("conv-tasnet-gLN", {"sample_rate": 0}, "0 Hz"),
    ("conv-tasnet-gLN", {"bn_chan": 9}, "masker.bottleneck.1.weight has shape (8, 20, 1), expected (9, 20, 1)"),
    ("conv-tasnet-gLN", {"n_repeats": 10**12}, "tensor masker.TCN.6.shared_block.3.weight is missing"),
    ("conv-tasnet-gLN", {"magic": 1}, "argument 'magic' = 1 is not known"),
    ("dprnn-tasnet-gLN", {"rnn_type": "GRU"}, "rnn_type = 'GRU' cannot be imported"),
    ("dprnn-tasnet-gLN", {"num_layers": 2}, "num_layers = 2 cannot be imported"),
    ("dprnn-tasnet-gLN", {"use_mulcat": True}, "use_mulcat = True cannot be imported"),
    ("dprnn-tasnet-gLN", {"hop_size": 3}, "hop_size = 3 cannot be imported: expected None or 5"),
    ("dprnn-tasnet-gLN", {"chunk_size": 11, "hop_size": 5}, "chunk = 11"),
    ("dprnn-tasnet-gLN", {"norm_type": "cgLN"}, "norm_type = 'cgLN' cannot be imported"),
    ("lstm-tasnet", {"bidirectional": "no"}, "bidirectional = 'no' cannot be imported: expected True or False"),
    ("fasnet-tac-gLN", {"use_tac": False}, "use_tac = False cannot be imported"),
    ("fasnet-tac-gLN", {"window_ms": 0}, "window must be a positive multiple of the hop"),
]


@pytest.mark.parametrize(("name", "arguments", "expected"), ARGUMENTS)
def test_a_network_that_ours_cannot_be_is_refused_by_argument(
    name: str, arguments: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    assert expected in refusal(changed(name, lambda c: c["model_args"].update(arguments)), tmp_path)


def test_arguments_that_are_given_take_the_place_of_those_in_the_file(tmp_path: Path) -> None:
    path = load_frozen("conv-tasnet-gLN").save(tmp_path)
    assert import_checkpoint(path, {"sample_rate": 16_000}).network.config.sample_rate == 16_000
    with pytest.raises(CheckpointError, match="argument 'magic' = 3 is not known"):
        import_checkpoint(path, {"magic": 3})


@pytest.mark.parametrize("missing", TORCHAUDIO)
def test_what_torchaudios_weights_do_not_say_is_asked_for(missing: str, tmp_path: Path) -> None:
    given = {name: value for name, value in TORCHAUDIO.items() if name != missing}
    assert f"do not say {missing}; add" in refusal(load_frozen("torchaudio-relu").contents, tmp_path, given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"msk_num_layers": 4}, "6 blocks, 4 in a repeat: do not divide"),
        ({"num_sources": 3}, "num_sources = 3 cannot be imported: expected 2"),
        ({"msk_activate": "tanh"}, "msk_activate = 'tanh' cannot be imported"),
    ],
)
def test_what_does_not_fit_torchaudios_weights_is_named(given: dict[str, Any], expected: str, tmp_path: Path) -> None:
    assert expected in refusal(load_frozen("torchaudio-relu").contents, tmp_path, {**TORCHAUDIO, **given})


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        ([1, 2], "holds a list, expected a network of Asteroid or torchaudio"),
        ({}, "holds nothing, but no model_name"),
        ({1: torch.ones(1)}, "holds a dict, expected"),
        (
            {"epoch": 3, "state_dict": {}},
            "holds epoch, state_dict, but no model_name; expected what Asteroid's network",
        ),
        (
            {"model_name": "DPTNet", "model_args": {}, "state_dict": {}},
            "named 'DPTNet', expected one of ConvTasNet, DPRNN",
        ),
        ({"model_name": ["x"], "model_args": {}, "state_dict": {}}, "named ['x']"),
        ({"model_name": "ConvTasNet", "model_args": [], "state_dict": {}}, "are not tables"),
        ({"model_name": "ConvTasNet", "model_args": {}, "state_dict": {}}, "does not say n_src; add it: --set n_src="),
        ({"mask_generator.x": torch.ones(1)}, "tensor encoder.weight is missing"),
    ],
)
def test_what_is_no_network_is_refused(contents: Any, expected: str, tmp_path: Path) -> None:
    given = TORCHAUDIO if "mask_generator.x" in contents else {}
    assert expected in refusal(contents, tmp_path, given)


class Payload:
    """A pickle of this calls `os.system` when it is loaded."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_checkpoint_is_refused_by_name_and_never_run(legacy: bool, tmp_path: Path) -> None:
    contents = load_frozen("lstm-tasnet").contents | {"infos": Payload(f"touch {tmp_path / 'run'}")}
    path = tmp_path / "model.pth"
    torch.save(contents, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError, match=r"holds posix.system besides tensors and plain data"):
        import_checkpoint(path)
    assert not (tmp_path / "run").exists()


def test_scores_and_versions_that_asteroid_saves_are_read_as_plain_values(tmp_path: Path) -> None:
    scores = {"si_sdr": np.float64(14.7), "stoi": np.float32(0.5), "utterances": np.int64(3000), "done": np.bool_(True)}
    contents = {"infos": {"torch": torch.__version__, "final_metrics": scores}}
    torch.save(contents, tmp_path / "model.pth")
    infos = read_checkpoint(tmp_path / "model.pth")["infos"]
    assert infos["final_metrics"] == {"si_sdr": 14.7, "stoi": 0.5, "utterances": 3000, "done": True}
    assert {type(value) for value in infos["final_metrics"].values()} == {float, int, bool}
    assert type(infos["torch"]) is str and infos["torch"] == str(torch.__version__)


def test_other_things_of_numpy_are_refused_by_name(tmp_path: Path) -> None:
    contents = {"infos": np.zeros(3)}
    assert "holds numpy._core.multiarray._reconstruct besides" in refusal(contents, tmp_path)
    assert "not a file that torch.save has written" in refusal(
        {"x": np.float64(1), "y": np.datetime64(1, "s")}, tmp_path
    )


@pytest.mark.parametrize("legacy", [False, True])
def test_a_damaged_file_is_refused(legacy: bool, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    torch.save(load_frozen("lstm-tasnet").contents, path, _use_new_zipfile_serialization=not legacy)
    whole = path.read_bytes()
    for length in [0, 1, 2, *range(100, len(whole) - 1, len(whole) // 15)]:
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="damaged"):
            import_checkpoint(path)
    path.unlink()
    with pytest.raises(CheckpointError, match="no such file"):
        import_checkpoint(path)
