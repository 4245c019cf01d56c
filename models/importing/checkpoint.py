"""From a file of another toolkit to one of our networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from edge_sdk.errors import CheckpointError
from models.importing import conv_tasnet, dprnn_tasnet, fasnet_tac, lstm_tasnet, torchaudio_conv_tasnet
from models.importing.contents import Arguments, Weights
from models.importing.reading import read_checkpoint
from models.network import Network
from models.training.provenance import sha256_of
from models.zoo import NetworkConfig, build

Convert = Callable[[Arguments, Weights], tuple[NetworkConfig, dict[str, Tensor]]]

ASTEROID: dict[str, Convert] = {
    "ConvTasNet": conv_tasnet.convert,
    "DPRNNTasNet": dprnn_tasnet.convert,
    "LSTMTasNet": lstm_tasnet.convert,
    "FasNetTAC": fasnet_tac.convert,
}
SERIALIZED = ("model_name", "model_args", "state_dict")  # what Asteroid's `serialize()` gives, and more


@dataclass(frozen=True)
class Imported:
    """A network of ours with the weights of another toolkit's; `about` says where they come from."""

    network: Network
    toolkit: str
    name: str
    about: dict[str, Any]


def import_checkpoint(path: Path, given: Mapping[str, Any] | None = None) -> Imported:
    """The network in a file of Asteroid or torchaudio, in evaluation mode.

    `given` are arguments, in the toolkit's words, that are not in the file or take the place of those that are.
    `CheckpointError` where the file cannot be read, or is not one of the networks known, whole and without NaN.
    """
    data = read_checkpoint(path)
    try:
        toolkit, name, values, tensors = identify(data)
        convert = torchaudio_conv_tasnet.convert if toolkit == "torchaudio" else ASTEROID[name]
        arguments, weights = Arguments({**values, **(given or {})}), Weights(tensors)
        config, state = convert(arguments, weights)
        weights.done()
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error
    network = build(config)
    network.load_state_dict(state)
    about = {"toolkit": toolkit, "network": name, "arguments": plain(arguments.values), "sha256": sha256_of(path)}
    return Imported(network.eval(), toolkit, name, {"imported": about})


def identify(data: Any) -> tuple[str, str, dict[str, Any], dict[str, Tensor]]:
    """Toolkit, network, arguments and tensors of what a file holds."""
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise ValueError(f"holds a {type(data).__name__}, expected a network of Asteroid or torchaudio")
    if any(name.startswith("mask_generator.") for name in data):
        return "torchaudio", "ConvTasNet", {}, data
    if missing := [key for key in SERIALIZED if key not in data]:
        found = ", ".join(list(data)[:3]) or "nothing"
        raise ValueError(
            f"holds {found}, but no {missing[0]}; expected what Asteroid's network.serialize() gives, "
            "or the state_dict of a torchaudio ConvTasNet"
        )
    name, values, tensors = (data[key] for key in SERIALIZED)
    if name not in list(ASTEROID):
        raise ValueError(f"is a network named {name!r}, expected one of {', '.join(ASTEROID)}")
    if not isinstance(values, dict) or not isinstance(tensors, dict):
        raise ValueError("model_args and state_dict are not tables")
    return "asteroid", name, values, tensors


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, those that are no plain values as text."""
    return {str(k): v if isinstance(v, str | bool | int | float | None) else repr(v) for k, v in values.items()}
