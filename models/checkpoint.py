"""Networks and training states as safetensors files: weights, and in the header what rebuilds the network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from edge_sdk.contract import write_file
from edge_sdk.errors import CheckpointError
from models.more_memory import remembers_more, with_memory
from models.more_pairs import sees_more, with_more_pairs
from models.more_views import looks_from_more_sides, with_more_views
from models.network import Network
from models.zoo import build, config_from_dict, config_to_dict

FORMAT = 1
WEIGHTS = "network."


def save_tensors(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Write aside, sync, rename: a kill at any moment leaves the old file or the new one."""
    data = save({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, {"header": json.dumps(header)})
    try:
        write_file(path, data)
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be written ({error.strerror}); free space or choose another folder"
        ) from error


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and header of a checkpoint; `CheckpointError` where it is missing, damaged or of an unknown format."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; expected a .safetensors file written by edge-sdk train")
    try:
        data = path.read_bytes()  # at once: a training may replace the file meanwhile
        tensors = load(data)
        listed = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        header = json.loads(listed.get("__metadata__", {}).get("header", "null"))
    except (SafetensorError, ValueError, OSError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error})") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not a checkpoint of this version of edge-sdk (expected format {FORMAT})")
    return tensors, header


def first_line(error: Exception) -> str:
    """What an error says, without the list of everything that follows from it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])


def with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Tensors whose names begin with the prefix, without it."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def save_network(path: Path, network: Network, about: dict[str, Any]) -> None:
    """A network alone. `about`: where it comes from (recipe, commit, step, hours seen), plain data."""
    header = {"format": FORMAT, "kind": "network", "config": config_to_dict(network.config), "about": about}
    save_tensors(path, {WEIGHTS + name: t for name, t in network.state_dict().items()}, header)


def load_network(path: Path) -> tuple[Network, dict[str, Any]]:
    """The network of a checkpoint in evaluation mode, and what its header says about it."""
    tensors, header = load_tensors(path)
    if header.get("kind") != "network":
        raise CheckpointError(f"{path}: the state of a training; use the network.safetensors beside it")
    try:
        network = build(config_from_dict(header["config"]))
        network.load_state_dict(with_prefix(tensors, WEIGHTS))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path}: weights and configuration do not fit together ({first_line(error)})") from error
    if bad := [name for name, t in network.state_dict().items() if not torch.isfinite(t).all()]:
        raise CheckpointError(f"{path}: {bad[0]} holds NaN or infinite weights; take an earlier checkpoint")
    return network.eval(), header.get("about", {})


def find_checkpoint(name: str, beside: Path) -> Path:
    """The file that a recipe in the folder `beside` means: a path, a run folder, or a name in `runs`, `checkpoints`."""
    inside = Path("network.safetensors")
    paths = [path for root in (beside, Path()) for path in (root / name, root / name / inside)]
    paths += [Path("runs") / name / inside, Path("checkpoints") / f"{name}.safetensors"]
    for path in paths:
        if path.is_file():
            return path
    raise CheckpointError(f"{name}: no such checkpoint; looked for {', '.join(dict.fromkeys(map(str, paths)))}")


def start_from(network: Network, path: Path, part: str = "") -> None:
    """Give a network the weights of a checkpoint of the same configuration, or of one with less: pairs, views, memory.

    part: a part of both, such as `separator`, that is to have them; the networks may differ in everything else, and in
    what does not change the shape of a weight.
    """
    other, _ = load_network(path)
    if part:
        try:
            network.get_submodule(part).load_state_dict(other.get_submodule(part).state_dict())
        except (AttributeError, RuntimeError) as error:
            raise CheckpointError(
                f"{path}: its {part} does not fit the recipe's ({first_line(error)}); give both the same sizes"
            ) from error
        return
    weights = other.state_dict()
    if sees_more(network.config, other.config):
        network.load_state_dict(with_more_pairs(weights, network.state_dict(), network.config, other.config))
        return
    if looks_from_more_sides(network.config, other.config):
        network.load_state_dict(with_more_views(weights, network.config))
        return
    if remembers_more(network.config, other.config):
        network.load_state_dict(with_memory(weights, network.state_dict()))
        return
    ours, theirs = config_to_dict(network.config), config_to_dict(other.config)
    if found := first_difference(ours, theirs):
        name, wanted, given = found
        raise CheckpointError(
            f"{path}: its network has {name} = {given!r}, the recipe's has {wanted!r}; make them equal or start anew"
        )
    network.load_state_dict(weights)


def first_difference(ours: Any, theirs: Any, name: str = "network") -> tuple[str, Any, Any] | None:
    """The dotted name of the first value that differs between two tables of plain data, and both values."""
    if not isinstance(ours, dict) or not isinstance(theirs, dict):
        return None if ours == theirs else (name, ours, theirs)
    for key in dict.fromkeys([*ours, *theirs]):
        if found := first_difference(ours.get(key), theirs.get(key), f"{name}.{key}"):
            return found
    return None
