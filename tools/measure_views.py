"""What each view of an array tells apart, and both together, by how the talkers lie to the first of them.

    python -m tools.measure_views CHECKPOINT --set recipes/array4-2spk.toml --data DIR [--mixtures N]

A view looks from the array's centre towards the first of its microphones. By how much further one talker is in that
direction than the other, as a share of a distance that both have (0: side by side or mirrored, 2: before and behind),
mixtures are sorted into rows: SI-SDR improvement in dB of each view by itself, and of the network, which takes the one
whose sources are less alike so far.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from edge_sdk.errors import EdgeError
from models.checkpoint import load_network
from models.data.mixing import Mixtures
from models.evaluation.metrics import improvement
from models.evaluation.scores import separate_with
from models.recipe import SetConfig, load_set
from models.runs import default_cache, load_corpora, load_rooms
from models.tasnet import TasNet
from models.training.views import OneViewEach, apart

EDGES = (0.0, 0.15, 0.5, 1.0, 2.01)


@torch.no_grad()
def by_view(network: TasNet, mixture: np.ndarray) -> np.ndarray:
    """What every view makes of a mixture `[M, n]`, `[V, S, n]`, as late as the network."""
    views = network.config.views
    separated: np.ndarray = OneViewEach(network)(torch.from_numpy(mixture)[None].expand(views, -1, -1)).numpy()
    return separated


def scores(network: TasNet, chosen: SetConfig, data: Path) -> Iterator[tuple[float, list[float]]]:
    """Of every mixture, how far apart its talkers are, and the improvements of each view and of both."""
    rate = network.config.sample_rate
    corpora, rooms = load_corpora(chosen.data, data, rate, default_cache()), load_rooms(chosen.data, data)
    if rooms is None or rooms.mics != network.mics or network.config.spatial is None:
        raise EdgeError(f"a network of {network.mics} microphones: expected a set with rooms of as many")
    mixtures, (first, *_) = Mixtures(*corpora, chosen.mix, rate, chosen.seed, rooms), network.config.spatial.views
    for index in range(chosen.count):
        example = mixtures.example(index)
        late = np.pad(example.mixture, ((0, 0), (0, network.delay)))
        separated = [*by_view(network, late)[..., network.delay :], separate_with(network)(example.mixture)]
        heard = example.mixture[[network.reference]]
        gains = [improvement(sources, example.sources, heard) for sources in separated]
        yield apart(example.about["azimuths_deg"], rooms.array, first[0]), gains


def measure(network: TasNet, chosen: SetConfig, data: Path) -> None:
    """Print a row for every range of differences."""
    found = list(scores(network, chosen, data))
    differences, gains = np.array([d for d, _ in found]), np.array([g for _, g in found])
    names = [*(f"view {n}" for n in range(1, gains.shape[1])), "both"]
    print(f"{'apart':14s}{'mixtures':>10s}" + "".join(f"{name:>9s}" for name in names))
    for low, high in [*pairwise(EDGES), (EDGES[0], EDGES[-1])]:
        rows = gains[(differences >= low) & (differences < high)]
        if len(rows):
            means = "".join(f"{gain:9.2f}" for gain in np.nanmean(rows, axis=0))
            print(f"{low:4.2f} to {high:4.2f}  {len(rows):10d}{means}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="a network of several views: network.safetensors")
    parser.add_argument("--set", type=Path, required=True, metavar="RECIPE", help="its [dev] table, with rooms")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="what the recipe's folders are in")
    parser.add_argument("--mixtures", type=int, help="the first so many of the set (default: all)")
    args = parser.parse_args()
    try:
        network, _ = load_network(args.checkpoint)
        if not isinstance(network, TasNet) or network.config.views < 2:
            raise EdgeError(f"{args.checkpoint}: a network of one view; expected several ([network.spatial] views)")
        chosen = load_set(args.set)
        measure(network, replace(chosen, count=min(chosen.count, args.mixtures or chosen.count)), args.data)
        return 0
    except (EdgeError, ValueError) as error:
        print(f"measure_views: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
