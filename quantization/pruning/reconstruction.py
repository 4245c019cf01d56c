"""The layers behind pruned channels, fitted anew to what they gave before (He, Zhang & Sun, 2017).

What a removed channel added can in part be told from those that stay, and a norm whose statistics lost some channels
scales the others differently. Both are made good by least squares: a linear layer that reads pruned channels gets the
weights that bring its output closest to what the unpruned network has there, on real mixtures. Layer after layer: each
makes good for those before it too, and in a TCN for blocks that are gone. Where nothing of value went, weights stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.layers.tcn import TCN
from models.network import Network
from quantization.pruning.dimensions import FILTERS, Dimension
from quantization.pruning.importance import Mixture
from quantization.pruning.selection import Kept

RIDGE = 1e-4  # of the mean square of a channel: keeps the weights of channels that hardly vary as they are

Place = tuple[str, str]  # a module, and "in" or "out"
Seen = dict[Place, Tensor]  # what passes there, [B, T, C]


@dataclass(frozen=True)
class Fit:
    """A linear layer of the pruned network, and what it should give: told from what passes at some places of the
    unpruned network, `theirs`, and of the pruned one, `ours`."""

    layer: str
    wanted: Callable[[Seen, Seen], Tensor]
    theirs: tuple[Place, ...]
    ours: tuple[Place, ...] = ()


@torch.no_grad()
def reconstruct(
    pruned: Network, network: Network, dimensions: Sequence[Dimension], kept: Kept, mixtures: Sequence[Mixture]
) -> None:
    """Fit the layers of the pruned network, in place; without mixtures it stays as it is."""
    separator: Any = network.separator
    fits, readers = list[Fit](), [(d.name, reader) for d in dimensions for reader in d.readers]
    if FILTERS in kept and hasattr(separator, "bottleneck"):
        fits.append(same("separator.bottleneck"))
    if isinstance(separator, TCN):
        gone = [int(name.split(".")[-1]) for name, channels in kept.items() if not len(channels)]
        fits += tcn_fits(separator, [number for number in range(len(separator.blocks)) if number not in gone])
        readers = [pair for pair in readers if pair[0] == FILTERS]
    fits += [same(reader) for _, reader in readers if as_wide(pruned.get_submodule(reader), network, reader)]
    for fit in fits if mixtures else ():
        solve(fit, pruned, network, mixtures)


def as_wide(layer: nn.Module, network: Network, name: str) -> bool:
    """Whether a layer is a linear one that has all the outputs it had."""
    before = network.get_submodule(name)
    return isinstance(layer, nn.Linear) and isinstance(before, nn.Linear) and layer.out_features == before.out_features


def same(layer: str) -> Fit:
    """A layer that should give what it gave."""
    return Fit(layer, lambda theirs, _: theirs[layer, "out"], ((layer, "out"),))


def tcn_fits(tcn: TCN, staying: Sequence[int]) -> list[Fit]:
    """The last layer of every block: what brings the residual, and the sum of the skip path, to those of the network.

    Blocks that are gone are made up for by the one before them; those at the beginning, by the bottleneck.
    """
    residual, count = tcn.config.bottleneck, len(tcn.blocks)

    def residual_at(number: int) -> Place:
        return f"separator.blocks.{number}.expand", "in"

    def outputs_of(numbers: range) -> tuple[Place, ...]:
        return tuple((f"separator.blocks.{number}.project", "out") for number in numbers)

    fits = []
    if staying[0]:
        place = residual_at(staying[0])
        fits.append(Fit("separator.bottleneck", lambda theirs, _, place=place: theirs[place], (place,)))  # type: ignore[misc]
    for new, (number, following) in enumerate(zip(staying, [*staying[1:], count], strict=True)):
        begin, last = residual_at(new), following == count
        end = ("separator.prelu", "in") if last else residual_at(following)
        added = outputs_of(range(number if new else 0, following))

        def wanted(theirs: Seen, ours: Seen, begin: Place = begin, end: Place = end, added: Any = added) -> Tensor:
            skips = torch.stack([theirs[place][..., residual:] for place in added]).sum(0)
            if tcn.config.skip and end[0] == "separator.prelu":  # which reads the skip path: this residual nobody does
                return torch.cat([theirs[added[-1]][..., :residual], skips], dim=-1)
            return torch.cat([theirs[end] - ours[begin], skips], dim=-1)

        fits.append(Fit(f"separator.blocks.{new}.project", wanted, (end, *added), (begin,)))
    return fits


def solve(fit: Fit, pruned: Network, network: Network, mixtures: Sequence[Mixture]) -> None:
    """Give a layer the weights that least squares find."""
    layer = pruned.get_submodule(fit.layer)
    assert isinstance(layer, nn.Linear)
    width, inside, outside = layer.in_features, (fit.layer, "in"), (fit.layer, "out")
    products: Tensor = torch.zeros(width + 1, width + 1, dtype=torch.float64)
    errors: Tensor = torch.zeros(width + 1, layer.out_features, dtype=torch.float64)
    for mixture, _ in mixtures:
        given = torch.from_numpy(mixture)[None]
        theirs, ours = passing(network, given, fit.theirs), passing(pruned, given, (*fit.ours, inside, outside))
        x = nn.functional.pad(ours[inside].flatten(0, -2).double(), (0, 1), value=float(layer.bias is not None))
        products += x.T @ x
        errors += x.T @ (fit.wanted(theirs, ours) - ours[outside]).flatten(0, -2).double()
    ridge = RIDGE * products.diagonal().mean() * torch.eye(width + 1, dtype=torch.float64)
    change = torch.linalg.solve(products + ridge, errors).float()
    layer.weight.add_(change[:-1].T)
    if layer.bias is not None:
        layer.bias.add_(change[-1])


def passing(network: Network, mixture: Tensor, places: Sequence[Place]) -> Seen:
    """What passes at some places of a network for a mixture."""
    seen: Seen = {}

    def look(place: Place, args: tuple[Any, ...], out: Any) -> None:
        seen[place] = args[0] if place[1] == "in" else out

    with ExitStack() as stack:
        for place in places:
            hook = network.get_submodule(place[0]).register_forward_hook(
                lambda _, args, out, place=place: look(place, args, out)
            )
            stack.callback(hook.remove)
        network(mixture)
    return seen
