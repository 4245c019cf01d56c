"""Networks of other toolkits beside what `models.importing` makes of them.

Theirs and ours see the same frames if each gets the silence before and after the mixture that the other has built in.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn.functional import pad

from models.fasnet import FaSNetTAC
from models.network import Network

FROZEN = Path(__file__).parent / "assets" / "imported"
# Sums in another order; relative to the largest sample. Measured: at most 1e-6, at published size (make test-import).
TOLERANCE = 1e-5
# What torchaudio's weights do not say of its frozen network.
TORCHAUDIO = {"msk_activate": "relu", "msk_num_layers": 3, "sample_rate": 8000}


@dataclass(frozen=True)
class Silence:
    """Samples of silence around a mixture: before and after it for theirs, after it for ours."""

    theirs_before: int
    theirs_after: int
    ours_after: int


def silence(network: Network, toolkit: str) -> Silence:
    """What makes both see the same frames."""
    if isinstance(network, FaSNetTAC):
        bank = network.config.beamformer
        return Silence(bank.alignment - bank.hop, 0, bank.alignment + bank.window)
    if toolkit == "torchaudio":
        return Silence(0, 0, network.delay)
    return Silence(network.delay, network.delay, network.delay)


@torch.no_grad()
def separated(network: Network, toolkit: str, mixture: Tensor) -> Tensor:
    """Our sources `[S, n]` of a mixture `[M, n]`, without delay."""
    after = silence(network, toolkit).ours_after
    return network(pad(mixture, (0, after))[None])[0, :, network.delay :][:, : mixture.shape[-1]]


def difference(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference relative to the largest sample."""
    return float((ours - theirs).abs().max() / theirs.abs().max())


@dataclass(frozen=True)
class Frozen:
    """A small network of another toolkit as `tests/environments/asteroid/freeze.py` has written it.

    contents: of its checkpoint. given: arguments that are not in it. mixture `[M, n]`, sources `[S, n]`: theirs.
    """

    toolkit: str
    contents: dict[str, Any]
    given: dict[str, Any]
    mixture: Tensor
    sources: Tensor

    def save(self, folder: Path) -> Path:
        """The checkpoint as its toolkit saves it."""
        path = folder / "model.pth"
        torch.save(self.contents, path)
        return path


def frozen_names() -> list[str]:
    return sorted(path.stem for path in FROZEN.glob("*.safetensors"))


def load_frozen(name: str) -> Frozen:
    with safe_open(FROZEN / f"{name}.safetensors", "pt") as file:
        about = json.loads(file.metadata()["about"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    mixture, sources = tensors.pop("mixture"), tensors.pop("sources")
    weights = {key.removeprefix("state_dict."): tensor for key, tensor in tensors.items()}
    contents = {**about["contents"], "state_dict": weights} if about["contents"] else weights
    return Frozen(about["toolkit"], contents, about["given"], mixture, sources)


def changed(name: str, change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """The contents of a frozen checkpoint after a change."""
    contents = copy.deepcopy(load_frozen(name).contents)
    change(contents)
    return contents
