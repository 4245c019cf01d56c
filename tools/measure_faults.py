"""What a separator of a microphone array loses when a microphone is dead, swapped with another, or 6 dB off.

    python -m tools.measure_faults MODEL --set recipes/array4-2spk.toml --data DIR [--mixtures N]

The same talkers in the same rooms, with one fault in every mixture: SI-SDR improvement in dB over the set, and how much
of it the fault takes. Targets are what the channel of the reference microphone carries, as in training. Where one is
dead, the model hears the array as `edge-sdk run` would have it heard: turned, where the dead one is in a row that
matters. More than 3 dB lost is marked with `!` and makes the exit code 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_sdk import Separator
from edge_sdk.errors import EdgeError
from edge_sdk.live.stand_in import Order, best_order, rows_of_views, turning
from models.data.example import Example
from models.data.faults import FaultConfig
from models.data.mixing import Mixtures
from models.evaluation.scores import evaluate, summarize
from models.recipe import SetConfig, load_set
from models.runs import default_cache, load_corpora, load_rooms

MOST_LOST_DB = 3.0
NONE, SWAPPED = FaultConfig(), FaultConfig(swapped=1.0)
OFF_DB = {"one 6 dB louder": 6.0, "one 6 dB quieter": -6.0}


def louder(examples: Iterator[Example], db: float) -> Iterator[Example]:
    """The examples with one microphone so much louder, each one in its turn; SI-SDR knows no level of the target."""
    for index, example in enumerate(examples):
        mixture = example.mixture.copy()
        mixture[index % len(mixture)] *= np.float32(10 ** (db / 20))
        yield replace(example, mixture=mixture)


def turned(examples: Iterator[Example], order: Order, dead: int) -> Iterator[Example]:
    """The examples with the microphones in that order, one of them silent."""
    for example in examples:
        mixture = example.mixture[list(order)]
        mixture[order.index(dead)] = 0
        yield replace(example, mixture=mixture)


def improvement_db(separator: Separator, examples: Iterator[Example]) -> float:
    scores = evaluate(separator.separate, examples, separator.sample_rate, ("si_sdr",))
    return float(summarize(scores)["si_sdr_improvement"])


def measure(separator: Separator, chosen: SetConfig, data: Path) -> bool:
    """Print a row for every fault; whether all of them leave enough."""
    rate = separator.sample_rate
    corpora, rooms = load_corpora(chosen.data, data, rate, default_cache()), load_rooms(chosen.data, data)
    if rooms is None or rooms.mics != separator.mics:
        heard = "one microphone" if rooms is None else f"{rooms.mics} microphones"
        raise EdgeError(f"a model of {separator.mics} microphones and a set of {heard}: expected an array, the same")

    def examples(faults: FaultConfig = NONE, reference: int = rooms.array.reference) -> Iterator[Example]:
        heard = copy(rooms)
        heard.array = replace(rooms.array, reference=reference)
        made = Mixtures(*corpora, replace(chosen.mix, faults=faults), rate, chosen.seed, heard)
        return (made.example(index) for index in range(chosen.count))

    def without(dead: int) -> Iterator[Example]:
        array = rooms.array
        good = [mic != dead for mic in range(array.mics)]
        order = best_order(turning(array), rows_of_views(array), good)
        return turned(examples(reference=order[array.reference]), order, dead)

    rows = {"none": examples(), "two swapped": examples(SWAPPED)}
    rows |= {name: louder(examples(), db) for name, db in OFF_DB.items()}
    rows |= {f"microphone {mic + 1} dead": without(mic) for mic in range(rooms.mics)}
    print(f"{'fault':20s}{'dB':>8s}{'lost':>8s}")
    whole, enough = 0.0, True
    for name, made in rows.items():
        gain = improvement_db(separator, made)
        whole = gain if name == "none" else whole
        lost = whole - gain
        enough = enough and lost <= MOST_LOST_DB
        print(f"{name:20s}{gain:8.2f}{lost:8.2f}{'  !' if lost > MOST_LOST_DB else ''}", flush=True)
    return enough


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="model.tflite, bundle.edge or a shipped name")
    parser.add_argument("--set", type=Path, required=True, metavar="RECIPE", help="its [dev] table, with rooms")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="what the recipe's folders are in")
    parser.add_argument("--mixtures", type=int, help="the first so many of the set (default: all)")
    args = parser.parse_args()
    try:
        chosen = load_set(args.set)
        chosen = replace(chosen, count=min(chosen.count, args.mixtures or chosen.count))
        return 0 if measure(Separator.open(args.model), chosen, args.data) else 1
    except (EdgeError, ValueError) as error:
        print(f"measure_faults: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
