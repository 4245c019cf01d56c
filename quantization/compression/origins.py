"""The networks that a search quantizes: checkpoints as they are, and pruned; each exported once, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from edge_sdk.errors import EdgeError
from models.checkpoint import load_network, save_network
from models.network import Network
from models.training.provenance import sha256_of
from quantization.artifact import Artifact, paths, read_artifact, write_artifact
from quantization.compression.candidates import Origin
from quantization.export import export
from quantization.layers import graph_layers
from quantization.parity import check, recorded
from quantization.pruning import PruneConfig, prune
from quantization.pruning.dimensions import hidden_dimensions
from quantization.pruning.fine_tuning import recipe_for, training_mixtures
from quantization.pruning.selection import keep_share
from quantization.recipes import get_recipe
from quantization.step_graph import step_graph

FITTED = 4  # training mixtures that say which channels go, and that the layers behind them are fitted to
FOLDER = "networks"


@dataclass(frozen=True)
class Pruning:
    """How networks are pruned: for which mixtures, and to widths that are multiples of what."""

    training: Path
    data: Path
    cache: Path
    multiple: int = 16


class Origins:
    """The networks of a search and their float32 models, made when they are first asked for and kept in its folder."""

    def __init__(
        self, folder: Path, checkpoints: Sequence[Path], pruning: Pruning | None, frames_per_step: int = 1
    ) -> None:
        self.folder, self.checkpoints = folder / FOLDER, checkpoints
        self.pruning, self.frames_per_step = pruning, frames_per_step
        self.opened: tuple[Origin, tuple[Network, Artifact]] | None = None

    def open(self, origin: Origin) -> tuple[Network, Artifact]:
        """The network, and its float32 model, which has passed the parity gate."""
        if self.opened is None or self.opened[0] != origin:
            self.opened = origin, self.load(origin)
        return self.opened[1]

    def load(self, origin: Origin) -> tuple[Network, Artifact]:
        """From the folder, where it was made before."""
        network, about = load_network(self.checkpoints[origin.checkpoint])
        if origin.ratio:
            pruned = self.folder / f"{origin.label}.safetensors"
            if not pruned.is_file():
                save_network(pruned, self.prune(network, origin.ratio), {**about, "pruned": self.history(origin)})
            network, about = load_network(pruned)
        model, beside = paths(self.folder, origin.label)
        if model.is_file() and beside.is_file():
            return network, read_artifact(model)
        try:
            artifact = export(network, origin.label, self.frames_per_step, about)
        except ValueError as error:
            raise EdgeError(f"{self.checkpoints[origin.checkpoint]}: not exported ({error})") from error
        artifact = recorded(artifact, check(network, artifact))
        write_artifact(artifact, self.folder, force=True)
        return network, artifact

    def prune(self, network: Network, ratio: float) -> Network:
        """Without a share of the channels of every layer, what is behind them fitted anew; not trained on."""
        assert self.pruning is not None, "origins are made without ratios then"
        how = self.pruning
        recipe = recipe_for(network, how.training)
        mixtures = training_mixtures(network, recipe, how.data, how.cache, FITTED)
        return prune(network, mixtures, self.config(ratio)).eval()

    def config(self, ratio: float) -> PruneConfig:
        """What is pruned at a ratio."""
        return PruneConfig(ratio, multiple=self.pruning.multiple if self.pruning else 1)

    def history(self, origin: Origin) -> dict[str, Any]:
        """Where a pruned network comes from."""
        checkpoint = self.checkpoints[origin.checkpoint]
        return {"from": str(checkpoint), "sha256": sha256_of(checkpoint), **asdict(self.config(origin.ratio))}


def check_ratios(network: Network, ratios: Sequence[float], multiple: int) -> None:
    """`EdgeError` where a network cannot be pruned by one of the ratios, known before the work."""
    try:
        for ratio in ratios:
            config, found = PruneConfig(ratio, multiple=multiple), hidden_dimensions(network)
            kept = [len(keep_share(d, torch.arange(d.width), config.ratio, config.multiple)) for d in found]
            if kept == [d.width for d in found]:
                raise ValueError(
                    f"ratio = {ratio:g} in multiples of {multiple} takes nothing from layers of {max(kept)} channels"
                )
    except ValueError as error:
        raise EdgeError(f"--ratios: {error}; choose others, another --multiple, or 0 for no pruning") from error


def least_kib(network: Network, recipes: Sequence[str], ratio: float) -> float:
    """Less than any model of the network can take, pruned by a ratio: its weights alone, in the fewest bits.

    Weights between two pruned layers shrink twice, those of all others less.
    """
    layers = graph_layers(step_graph(network, 1))
    bits = sum(layer.weights * min(get_recipe(r).precision(layer).weights for r in recipes) for layer in layers)
    return bits * (1 - ratio) ** 2 / 8 / 1024
